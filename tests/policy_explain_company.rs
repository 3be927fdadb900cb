//! Explanations of what a company sets: every reason is true, and each for a factor of the host matters.

mod policy_cases;

use factorgate::policy::{
    Channel::{self, App, Email},
    DeviceStanding, EmailStanding, Explanation, Grace, Plan, Policy, Reason, Standing, Step,
};
use factorgate::{Timestamp, policy::FirstRegistration};
use policy_cases::company::{
    Level, PASSKEY, PASSKEY_FACTOR, PUSH, PUSH_FACTOR, Requires, VALID, every_dated, every_plain_user, exemption,
    factors, held, is_exempt, never_held,
};
use policy_cases::{APP, DAY, EMAIL, IN_GRACE, NOW, days, user, with};
use std::collections::BTreeSet;

/// Whether `reason` is true of the settings and the user.
fn holds(reason: Reason, level: &Level, user: &Standing) -> bool {
    let enabled = |bit| level.requires.enabled() & bit != 0;
    let device = matches!(user.device, DeviceStanding::Confirmed { .. });
    match reason {
        Reason::ChannelEnabled(App) => enabled(APP),
        Reason::ChannelEnabled(Email) => enabled(EMAIL),
        Reason::ChannelEnabled(Channel::External(factor)) => enabled(bit(factor)),
        Reason::ConfirmedDevice => device,
        Reason::EmailFallback => level.fallback,
        Reason::EmailMissing => user.email.is_none(),
        Reason::EmailTainted => user.email.is_some_and(|email| email.tainted),
        Reason::EmailUnverified => user.email.is_some_and(|email| !email.verified),
        Reason::EmailVerified => user.email.is_some_and(|email| email.verified),
        Reason::Enforced => level.requires != Requires::Off,
        Reason::Exempt { until } => is_exempt(user) && until.as_secs() == NOW + 1,
        Reason::ExternalHeld(factor) => user.external.contains(&factor),
        Reason::ExternalMissing(factor) => !user.external.contains(&factor),
        Reason::ExternalStandsIn(factor) => level.stand_in && factor == *PASSKEY_FACTOR,
        Reason::FormerFactor => user.device == DeviceStanding::Formerly,
        Reason::GraceAllowed => level.grace.is_some(),
        Reason::InGrace { until } => level.in_grace(user) && level.policy().grace_until(user) == Some(until),
        Reason::NeverHeldFactor => never_held(user),
        Reason::NoDevice => !device,
        Reason::NoTicket => !user.ticket,
        Reason::RecoveryCodes => user.device == DeviceStanding::Confirmed { recovery_codes: true },
        Reason::RegistrationNeedsEmailCode => level.first == FirstRegistration::AfterEmailCode,
        Reason::RegistrationNeedsTicket => level.first == FirstRegistration::WithTicket,
        Reason::TicketIssued => user.ticket,
        Reason::TrustedBrowser => user.trusted,
        Reason::TrustedBrowsersAllowed => level.trust,
        _ => unreachable!(),
    }
}

fn bit(factor: factorgate::policy::ExternalFactor) -> u8 {
    if factor == *PASSKEY_FACTOR { PASSKEY } else { PUSH }
}

fn all_reasons(explanation: &Explanation) -> impl Iterator<Item = Reason> {
    let clauses = explanation.clauses().iter().flat_map(|(_, reasons)| reasons);
    let steps = explanation.steps().iter().flat_map(|(_, reasons)| reasons);
    clauses.chain(steps).chain(explanation.outcome()).copied()
}

/// Every level with grace and without, every user, and a ninth of the dates each: all nine in turn.
fn for_every_explanation(check: impl Fn(&Level, &Policy, &Standing, &Explanation)) {
    let users = every_plain_user();
    for (i, level) in Level::every().into_iter().enumerate() {
        for grace in [None, Some(14)] {
            let level = Level { grace, ..level };
            let policy = level.policy();
            for (j, user) in users.iter().enumerate() {
                let user = every_dated(user).nth((i + j) % 9).unwrap();
                check(&level, &policy, &user, &policy.explain(&user));
            }
        }
    }
}

#[test]
fn every_reason_is_true_and_nothing_is_left_without_one() {
    let given = std::cell::RefCell::new(BTreeSet::new());
    for_every_explanation(|level, policy, user, explanation| {
        let plan = policy.evaluate(user);
        assert_eq!(*explanation.plan(), plan);
        for reason in all_reasons(explanation) {
            assert!(holds(reason, level, user), "{reason:?}, {level:?}, {user:?}");
            given.borrow_mut().insert(reason);
        }
        let mut explained: Vec<Step> = explanation.steps().iter().map(|(step, _)| *step).collect();
        let mut planned: Vec<Step> = plan.paths().iter().flat_map(|path| path.steps()).copied().collect();
        explained.sort_unstable();
        planned.sort_unstable();
        planned.dedup();
        assert_eq!(explained, planned);
        assert!(explanation.steps().iter().all(|(_, reasons)| !reasons.is_empty()));
        assert!(explanation.clauses().iter().all(|(_, reasons)| !reasons.is_empty()));
        let lifted = matches!(plan, Plan::Allow { .. }) && !explanation.clauses().is_empty();
        if lifted || plan.reminds_enrollment() || matches!(plan, Plan::Deny(_)) {
            assert!(!explanation.outcome().is_empty(), "{level:?}, {user:?}");
        }
        let exempt = is_exempt(user) && policy.is_enforced();
        assert_eq!(explanation.exemption(), user.exemption.as_ref().filter(|_| exempt));
    });
    // Those of a grace that began at a login of its own, and the factors of both kinds.
    assert_eq!(given.into_inner().len(), 30);
}

/// The nearest situation in which `reason` is not true.
fn without(reason: Reason, level: Level, user: &Standing) -> (Level, Standing) {
    let less = |bit: u8| match level.requires {
        Requires::Any(set) if set & !bit != 0 => Requires::Any(set & !bit),
        Requires::All(set) if (set & !bit).count_ones() > 1 => Requires::All(set & !bit),
        Requires::All(set) => Requires::Any(set & !bit),
        Requires::Any(_) | Requires::Off => Requires::Off,
    };
    match reason {
        Reason::ChannelEnabled(Channel::External(factor)) => {
            let requires = less(bit(factor));
            let fallback = level.fallback && requires.enabled() & EMAIL != 0;
            (Level { requires, fallback, ..level }, user.clone())
        }
        Reason::ExternalHeld(factor) => (level, with(user, |u| u.external = factors(held(u) & !bit(factor)))),
        Reason::ExternalStandsIn(_) => (Level { stand_in: false, ..level }, user.clone()),
        _ => unreachable!("{reason:?}"),
    }
}

#[test]
fn every_reason_for_the_step_of_a_factor_matters_to_it() {
    let checked = std::cell::Cell::new(0);
    for_every_explanation(|level, _, user, explanation| {
        if level.grace.is_some() {
            // Who holds a factor is never in grace.
            return;
        }
        // A browser whose trust the plan makes no use of would come into play when something else is taken away.
        let user = &with(user, |u| u.trusted = false);
        for (step, reasons) in explanation.steps().iter().filter(|(step, _)| matches!(step, Step::External(_))) {
            let stands = |(level, user): &(Level, Standing)| {
                let plan = level.policy().evaluate(user);
                plan.paths().iter().any(|path| path.steps().contains(step))
            };
            for &reason in reasons {
                let others: Vec<Reason> = reasons.iter().copied().filter(|other| *other != reason).collect();
                let matters = (0..1 << others.len()).any(|set: u32| {
                    let taken = others.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
                    let here = taken.fold((*level, user.clone()), |(l, u), (_, other)| without(*other, l, &u));
                    stands(&here) && !stands(&without(reason, here.0, &here.1))
                });
                assert!(matters, "{step:?}: {reason:?} of {reasons:?}, {level:?}, {user:?}");
                checked.set(checked.get() + 1);
            }
        }
    });
    assert!(checked.get() > 1_000);
}

#[test]
fn texts() {
    let first = FirstRegistration::AfterEmailCode;
    let passkey = Channel::External(*PASSKEY_FACTOR);
    let app = Policy::any_of([App], first).unwrap();
    let exempt = user(|u| u.exemption = VALID.clone());
    assert_eq!(
        app.explain(&exempt).to_string(),
        "The login asks for\n\
         - an app: a second factor is enforced\n\
         All of it is lifted: the user is exempt until 2030-03-17 17:46 UTC, and the user never held a factor\n\
         The exemption was granted by O. Petrova, security: waits for a smartphone\n\
         Plan: let the user in"
    );
    // It is over, or the user held a factor: not a word of it.
    let formerly =
        user(|u| (u.device, u.exemption, u.ticket) = (DeviceStanding::Formerly, exemption(NOW, NOW + DAY), true));
    assert!(!app.explain(&formerly).to_string().contains("exempt"));

    let newcomer = with(&Standing::at(Timestamp::from_secs(NOW)), |u| u.grace = Grace::NotStarted);
    let graced = app.clone().with_grace(days(1));
    assert!(graced.explain(&newcomer).to_string().contains("and the user is in grace until 2030-03-18 17:46 UTC"));
    // A period that has become shorter is over sooner, and a longer one ends when it was said to.
    let begun = with(&newcomer, |u| u.grace = IN_GRACE);
    assert!(!graced.explain(&begun).to_string().contains("in grace"));
    let longer = app.with_grace(days(90)).explain(&begun).to_string();
    assert!(longer.contains("and the user is in grace until 2030-03-30 17:46 UTC"), "{longer}");

    let both = Policy::any_of([App, passkey], first).unwrap().with_stand_in(*PASSKEY_FACTOR).unwrap();
    let holder = user(|u| {
        u.device = DeviceStanding::Confirmed { recovery_codes: false };
        u.external = factors(PASSKEY | PUSH);
    });
    assert_eq!(
        both.explain(&holder).to_string(),
        "The login asks for\n\
         - an app or the factor passkey: a second factor is enforced\n\
         - an app or the factor passkey: the user has a confirmed device, and the factor passkey may stand in for the \
         user's device, and the user holds the factor passkey\n\
         The user can\n\
         - use the factor passkey: the factor passkey is enabled, and the user holds the factor passkey, and the factor \
         passkey may stand in for the user's device\n\
         - enter an app code: the user has a confirmed device\n\
         Plan: use the factor passkey; or enter an app code"
    );
    let only = Policy::any_of([passkey, Channel::External(*PUSH_FACTOR)], first).unwrap();
    let nobody = user(|u| u.email = Some(EmailStanding { verified: true, tainted: false }));
    assert_eq!(
        only.explain(&nobody).to_string(),
        "The login asks for\n\
         - an app or the factor push or the factor passkey: a second factor is enforced\n\
         There is no way through: the factor push is enabled, and the factor passkey is enabled, and the user does not \
         hold the factor push, and the user does not hold the factor passkey\n\
         Plan: refuse the user: the user does not hold the factor that is asked for: register the factor for the user"
    );
}
