//! The laws of the policy evaluator with all that a company sets: every policy, with every user, every state of the
//! grace period, every exemption, and every factor of the host.

mod policy_cases;

use factorgate::Timestamp;
use factorgate::policy::{
    Channel, DenyReason, DeviceStanding, EmailStanding, Exemption, Grace, InvalidExemption, Plan, Policy, Remedy,
    RemovalRefused, Standing, Step,
};
use policy_cases::company::{
    Expected, Level, PASSKEY, PASSKEY_FACTOR, PUSH, PUSH_FACTOR, Requires, every_dated, every_plain_user, exemption,
    external_step, factors, held, is_challenge, is_exempt, never_held, proved,
};
use policy_cases::{APP, DAY, EMAIL, FIRST, IN_GRACE, NOW, OVER, days, period, user, with};
use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

const CONFIRMED: DeviceStanding = DeviceStanding::Confirmed { recovery_codes: false };

/// Every level, its policy, and its plans for [`USERS`].
static CASES: LazyLock<Vec<(Level, Policy, Vec<Plan>)>> = LazyLock::new(|| {
    let plans = |policy: &Policy| USERS.iter().map(|user| policy.evaluate(user)).collect();
    Level::every().into_iter().map(|level| (level, level.policy(), plans(&level.policy()))).collect()
});
static USERS: LazyLock<Vec<Standing>> = LazyLock::new(every_plain_user);

/// Holds a law to every level with every user without a date. A law whose premise never applied is refused.
fn for_every_plain_case(law: impl Fn(&Level, &Policy, &Standing, &Plan) -> Option<bool>) {
    let mut applied = 0_u64;
    for (level, policy, plans) in CASES.iter() {
        for (user, plan) in USERS.iter().zip(plans) {
            if let Some(holds) = law(level, policy, user, plan) {
                applied += 1;
                assert!(holds, "{level:?} with {user:?} gives {plan:?}");
            }
        }
    }
    assert!(applied > 0, "the premise never applied");
}

fn paths(plan: &Plan) -> impl Iterator<Item = &[Step]> {
    plan.paths().iter().map(|path| path.steps())
}

fn asks_for(plan: &Plan, step: Step) -> bool {
    paths(plan).any(|path| path.contains(&step))
}

fn allows(plan: &Plan) -> bool {
    matches!(plan, Plan::Allow { .. })
}

fn has_device(user: &Standing) -> bool {
    matches!(user.device, DeviceStanding::Confirmed { .. })
}

fn lifted_by_trust(level: &Level, user: &Standing) -> bool {
    level.trust && user.trusted
}

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// A million plans: each is the reference's, and holds to the laws of what is dated.
#[test]
fn every_plan_is_the_reference_s_and_what_is_dated_lifts_what_it_may() {
    let (deferred, exempt, compared) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for part in CASES.chunks(CASES.len().div_ceil(4)) {
            let (deferred, exempt, compared) = (&deferred, &exempt, &compared);
            scope.spawn(move || {
                for (plain, policy, plans) in part {
                    let granting = Level { grace: Some(14), ..*plain };
                    let with_grace = granting.policy();
                    for (user, base) in USERS.iter().zip(plans) {
                        assert_eq!(Expected::from(base), plain.expected(user), "{plain:?}, {user:?}");
                        for dated in every_dated(user) {
                            let plan = with_grace.evaluate(&dated);
                            compared.fetch_add(1, Ordering::Relaxed);
                            if !never_held(user) {
                                // Who holds or ever held a factor: neither takes anything away.
                                assert!(plan == *base, "{plain:?}, {dated:?}");
                                continue;
                            }
                            assert_eq!(Expected::from(&plan), granting.expected(&dated), "{granting:?}, {dated:?}");
                            let without = policy.evaluate(&dated);
                            if is_exempt(&dated) {
                                assert!(without == plan && allows(&plan), "{plain:?}, {dated:?}");
                                exempt.fetch_add(1, Ordering::Relaxed);
                            } else if dated.grace != OVER {
                                assert_eq!(without, *base, "an exemption that is over does nothing");
                                assert_eq!(plan != *base, plan.reminds_enrollment(), "{plain:?}, {dated:?}");
                                deferred.fetch_add(u64::from(plan != *base), Ordering::Relaxed);
                            } else {
                                // After the deadline the plan is that without grace.
                                assert!(without == *base && plan == *base, "{plain:?}, {dated:?}");
                            }
                        }
                    }
                }
            });
        }
    });
    assert_eq!(compared.into_inner(), 504 * 256 * 9);
    assert!(deferred.into_inner() > 1_000 && exempt.into_inner() > 1_000);
}

#[test]
fn l02_l11_every_path_is_there_for_something_and_meets_what_is_asked() {
    for_every_plain_case(|level, _, user, plan| {
        let asked = level.asked(user);
        let meets = |path: &[Step]| !path.is_empty() && asked.iter().all(|clause| proved(path) & clause != 0);
        (!plan.paths().is_empty()).then(|| paths(plan).all(meets))
    });
}

#[test]
fn l03_l04_what_is_enforced_and_what_a_user_holds_is_asked_for() {
    for_every_plain_case(|level, policy, user, plan| {
        let asked = policy.is_enforced() || has_device(user) || held(user) != 0;
        (asked && !lifted_by_trust(level, user)).then(|| !allows(plan))
    });
    // Also where nothing is enforced, the channel is not enabled, and an exemption holds.
    let off = Policy::off(FIRST[0]);
    for (held, plan) in [(PASSKEY, "use the factor passkey"), (PUSH, "use the factor push")] {
        let user = user(|u| (u.external, u.exemption) = (factors(held), exemption(NOW, NOW + DAY)));
        assert_eq!(off.evaluate(&user).to_string(), plan);
    }
}

#[test]
fn l05_no_registration_over_a_factor_that_is_not_proved() {
    for_every_plain_case(|_, _, user, plan| has_device(user).then(|| !asks_for(plan, Step::EnrollApp)));
    for_every_plain_case(|_, _, user, plan| {
        let strongest = if held(user) & PASSKEY != 0 { PASSKEY } else { PUSH };
        let registers = |path: &[Step]| path.contains(&Step::EnrollApp);
        (held(user) != 0 && !has_device(user) && asks_for(plan, Step::EnrollApp)).then(|| {
            paths(plan).filter(|path| registers(path)).all(|path| path.starts_with(&[external_step(strongest)]))
        })
    });
    for_every_plain_case(|_, policy, user, _| {
        let proof = policy.registration_plan(user);
        (held(user) != 0 || has_device(user))
            .then(|| !allows(&proof) && paths(&proof).all(|path| proved(path) & !EMAIL != 0))
    });
}

#[test]
fn l06_who_ever_held_a_factor_never_registers_on_a_password_alone() {
    for_every_plain_case(|_, _, user, plan| {
        (!never_held(user)).then(|| paths(plan).all(|path| path != [Step::EnrollApp]))
    });
}

#[test]
fn l07_no_channel_that_is_off_finishes_a_login_alone() {
    for_every_plain_case(|level, _, user, plan| {
        let own = level.own(user).unwrap_or(0);
        let allowed = level.requires.enabled() | own | APP;
        (!plan.paths().is_empty()).then(|| paths(plan).all(|path| proved(path) & allowed != 0))
    });
    for_every_plain_case(|level, _, user, plan| {
        let off = |bit: u8| (level.requires.enabled() | level.own(user).unwrap_or(0)) & bit == 0;
        (off(PASSKEY) && off(PUSH)).then(|| paths(plan).all(|path| proved(path) & (PASSKEY | PUSH) == 0))
    });
}

#[test]
fn l08_l09_a_pending_device_changes_nothing_and_a_tainted_address_gets_no_code() {
    for_every_plain_case(|_, policy, user, plan| Some(policy.evaluate(&with(user, |u| u.pending = true)) == *plan));
    for_every_plain_case(|_, _, user, plan| {
        user.email?.tainted.then(|| paths(plan).all(|path| proved(path) & EMAIL == 0))
    });
}

#[test]
fn l10_remedies_taken_in_turn_cure_every_denial_and_each_is_needed_once() {
    for_every_plain_case(|_, policy, user, plan| {
        let Plan::Deny(mut denial) = plan.clone() else { return None };
        let mut cured = user.clone();
        let mut taken = Vec::new();
        loop {
            if taken.contains(&denial.remedy) {
                return Some(false);
            }
            taken.push(denial.remedy);
            match denial.remedy {
                Remedy::FixEmailAddress => cured.email = Some(EmailStanding { verified: true, tainted: false }),
                Remedy::IssueTicket => cured.ticket = true,
                Remedy::RegisterExternalFactor => cured.external = factors(PASSKEY | PUSH),
                _ => unreachable!(),
            }
            match policy.evaluate(&cured) {
                Plan::Deny(next) => denial = next,
                _ => return Some(true),
            }
        }
    });
    let passkey = Policy::any_of([Channel::External(*PASSKEY_FACTOR)], FIRST[0]).unwrap();
    let Plan::Deny(denial) = passkey.evaluate(&user(|u| u.device = CONFIRMED)) else { panic!() };
    assert_eq!(denial.reason, DenyReason::NoExternalFactor);
    assert_eq!(
        denial.to_string(),
        "the user does not hold the factor that is asked for: register the factor for the user"
    );
}

#[test]
fn l12_a_trusted_browser_lifts_challenges_only() {
    for_every_plain_case(|level, policy, user, plan| {
        let plain = policy.evaluate(&with(user, |u| u.trusted = false));
        let lifted = allows(plan) && !allows(&plain);
        let challenges = |path: &[Step]| path.iter().all(is_challenge);
        Some(if lifted { level.trust && user.trusted && paths(&plain).any(challenges) } else { *plan == plain })
    });
}

#[test]
fn l13_all_of_asks_for_each() {
    for_every_plain_case(|level, _, _, plan| match level.requires {
        Requires::All(set) if !plan.paths().is_empty() => Some(paths(plan).all(|path| proved(path) & set == set)),
        _ => None,
    });
}

#[test]
fn l14_recovery_codes_and_weaker_factors_never_stand_in_for_more_than_they_may() {
    for_every_plain_case(|_, _, _, plan| {
        let both = |path: &[Step]| path.contains(&Step::RecoveryCode) && path.contains(&Step::AppCode);
        asks_for(plan, Step::RecoveryCode).then(|| !paths(plan).any(both) && asks_for(plan, Step::AppCode))
    });
    // A user's own device is answered for by nothing but itself, and what the administrator named.
    for_every_plain_case(|level, _, user, plan| {
        let named = if level.fallback { EMAIL } else { 0 } | if level.stand_in { PASSKEY } else { 0 };
        (has_device(user) && !plan.paths().is_empty())
            .then(|| paths(plan).all(|path| proved(path) & (APP | named) != 0))
    });
    // Who holds a passkey and no device is asked for the passkey, not for the weaker factor.
    for_every_plain_case(|_, _, user, plan| {
        (held(user) & PASSKEY != 0 && !has_device(user) && !plan.paths().is_empty())
            .then(|| paths(plan).all(|path| path.contains(&external_step(PASSKEY))))
    });
}

#[test]
fn a_factor_more_in_the_user_s_hands_never_takes_a_way_of_answering_the_administrator() {
    // What the administrator asks for can still be answered by whoever could answer it before.
    for_every_plain_case(|_, policy, user, plan| {
        let more = policy.evaluate(&with(user, |u| u.external = factors(PASSKEY | PUSH)));
        (!matches!(plan, Plan::Deny(_))).then_some(!matches!(more, Plan::Deny(_)))
    });
}

#[test]
fn removal_registration_and_step_up_know_no_grace_no_exemption_and_no_trust() {
    let exempt = exemption(NOW, NOW + DAY);
    for_every_plain_case(|level, _, user, _| {
        let policy = Level { grace: Some(90), ..*level }.policy();
        let excused = with(user, |u| (u.grace, u.exemption, u.trusted) = (Grace::NotStarted, exempt.clone(), true));
        let bare = with(user, |u| u.trusted = false);
        Some(
            excused.step_up_plan() == bare.step_up_plan()
                && policy.registration_plan(&excused) == policy.registration_plan(&bare)
                && policy.allows_removal_of_last_device(&excused) == policy.allows_removal_of_last_device(&bare),
        )
    });
    let app = Policy::any_of([Channel::App], FIRST[1]).unwrap().with_grace(days(90));
    let user = user(|u| {
        (u.device, u.grace, u.exemption) = (CONFIRMED, IN_GRACE, exempt);
        u.email = Some(EmailStanding { verified: true, tainted: false });
    });
    assert_eq!(app.allows_removal_of_last_device(&user), Err(RemovalRefused::MustRegister));
}

#[test]
fn d13_a_factor_of_the_host_goes_only_where_the_next_login_has_a_way_without_it() {
    let step = |factor: u8| external_step(factor);
    for (factor, bit) in [(*PASSKEY_FACTOR, PASSKEY), (*PUSH_FACTOR, PUSH)] {
        for_every_plain_case(|_, policy, user, _| {
            let after = with(user, |u| {
                u.external.remove(&factor);
                u.device = if has_device(u) { u.device } else { DeviceStanding::Formerly };
                u.trusted = false;
            });
            let next = policy.evaluate(&after);
            let way = allows(&next) || paths(&next).any(|path| !path.contains(&Step::EnrollApp));
            let lost = asks_for(&next, step(bit));
            (held(user) & bit != 0).then(|| !lost && policy.allows_removal_of_external(user, factor).is_ok() == way)
        });
    }
}

#[test]
fn d01_what_proves_a_device_s_owner_anew_is_the_device_or_what_is_stronger() {
    for_every_plain_case(|_, policy, user, _| {
        let strong = held(user) & PASSKEY != 0;
        has_device(user).then(|| {
            [policy.registration_plan(user), user.step_up_plan()].iter().all(|plan| {
                let proofs: Vec<_> = paths(plan).flatten().copied().collect();
                proofs.contains(&Step::AppCode)
                    && proofs.contains(&external_step(PASSKEY)) == strong
                    && !proofs.contains(&external_step(PUSH))
                    && !proofs.contains(&Step::EmailCode)
            })
        })
    });
}

#[test]
fn e19_grace_is_monotone_in_time_and_nothing_begins_it_anew() {
    let app = |grace| Policy::any_of([Channel::App], FIRST[1]).unwrap().with_grace(days(grace));
    for granted in [1, 7, 90] {
        let mut was_over = false;
        for at in (NOW - 2 * DAY..NOW + 100 * DAY).step_by(3 * 60 * 60) {
            let mut user = Standing::at(secs(at));
            user.grace = period(NOW, NOW + 30 * DAY);
            let until = app(granted).grace_until(&user);
            let deadline = NOW + DAY * u64::from(granted).min(30);
            assert_eq!(until, (at < deadline).then_some(secs(deadline)), "a longer policy moves no deadline back");
            assert_eq!(until.is_some(), app(granted).evaluate(&user).reminds_enrollment());
            assert_eq!(app(granted).grace_to_start(&user), None, "a period that was begun is never begun anew");
            assert!(!(was_over && until.is_some()), "what is over stays over");
            was_over = until.is_none();
        }
        assert!(was_over);
    }
    // The deadline itself is no second of grace.
    for (at, holds) in [(NOW + DAY - 1, true), (NOW + DAY, false)] {
        let mut user = Standing::at(secs(at));
        user.grace = period(NOW, NOW + DAY);
        assert_eq!(app(90).grace_until(&user).is_some(), holds);
    }
    // Without the time there is no grace, and at the end of time no panic.
    assert_eq!(app(90).grace_until(&Standing::new()), None);
    assert_eq!(app(90).grace_until(&Standing::at(secs(u64::MAX))), None);
}

#[test]
fn grace_begins_with_the_login_that_needs_it_and_for_no_one_who_held_a_factor() {
    let app = Policy::any_of([Channel::App], FIRST[1]).unwrap().with_grace(days(14));
    let fresh = |set: fn(&mut Standing)| with(&Standing::at(secs(NOW)), set);
    assert_eq!(app.grace_to_start(&fresh(|_| {})), Some(period(NOW, NOW + 14 * DAY)));
    let nothing: [(&str, Policy, Standing); 5] = [
        ("no grace", Policy::any_of([Channel::App], FIRST[1]).unwrap(), fresh(|_| {})),
        ("nothing to put off", Policy::any_of([Channel::Email], FIRST[1]).unwrap().with_grace(days(14)), fresh(|_| {})),
        ("held one", app.clone(), fresh(|u| u.device = DeviceStanding::Formerly)),
        ("holds one", app.clone(), fresh(|u| u.external = factors(PUSH))),
        ("exempt", app.clone(), fresh(|u| u.exemption = exemption(NOW, NOW + DAY))),
    ];
    for (why, policy, user) in nothing {
        assert_eq!(policy.grace_to_start(&user), None, "{why}");
    }
}

#[test]
fn e23_inside_grace_the_user_passes_with_a_reminder_or_by_what_can_be_asked() {
    let level =
        |requires, grace| Level { requires, first: FIRST[1], fallback: false, trust: false, grace, stand_in: false };
    let newcomer = user(|u| (u.grace, u.email) = (IN_GRACE, Some(EmailStanding { verified: true, tainted: false })));
    for (requires, plan) in [
        (Requires::Any(APP), "let the user in; and remind the user to register a factor"),
        (Requires::Any(PASSKEY), "let the user in; and remind the user to register a factor"),
        (Requires::Any(APP | PUSH), "let the user in; and remind the user to register a factor"),
        (Requires::All(APP | EMAIL), "enter an e-mail code; and remind the user to register a factor"),
        (Requires::Any(APP | EMAIL), "enter an e-mail code; or enter an e-mail code, then register an app"),
    ] {
        assert_eq!(level(requires, Some(14)).policy().evaluate(&newcomer).to_string(), plan, "{requires:?}");
    }
}

/// Every level of a company with each of three grace periods: what a merge depends on.
fn mergeable() -> Vec<Level> {
    let some = Level::every().into_iter().filter(|level| level.first == FIRST[1]);
    some.flat_map(|level| [None, Some(3), Some(14)].map(|grace| Level { grace, ..level })).collect()
}

#[test]
fn m1_m2_a_merge_is_never_weaker_than_any_of_its_parts() {
    let levels = mergeable();
    let users: Vec<Standing> = every_plain_user()
        .into_iter()
        .filter(|u| !u.ticket && u.email.is_none_or(|email| email.verified && !email.tainted))
        .flat_map(|u| {
            let begun = [Grace::NotStarted, period(NOW - 7 * DAY, NOW + 7 * DAY), OVER];
            begun.map(|grace| with(&u, |u| u.grace = grace))
        })
        .collect();
    // Of each part, per user: whether it lets in, and which sets of proved channels meet what it asks for.
    let parts: Vec<Vec<(bool, u16)>> = levels
        .iter()
        .map(|level| {
            let policy = level.policy();
            let meets = |user: &Standing| {
                let asked = level.asked(user);
                set_of((0..16).filter(|proof| asked.iter().all(|clause| proof & clause != 0)))
            };
            users.iter().map(|user| (allows(&policy.evaluate(user)), meets(user))).collect()
        })
        .collect();
    let policies: Vec<Policy> = levels.iter().map(Level::policy).collect();
    // Of each merge: whether it lets in, and which sets its paths prove. There are fewer merges than pairs.
    let mut merges: HashMap<Policy, Vec<(bool, u16)>> = HashMap::new();
    let (mut allowed, mut met) = (0_u64, 0_u64);
    for (i, p) in policies.iter().enumerate() {
        for (j, q) in policies.iter().enumerate().skip(i) {
            let outcomes = merges.entry(Policy::strictest(p, [q])).or_insert_with_key(|policy| {
                let outcome = |user| {
                    let plan = policy.evaluate(user);
                    (allows(&plan), set_of(paths(&plan).map(proved)))
                };
                users.iter().map(outcome).collect()
            });
            for (u, &(lets_in, proofs)) in outcomes.iter().enumerate() {
                let (left, right) = (parts[i][u], parts[j][u]);
                assert!(!lets_in || left.0 && right.0, "M1: {:?}, {:?}, {:?}", levels[i], levels[j], users[u]);
                assert!(proofs & !(left.1 & right.1) == 0, "M2: {:?}, {:?}, {:?}", levels[i], levels[j], users[u]);
                allowed += u64::from(lets_in);
                met += u64::from(proofs != 0);
            }
        }
    }
    assert!(merges.len() > 1_000 && allowed > 10_000 && met > 10_000, "{} {allowed} {met}", merges.len());
}

/// A set of numbers below 16.
fn set_of(numbers: impl Iterator<Item = u8>) -> u16 {
    numbers.fold(0, |set, number| set | 1 << number)
}

#[test]
fn strictest_is_commutative_associative_idempotent_and_takes_the_shorter_grace() {
    let levels = mergeable();
    let policies: Vec<Policy> = levels.iter().map(Level::policy).collect();
    let join = |p: &Policy, q: &Policy| Policy::strictest(p, [q]);
    for (i, p) in policies.iter().enumerate() {
        assert_eq!(join(p, p), *p);
        assert_eq!(Policy::strictest(p, []), *p);
        for (j, q) in policies.iter().enumerate().skip(i) {
            let pq = join(p, q);
            assert_eq!(pq, join(q, p));
            assert_eq!(join(&pq, p), pq);
            assert_eq!(pq.grace().map(|days| days.get()), levels[i].grace.min(levels[j].grace));
            let r = &policies[(i * 31 + j * 17) % policies.len()];
            assert_eq!(join(&pq, r), join(p, &join(q, r)));
            assert_eq!(join(&pq, r), Policy::strictest(p, [q, r]));
        }
    }
}

#[test]
fn an_exemption_is_named_dated_and_bounded() {
    let new = |by: &str, why: &str, days| Exemption::new(by, why, secs(NOW), secs(NOW + days * DAY));
    let good = new(" O. Petrova ", "no smartphone yet", 366).unwrap();
    assert_eq!((good.granted_by(), good.reason()), ("O. Petrova", "no smartphone yet"));
    assert_eq!((good.since(), good.until()), (secs(NOW), secs(NOW + 366 * DAY)));
    assert!(!good.holds_at(secs(NOW - 1)) && good.holds_at(secs(NOW)) && !good.holds_at(good.until()));
    for (by, why, days, error) in [
        ("", "why", 1, InvalidExemption::EmptyText),
        ("who", " \t", 1, InvalidExemption::EmptyText),
        ("who", "two\nlines", 1, InvalidExemption::ControlCharacter),
        ("who", &"x".repeat(121), 1, InvalidExemption::LongText),
        ("who", "why", 0, InvalidExemption::Period),
        ("who", "why", 367, InvalidExemption::Period),
    ] {
        assert_eq!(new(by, why, days).err(), Some(error));
    }
    // Without the time it does nothing.
    let app = Policy::any_of([Channel::App], FIRST[2]).unwrap();
    let mut user = Standing::new();
    user.exemption = Some(good);
    assert!(matches!(app.evaluate(&user), Plan::Deny(_)));
}

#[test]
fn factors_of_one_name_and_another_strength_are_two() {
    let weak = factorgate::policy::ExternalFactor::possession("passkey").unwrap();
    let policy = Policy::any_of([Channel::External(*PASSKEY_FACTOR)], FIRST[0]).unwrap();
    let plan = policy.evaluate(&user(|u| u.external = [weak].into()));
    assert!(matches!(plan, Plan::Deny(denial) if denial.reason == DenyReason::NoExternalFactor));
    assert!(weak < *PASSKEY_FACTOR && *PUSH_FACTOR < *PASSKEY_FACTOR);
}
