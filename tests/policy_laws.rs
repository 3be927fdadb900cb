//! The laws of the policy evaluator, over every policy with every user, and over every merge of two policies.

mod policy_cases;

use factorgate::policy::{
    Channel::{self, App, Email},
    ChannelSet, DenyReason, DeviceStanding, EmailStanding, FirstRegistration, InvalidPolicy, Plan, Policy, Remedy,
    RemovalRefused, Standing, Step,
};
use policy_cases::{
    APP, Case, Channels, EMAIL, EVERY_CASE, FIRST, IN_GRACE, Settings, days, every_user, has_device, proved, user, with,
};
use std::collections::HashSet;

const CONFIRMED: DeviceStanding = DeviceStanding::Confirmed { recovery_codes: false };
const VERIFIED: Option<EmailStanding> = Some(EmailStanding { verified: true, tainted: false });

/// Holds a law to every case. The law answers `None` where its premise does not apply; a law whose premise never
/// applied would hold of anything, and is refused.
#[track_caller]
fn for_every_case(law: impl Fn(&Case) -> Option<bool>) {
    let mut applied = 0;
    for case in EVERY_CASE.iter() {
        if let Some(holds) = law(case) {
            applied += 1;
            assert!(holds, "{:?} with {:?} gives {:?}", case.settings, case.user, case.plan);
        }
    }
    assert!(applied > 0, "the premise never applied");
}

fn is_challenge(steps: &[Step]) -> bool {
    steps.iter().all(|step| matches!(step, Step::AppCode | Step::RecoveryCode | Step::EmailCode))
}

fn is_email(step: &Step) -> bool {
    matches!(step, Step::EmailCode | Step::VerifyEmail)
}

fn is_lifted_by_trust(case: &Case) -> bool {
    case.settings.trust && case.user.trusted
}

#[test]
#[should_panic(expected = "the premise never applied")]
fn a_law_that_says_nothing_is_refused() {
    for_every_case(|_| None);
}

#[test]
#[should_panic(expected = "gives Allow")]
fn a_law_that_is_broken_is_found() {
    for_every_case(|case| Some(!case.allows()));
}

#[test]
fn the_cases_are_all_there_are() {
    assert_eq!(EVERY_CASE.len(), 96 * 320);
    assert_eq!(every_user().into_iter().collect::<HashSet<_>>().len(), 320);
    assert_eq!(EVERY_CASE.iter().map(|c| c.policy.clone()).collect::<HashSet<_>>().len(), 96);
}

#[test]
fn l01_every_case_has_a_plan_and_each_kind_occurs() {
    let count = |kind: fn(&Case) -> bool| EVERY_CASE.iter().filter(|case| kind(case)).count();
    let counts = (count(Case::allows), count(|case| !case.plan.paths().is_empty()), count(Case::denies));
    assert_eq!(counts, (5_640, 16_440, 8_640));
}

#[test]
fn l02_no_plan_and_no_path_is_empty() {
    for_every_case(|case| match &case.plan {
        Plan::Paths { paths, .. } => Some(!paths.is_empty() && case.every_path(|path| !path.is_empty())),
        _ => None,
    });
}

#[test]
fn l03_enforced_is_never_password_only_but_for_grace_or_trust() {
    for_every_case(|case| {
        let excused = case.settings.defers(&case.user) || is_lifted_by_trust(case);
        (case.policy.is_enforced() && !excused).then(|| !case.allows())
    });
}

#[test]
fn l04_a_confirmed_device_is_always_asked_for() {
    for_every_case(|case| (has_device(&case.user) && !is_lifted_by_trust(case)).then(|| !case.allows()));
    let off = Policy::off(FirstRegistration::AfterEmailCode);
    let plan = off.evaluate(&user(|u| u.device = CONFIRMED));
    assert_eq!(plan.to_string(), "enter an app code");
}

#[test]
fn l05_no_registration_over_a_confirmed_device() {
    for_every_case(|case| has_device(&case.user).then(|| !case.asks_for(Step::EnrollApp)));
    assert!(EVERY_CASE.iter().any(|case| case.asks_for(Step::EnrollApp)));
}

#[test]
fn l06_who_ever_held_a_factor_never_registers_on_a_password_alone() {
    let alone = |case: &Case| case.plan.paths().iter().any(|path| path.steps() == [Step::EnrollApp]);
    for_every_case(|case| (case.user.device != DeviceStanding::Never).then(|| !alone(case)));
    for_every_case(|case| alone(case).then(|| case.settings.first == FirstRegistration::AfterPassword));
}

#[test]
fn l07_an_email_code_alone_finishes_no_login_where_the_channel_is_off() {
    for_every_case(|case| {
        let paths = !case.plan.paths().is_empty() && !case.settings.channels.enable_email();
        paths.then(|| case.every_path(|path| !path.iter().all(is_email)))
    });
    assert!(EVERY_CASE.iter().any(|case| !case.every_path(|path| !path.iter().all(is_email))));
}

#[test]
fn l08_a_pending_device_changes_nothing() {
    for_every_case(|case| {
        let other = with(&case.user, |u| u.pending = !u.pending);
        Some(case.policy.evaluate(&other) == case.plan)
    });
}

#[test]
fn l09_a_tainted_address_never_gets_a_code() {
    let mails = |case: &Case| case.asks_for(Step::EmailCode) || case.asks_for(Step::VerifyEmail);
    for_every_case(|case| case.user.email?.tainted.then(|| !mails(case)));
    assert!(EVERY_CASE.iter().any(mails));
}

#[test]
fn l10_a_denial_names_a_remedy_and_the_remedy_cures_it() {
    for remedy in [Remedy::FixEmailAddress, Remedy::IssueTicket] {
        for_every_case(|case| {
            let Plan::Deny(denial) = &case.plan else { return None };
            let cured = with(&case.user, |u| {
                u.ticket = true;
                if remedy == Remedy::FixEmailAddress {
                    u.email = VERIFIED;
                }
            });
            (denial.remedy == remedy).then(|| !matches!(case.policy.evaluate(&cured), Plan::Deny(_)))
        });
    }
}

#[test]
fn l11_every_path_meets_the_requirement() {
    for_every_case(|case| {
        if case.plan.paths().is_empty() || case.plan.reminds_enrollment() {
            return None;
        }
        let clauses = case.settings.requirement(&case.user);
        Some(case.every_path(|path| clauses.iter().all(|clause| proved(path) & clause != 0)))
    });
    for_every_case(|case| case.plan.reminds_enrollment().then(|| case.settings.defers(&case.user)));
}

#[test]
fn l11_grace_defers_the_clause_that_only_an_app_answers_and_no_other() {
    for_every_case(|case| {
        if case.plan.paths().is_empty() || !case.plan.reminds_enrollment() {
            return None;
        }
        let mut clauses = case.settings.requirement(&case.user);
        clauses.retain(|&clause| clause != APP);
        Some(case.every_path(|path| clauses.iter().all(|clause| proved(path) & clause != 0)))
    });
}

#[test]
fn l12_a_trusted_browser_lifts_challenges_only() {
    for_every_case(|case| {
        let plain = case.policy.evaluate(&with(&case.user, |u| u.trusted = false));
        let lifted = case.allows() && !matches!(plain, Plan::Allow { .. });
        lifted.then(|| is_lifted_by_trust(case) && plain.paths().iter().any(|path| is_challenge(path.steps())))
    });
    for_every_case(|case| {
        let plain = case.policy.evaluate(&with(&case.user, |u| u.trusted = false));
        (case.user.trusted && !case.allows()).then_some(plain == case.plan)
    });
}

#[test]
fn l13_all_of_asks_for_both() {
    for_every_case(|case| {
        let all = case.settings.channels == Channels::All && !case.plan.paths().is_empty();
        (all && !case.settings.defers(&case.user)).then(|| case.every_path(|path| proved(path) == APP | EMAIL))
    });
}

#[test]
fn l14_recovery_codes_only_ever_stand_in_for_the_app() {
    for_every_case(|case| {
        case.asks_for(Step::RecoveryCode).then(|| {
            let both = |path: &[Step]| path.contains(&Step::RecoveryCode) && path.contains(&Step::AppCode);
            case.every_path(|path| !both(path)) && case.asks_for(Step::AppCode)
        })
    });
}

#[test]
fn paths_come_in_the_documented_order() {
    for_every_case(|case| {
        let paths = case.plan.paths();
        let rank = |steps: &[Step]| match steps.last() {
            Some(Step::AppCode) => 1,
            Some(Step::RecoveryCode) => 2,
            Some(Step::EmailCode | Step::VerifyEmail) => 3,
            Some(Step::EnrollApp) => 4,
            _ => panic!("{steps:?} ends in a step that finishes no login"),
        };
        let key = |i: usize| (rank(paths[i].steps()), paths[i].steps().len());
        (paths.len() > 1).then(|| (1..paths.len()).all(|i| key(i - 1) <= key(i) && paths[i - 1] < paths[i]))
    });
}

#[test]
fn m1_m2_a_merge_allows_what_both_allow_and_its_paths_meet_both() {
    let (every, users) = (Settings::every(), every_user());
    let plans: Vec<&[Case]> = EVERY_CASE.chunks(users.len()).collect();
    let requirements: Vec<Vec<Vec<u8>>> =
        every.iter().map(|side| users.iter().map(|user| side.requirement(user)).collect()).collect();
    // There are fewer merged policies than merges.
    let mut merged: Vec<(Policy, Vec<Plan>)> = Vec::new();
    let (mut allowed, mut met) = (0, 0);
    for (p, left) in every.iter().enumerate() {
        for (q, right) in every.iter().enumerate() {
            let policy = Policy::strictest(&plans[p][0].policy, [&plans[q][0].policy]);
            let at = merged.iter().position(|(known, _)| *known == policy).unwrap_or_else(|| {
                merged.push((policy.clone(), users.iter().map(|user| policy.evaluate(user)).collect()));
                merged.len() - 1
            });
            for (u, plan) in merged[at].1.iter().enumerate() {
                if matches!(plan, Plan::Allow { .. }) {
                    allowed += 1;
                    assert!(plans[p][u].allows() && plans[q][u].allows(), "{left:?}, {right:?}, {:?}", users[u]);
                }
                for (side, i) in [(left, p), (right, q)] {
                    if side.defers(&users[u]) || plan.paths().is_empty() {
                        continue;
                    }
                    met += 1;
                    let meets = |steps: &[Step]| requirements[i][u].iter().all(|clause| proved(steps) & clause != 0);
                    assert!(
                        plan.paths().iter().all(|path| meets(path.steps())),
                        "{left:?}, {right:?}, {:?}: {plan:?}",
                        users[u]
                    );
                }
            }
        }
    }
    assert_eq!(merged.len(), 132);
    assert!(allowed > 0 && met > 0);
}

#[test]
fn strictest_knows_neither_order_nor_repetition() {
    let every: Vec<Policy> = Settings::every().iter().map(Settings::policy).collect();
    let join = |p: &Policy, q: &Policy| Policy::strictest(p, [q]);
    for p in &every {
        assert_eq!(join(p, p), *p);
        assert_eq!(Policy::strictest(p, []), *p);
        for q in &every {
            let pq = join(p, q);
            assert_eq!(pq, join(q, p));
            assert_eq!(join(&pq, q), pq);
            // Every seventh third policy: all of the channels, and each of the other settings.
            for r in every.iter().step_by(7) {
                let all = Policy::strictest(p, [q, r]);
                assert_eq!(all, join(&pq, r));
                assert_eq!(all, join(p, &join(q, r)));
            }
        }
    }
    assert!(every.iter().any(|p| every.iter().any(|q| join(p, q) != *p && join(p, q) != *q)));
}

#[test]
fn a_clause_that_another_implies_still_stands_when_grace_lifts_the_other() {
    let first = FirstRegistration::AfterPassword;
    let app = Policy::any_of([App], first).unwrap().with_grace(days(14));
    let any = Policy::any_of([App, Email], first).unwrap().with_grace(days(14));
    let newcomer = user(|u| (u.grace, u.email) = (IN_GRACE, VERIFIED));
    assert_eq!(app.evaluate(&newcomer).to_string(), "let the user in; and remind the user to register a factor");
    let both = Policy::strictest(&app, [&any]).evaluate(&newcomer);
    assert!(both.reminds_enrollment());
    assert_eq!(both.paths()[0].steps(), [Step::EmailCode]);
}

#[test]
fn constructors_take_what_makes_sense_and_refuse_the_rest() {
    let none: [Channel; 0] = [];
    for first in FIRST {
        assert_eq!(Policy::any_of(none, first), Err(InvalidPolicy::NoChannel));
        assert_eq!(Policy::all_of(none, first), Err(InvalidPolicy::NoChannel));
        for no_email in [Policy::off(first), Policy::any_of([App], first).unwrap()] {
            assert_eq!(no_email.with_email_fallback(), Err(InvalidPolicy::FallbackWithoutEmail));
        }
        for one in [App, Email] {
            assert_eq!(Policy::all_of([one], first), Policy::any_of([one], first));
            assert_eq!(Policy::all_of([one, one], first), Policy::any_of([one], first));
        }
        assert_ne!(Policy::all_of([App, Email], first), Policy::any_of([App, Email], first));
        assert_eq!(Policy::all_of([Email, App], first), Policy::all_of([App, Email], first));
    }
}

#[test]
fn accessors_tell_what_was_set() {
    for settings in Settings::every() {
        let policy = settings.policy();
        assert_eq!(policy.is_enforced(), settings.channels != Channels::Off);
        assert_eq!(policy.channels().contains(App), settings.channels.enable_app());
        assert_eq!(policy.channels().contains(Email), settings.channels.enable_email());
        assert_eq!(policy.first_registration(), settings.first);
        assert_eq!(policy.allows_email_fallback(), settings.fallback);
        assert_eq!(policy.allows_trusted_browsers(), settings.trust);
        assert_eq!(policy.grace().is_some(), settings.grace);
    }
    assert!(FirstRegistration::AfterPassword < FirstRegistration::AfterEmailCode);
    assert!(FirstRegistration::AfterEmailCode < FirstRegistration::WithTicket);
}

#[test]
fn channel_sets() {
    let none = ChannelSet::default();
    assert!(none.is_empty() && none.iter().next().is_none() && !none.contains(App));
    let both: ChannelSet = [Email, App, Email].into_iter().collect();
    assert_eq!(both, ChannelSet::from([App, Email]));
    assert!(!both.is_empty() && both.iter().eq([App, Email]));
    assert_eq!(format!("{both:?} {none:?}"), "{App, Email} {}");
}

#[test]
fn registration_from_the_profile_never_depends_on_the_channels() {
    for_every_case(|case| {
        let bare = Policy::off(case.settings.first).registration_plan(&case.user);
        Some(case.policy.registration_plan(&case.user) == bare)
    });
    for (first, set, plan) in [
        (FIRST[0], user(|_| {}), "let the user in"),
        (FIRST[0], user(|u| u.device = CONFIRMED), "enter an app code"),
        (
            FIRST[2],
            user(|u| u.device = DeviceStanding::Confirmed { recovery_codes: true }),
            "enter an app code; or enter a recovery code",
        ),
        (FIRST[0], user(|u| (u.device, u.email) = (DeviceStanding::Formerly, VERIFIED)), "enter an e-mail code"),
        (FIRST[1], user(|u| (u.ticket, u.email) = (true, VERIFIED)), "enter an e-mail code; or enter a ticket"),
        (FIRST[2], user(|u| (u.ticket, u.email) = (true, VERIFIED)), "enter a ticket"),
    ] {
        assert_eq!(Policy::off(first).registration_plan(&set).to_string(), plan);
    }
    let nothing_to_prove = [
        (FIRST[0], user(|u| u.device = DeviceStanding::Formerly)),
        (FIRST[1], user(|u| u.email = Some(EmailStanding { verified: true, tainted: true }))),
        (FIRST[2], user(|u| (u.trusted, u.grace, u.email) = (true, IN_GRACE, VERIFIED))),
    ];
    for (first, user) in nothing_to_prove {
        let Plan::Deny(denial) = Policy::off(first).registration_plan(&user) else { panic!("{first:?}, {user:?}") };
        assert_eq!((denial.reason, denial.remedy), (DenyReason::NoFirstEnrollmentProof, Remedy::IssueTicket));
    }
}

#[test]
fn registration_from_the_profile_is_never_weaker_than_at_login() {
    for_every_case(|case| {
        let at_login = case.plan.paths().iter().find(|path| path.steps().ends_with(&[Step::EnrollApp]))?;
        let proof = &at_login.steps()[..at_login.steps().len() - 1];
        let profile = case.policy.registration_plan(&case.user);
        // The path at login may prove a channel besides, but holds one of the proofs, or none is needed.
        Some(match &profile {
            Plan::Allow { .. } => case.settings.first == FirstRegistration::AfterPassword,
            _ => profile.paths().iter().any(|path| path.steps().iter().all(|step| proof.contains(step))),
        })
    });
}

#[test]
fn the_last_device_may_go_where_the_next_login_can_do_without() {
    let removal = |policy: &Policy, set: fn(&mut Standing)| policy.allows_removal_of_last_device(&user(set));
    let with_email = |u: &mut Standing| (u.device, u.email, u.trusted) = (CONFIRMED, VERIFIED, true);
    let without = |u: &mut Standing| (u.device, u.trusted, u.grace) = (CONFIRMED, true, IN_GRACE);
    let first = FirstRegistration::AfterEmailCode;
    let email = Policy::any_of([Email], first).unwrap().with_trusted_browsers();
    let any = Policy::any_of([App, Email], first).unwrap().with_trusted_browsers();
    let app = Policy::any_of([App], first).unwrap().with_grace(days(14));
    let all = Policy::all_of([App, Email], first).unwrap();

    assert_eq!(removal(&Policy::off(first), without), Ok(()));
    assert_eq!(removal(&email, with_email), Ok(()));
    assert_eq!(removal(&any, with_email), Ok(()));
    assert_eq!(removal(&app, with_email), Err(RemovalRefused::MustRegister));
    assert_eq!(removal(&all, with_email), Err(RemovalRefused::MustRegister));
    for (policy, reason) in [
        (email, DenyReason::NoUsableEmail),
        (any, DenyReason::NoFirstEnrollmentProof),
        (app, DenyReason::NoFirstEnrollmentProof),
        (all, DenyReason::NoUsableEmail),
    ] {
        let Err(RemovalRefused::LoginDenied(denial)) = removal(&policy, without) else { panic!("{policy:?}") };
        assert_eq!(denial.reason, reason);
    }
}

#[test]
fn after_a_removal_that_was_allowed_some_login_needs_no_registration() {
    for_every_case(|case| {
        case.policy.allows_removal_of_last_device(&case.user).is_ok().then(|| {
            let next = case.policy.evaluate(&with(&case.user, |u| u.device = DeviceStanding::Formerly));
            let registers = |steps: &[Step]| steps.contains(&Step::EnrollApp);
            matches!(next, Plan::Allow { .. }) || next.paths().iter().any(|path| !registers(path.steps()))
        })
    });
}

#[test]
fn texts() {
    assert_eq!(
        InvalidPolicy::FallbackWithoutEmail.to_string(),
        "an e-mail code can stand in for a device only where the e-mail channel is enabled"
    );
    assert_eq!(
        InvalidPolicy::NoChannel.to_string(),
        "a policy that enforces a second factor needs at least one channel"
    );

    let policy = Policy::all_of([App, Email], FirstRegistration::WithTicket).unwrap();
    let nobody = Standing::new();
    let plan = policy.evaluate(&nobody);
    let Plan::Deny(no_email) = plan else { panic!("{plan:?}") };
    assert_eq!(
        no_email.to_string(),
        "the user has no e-mail address that a code may be sent to: put an address on record that is known to be the user's"
    );
    assert_eq!(plan.to_string(), format!("refuse the user: {no_email}"));
    let plan = policy.evaluate(&user(|u| u.email = VERIFIED));
    assert_eq!(
        plan.to_string(),
        "refuse the user: the user has nothing to prove before a device is registered: \
         issue a ticket and hand it to the user"
    );

    let plan = policy
        .evaluate(&user(|u| (u.ticket, u.email) = (true, Some(EmailStanding { verified: false, tainted: false }))));
    assert_eq!(plan.to_string(), "verify the e-mail address, then enter a ticket, then register an app");
    let device =
        |u: &mut Standing| (u.device, u.email) = (DeviceStanding::Confirmed { recovery_codes: true }, VERIFIED);
    let plan = policy.evaluate(&user(device));
    assert_eq!(
        plan.to_string(),
        "enter an e-mail code, then enter an app code; or enter an e-mail code, then enter a recovery code"
    );
    let any = Policy::any_of([App, Email], FirstRegistration::WithTicket).unwrap().with_email_fallback().unwrap();
    assert_eq!(
        any.evaluate(&user(device)).to_string(),
        "enter an app code; or enter a recovery code; or enter an e-mail code"
    );
    assert_eq!(Policy::off(FirstRegistration::WithTicket).evaluate(&nobody).to_string(), "let the user in");

    let denied = RemovalRefused::LoginDenied(no_email);
    assert_eq!(denied.to_string(), "without it the user could not log in: register another one first");
    let source = std::error::Error::source(&denied).map(ToString::to_string);
    assert_eq!(source, Some(no_email.to_string()));
    assert_eq!(
        RemovalRefused::MustRegister.to_string(),
        "without it the user would have to register a device at the next login: register another one first"
    );
}
