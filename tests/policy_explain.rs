//! Explanations: every reason is true, and every reason matters.

mod policy_cases;

use factorgate::Timestamp;
use factorgate::policy::{
    Channel::{App, Email},
    DeviceStanding, EmailStanding, Explanation, FirstRegistration, Plan, Policy, Reason, Standing, Step,
};
use policy_cases::{
    Case, Channels, DAY, EVERY_CASE, IN_GRACE, NOW, OVER, Settings, days, every_user, has_device, user, with,
};
use std::collections::BTreeMap;

const UNTIL: Timestamp = Timestamp::from_secs(NOW + 13 * DAY);
const CONFIRMED: DeviceStanding = DeviceStanding::Confirmed { recovery_codes: false };

/// Whether `reason` is true of the settings and the user.
fn holds(reason: Reason, settings: &Settings, user: &Standing) -> bool {
    match reason {
        Reason::ChannelEnabled(App) => settings.channels.enable_app(),
        Reason::ChannelEnabled(Email) => settings.channels.enable_email(),
        Reason::ConfirmedDevice => has_device(user),
        Reason::EmailFallback => settings.fallback,
        Reason::EmailMissing => user.email.is_none(),
        Reason::EmailTainted => user.email.is_some_and(|email| email.tainted),
        Reason::EmailUnverified => user.email.is_some_and(|email| !email.verified),
        Reason::EmailVerified => user.email.is_some_and(|email| email.verified),
        Reason::Enforced => settings.channels != Channels::Off,
        Reason::FormerFactor => user.device == DeviceStanding::Formerly,
        Reason::GraceAllowed => settings.grace,
        Reason::InGrace { until } => user.grace == IN_GRACE && until == UNTIL,
        Reason::NeverHeldFactor => user.device == DeviceStanding::Never,
        Reason::NoDevice => !has_device(user),
        Reason::NoTicket => !user.ticket,
        Reason::RecoveryCodes => user.device == DeviceStanding::Confirmed { recovery_codes: true },
        Reason::RegistrationNeedsEmailCode => settings.first == FirstRegistration::AfterEmailCode,
        Reason::RegistrationNeedsTicket => settings.first == FirstRegistration::WithTicket,
        Reason::TicketIssued => user.ticket,
        Reason::TrustedBrowser => user.trusted,
        Reason::TrustedBrowsersAllowed => settings.trust,
        _ => unreachable!(),
    }
}

/// The nearest situation in which `reason` is not true.
fn without(reason: Reason, settings: Settings, user: Standing) -> (Settings, Standing) {
    let channels =
        |channels: Channels| Settings { channels, fallback: settings.fallback && channels.enable_email(), ..settings };
    let device = |device| (settings, with(&user, |u| u.device = device));
    let email = |verified| (settings, with(&user, |u| u.email = Some(EmailStanding { verified, tainted: false })));
    match reason {
        Reason::ChannelEnabled(App) => (
            channels(match settings.channels {
                Channels::Any | Channels::All | Channels::Email => Channels::Email,
                Channels::App | Channels::Off => Channels::Off,
            }),
            user,
        ),
        Reason::ChannelEnabled(Email) => (
            channels(match settings.channels {
                Channels::Any | Channels::All | Channels::App => Channels::App,
                Channels::Email | Channels::Off => Channels::Off,
            }),
            user,
        ),
        Reason::ConfirmedDevice => device(DeviceStanding::Never),
        Reason::EmailFallback => (Settings { fallback: false, ..settings }, user),
        Reason::EmailMissing | Reason::EmailTainted | Reason::EmailUnverified => email(true),
        Reason::EmailVerified => email(false),
        Reason::Enforced => (channels(Channels::Off), user),
        Reason::FormerFactor => device(DeviceStanding::Never),
        Reason::GraceAllowed => (Settings { grace: false, ..settings }, user),
        Reason::InGrace { .. } => (settings, with(&user, |u| u.grace = OVER)),
        Reason::NeverHeldFactor => device(DeviceStanding::Formerly),
        Reason::NoDevice => device(CONFIRMED),
        Reason::NoTicket => (settings, with(&user, |u| u.ticket = true)),
        Reason::RecoveryCodes => device(CONFIRMED),
        Reason::RegistrationNeedsEmailCode | Reason::RegistrationNeedsTicket => {
            (Settings { first: FirstRegistration::AfterPassword, ..settings }, user)
        }
        Reason::TicketIssued => (settings, with(&user, |u| u.ticket = false)),
        Reason::TrustedBrowser => (settings, with(&user, |u| u.trusted = false)),
        Reason::TrustedBrowsersAllowed => (Settings { trust: false, ..settings }, user),
        _ => unreachable!(),
    }
}

/// Whether `reason` matters to what `stands` says: there is a set of the other reasons, perhaps empty, with which
/// taken away it still stands, and falls as soon as `reason` is taken away too.
fn matters(
    reason: Reason,
    reasons: &[Reason],
    (settings, user): &(Settings, Standing),
    stands: impl Fn(&Settings, &Standing) -> bool,
) -> bool {
    let others: Vec<Reason> = reasons.iter().copied().filter(|other| *other != reason).collect();
    (0..1_u32 << others.len()).any(|set| {
        let taken = others.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
        let (settings, user) = taken.fold((*settings, user.clone()), |(s, u), (_, other)| without(*other, s, u));
        let (less, other) = without(reason, settings, user.clone());
        stands(&settings, &user) && !stands(&less, &other)
    })
}

/// The situation that the reasons are taken away from. Grace that the plan makes no use of is not in it, or it would
/// come into play when something else is taken away.
fn situation(case: &Case) -> (Settings, Standing) {
    let grace = if case.plan.reminds_enrollment() { case.user.grace } else { OVER };
    let user = with(&case.user, |u| u.grace = grace);
    assert_eq!(case.policy.evaluate(&user), case.plan);
    (case.settings, user)
}

#[test]
fn taking_a_reason_away_makes_it_untrue() {
    let mut taken = BTreeMap::new();
    for case in EVERY_CASE.iter().step_by(7) {
        for reason in EVERY_REASON {
            if holds(reason, &case.settings, &case.user) {
                let (settings, user) = without(reason, case.settings, case.user.clone());
                assert!(!holds(reason, &settings, &user), "{reason:?}, {:?}, {:?}", case.settings, case.user);
                *taken.entry(reason).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(taken.len(), EVERY_REASON.len());
}

#[test]
fn an_explanation_holds_the_plan_and_each_of_its_steps_once() {
    for case in EVERY_CASE.iter() {
        let explanation = case.policy.explain(&case.user);
        assert_eq!(*explanation.plan(), case.plan);
        let mut explained: Vec<Step> = explanation.steps().iter().map(|(step, _)| *step).collect();
        explained.sort_unstable();
        let mut planned: Vec<Step> = case.plan.paths().iter().flat_map(|path| path.steps()).copied().collect();
        planned.sort_unstable();
        planned.dedup();
        assert_eq!(explained, planned);
        assert!(explanation.steps().iter().all(|(_, reasons)| !reasons.is_empty()));
        assert!(explanation.clauses().iter().all(|(_, reasons)| !reasons.is_empty()));
        if case.denies() || case.plan.reminds_enrollment() || (case.allows() && !explanation.clauses().is_empty()) {
            assert!(!explanation.outcome().is_empty(), "{:?}, {:?}", case.settings, case.user);
        }
    }
}

#[test]
fn every_reason_is_true() {
    let mut given = BTreeMap::new();
    for case in EVERY_CASE.iter() {
        for reason in all_reasons(&case.policy.explain(&case.user)) {
            assert!(holds(reason, &case.settings, &case.user), "{reason:?}, {:?}, {:?}", case.settings, case.user);
            *given.entry(reason).or_insert(0) += 1;
        }
    }
    assert_eq!(given.len(), EVERY_REASON.len(), "each is given somewhere: {given:?}");
}

#[test]
fn every_reason_for_a_step_matters_to_it() {
    let (mut alone, mut together) = (0, 0);
    for case in EVERY_CASE.iter() {
        for (step, reasons) in case.policy.explain(&case.user).steps() {
            let stands = |settings: &Settings, user: &Standing| {
                settings.policy().evaluate(user).paths().iter().any(|path| path.steps().contains(step))
            };
            for &reason in reasons {
                let here = situation(case);
                assert!(matters(reason, reasons, &here, stands), "{step:?}: {reason:?} of {reasons:?}, {here:?}");
                if matters(reason, &[reason], &here, stands) {
                    alone += 1;
                } else {
                    together += 1;
                }
            }
        }
    }
    // Most reasons carry their step alone; some, such as two that each ask for an e-mail code, only together.
    assert!(alone > together && together > 0, "{alone} {together}");
}

/// Whether `reason` speaks of `step` itself, and not of what else must be so for the step to be asked for.
fn speaks_of(reason: Reason, step: Step) -> bool {
    match reason {
        Reason::EmailFallback
        | Reason::EmailVerified
        | Reason::FormerFactor
        | Reason::RecoveryCodes
        | Reason::RegistrationNeedsEmailCode
        | Reason::RegistrationNeedsTicket => true,
        Reason::ChannelEnabled(App) | Reason::NoDevice => step == Step::EnrollApp,
        Reason::ChannelEnabled(Email) => matches!(step, Step::EmailCode | Step::VerifyEmail),
        Reason::ConfirmedDevice => matches!(step, Step::AppCode | Step::RecoveryCode),
        Reason::EmailUnverified => step == Step::VerifyEmail,
        Reason::TicketIssued => step == Step::Ticket,
        _ => false,
    }
}

#[test]
fn no_reason_that_speaks_of_a_step_and_decides_it_is_left_out() {
    let mut decided = 0;
    for case in EVERY_CASE.iter() {
        let here = situation(case);
        for (step, reasons) in case.policy.explain(&case.user).steps() {
            let stands = |settings: &Settings, user: &Standing| {
                settings.policy().evaluate(user).paths().iter().any(|path| path.steps().contains(step))
            };
            for reason in EVERY_REASON.into_iter().filter(|&reason| speaks_of(reason, *step)) {
                if holds(reason, &here.0, &here.1) && matters(reason, &[], &here, stands) {
                    assert!(reasons.contains(&reason), "{step:?} hangs on {reason:?}, {here:?}");
                    decided += 1;
                }
            }
        }
    }
    assert!(decided > 0);
}

#[test]
fn every_reason_for_a_clause_matters_to_it() {
    let mut checked = 0;
    for case in EVERY_CASE.iter() {
        for clause in case.policy.explain(&case.user).clauses() {
            let stands =
                |settings: &Settings, user: &Standing| settings.policy().explain(user).clauses().contains(clause);
            for &reason in &clause.1 {
                assert!(matters(reason, &[reason], &situation(case), stands), "{reason:?} for {clause:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 0);
}

#[test]
fn every_reason_for_an_outcome_matters_to_it() {
    let mut checked = 0;
    for case in EVERY_CASE.iter() {
        let explanation = case.policy.explain(&case.user);
        let stands = |settings: &Settings, user: &Standing| settings.policy().evaluate(user) == case.plan;
        for &reason in explanation.outcome() {
            let here = situation(case);
            assert!(matters(reason, explanation.outcome(), &here, stands), "{reason:?} for {:?}, {here:?}", case.plan);
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn a_fact_whose_change_alone_cures_a_denial_is_among_its_reasons() {
    let mut cured = BTreeMap::new();
    for case in EVERY_CASE.iter().filter(|case| case.denies()) {
        let explanation = case.policy.explain(&case.user);
        for fact in [Reason::EmailMissing, Reason::EmailTainted, Reason::NoTicket] {
            let (settings, user) = without(fact, case.settings, case.user.clone());
            let cures = !matches!(settings.policy().evaluate(&user), Plan::Deny(_));
            if cures && holds(fact, &case.settings, &case.user) {
                assert!(explanation.outcome().contains(&fact), "{fact:?}, {:?}, {:?}", case.settings, case.user);
                *cured.entry(fact).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(cured.len(), 3, "{cured:?}");
}

#[test]
fn a_reason_that_does_not_matter_is_told_from_one_that_does() {
    let settings = Settings::every().into_iter().find(|s| s.channels == Channels::Any && !s.fallback).unwrap();
    let user = user(|u| (u.device, u.ticket) = (CONFIRMED, true));
    let stands = |settings: &Settings, user: &Standing| {
        settings.policy().evaluate(user).paths().iter().any(|path| path.steps().contains(&Step::AppCode))
    };
    let (settings, user) = &(settings, user);
    let here = (*settings, user.clone());
    assert!(matters(Reason::ConfirmedDevice, &[Reason::ConfirmedDevice], &here, stands));
    for idle in [Reason::TicketIssued, Reason::ChannelEnabled(App), Reason::Enforced] {
        assert!(holds(idle, settings, user));
        assert!(!matters(idle, &[Reason::ConfirmedDevice, idle], &here, stands), "{idle:?}");
    }
}

#[test]
fn reasons_of_merged_policies_are_true_of_them() {
    let every = Settings::every();
    let users = every_user();
    let mut checked = 0;
    for p in every.iter().step_by(5) {
        for q in every.iter().step_by(3) {
            let merged = Policy::strictest(&p.policy(), [&q.policy()]);
            for user in users.iter().step_by(7) {
                let explanation = merged.explain(user);
                assert_eq!(*explanation.plan(), merged.evaluate(user));
                for reason in all_reasons(&explanation) {
                    let (left, right) = (holds(reason, p, user), holds(reason, q, user));
                    let fits = match reason {
                        Reason::EmailFallback | Reason::GraceAllowed | Reason::TrustedBrowsersAllowed => left && right,
                        Reason::RegistrationNeedsEmailCode => p.first.max(q.first) == FirstRegistration::AfterEmailCode,
                        _ => left || right,
                    };
                    assert!(fits, "{reason:?}, {p:?}, {q:?}, {user:?}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 0);
}

#[test]
fn texts() {
    let all = Policy::all_of([App, Email], FirstRegistration::AfterEmailCode).unwrap();
    let newcomer = user(|u| (u.email, u.grace) = (Some(EmailStanding { verified: false, tainted: false }), IN_GRACE));
    assert_eq!(
        all.explain(&newcomer).to_string(),
        "The login asks for\n\
         - an app: a second factor is enforced\n\
         - an e-mail code: a second factor is enforced\n\
         The user can\n\
         - verify the e-mail address: the e-mail channel is enabled, and the user's e-mail address is not verified, \
         and the first registration needs an e-mail code or a ticket\n\
         - register an app: the app channel is enabled, and the user has no confirmed device\n\
         Plan: verify the e-mail address, then register an app"
    );
    assert_eq!(
        all.clone().with_grace(days(14)).explain(&newcomer).to_string(),
        "The login asks for\n\
         - an app: a second factor is enforced\n\
         - an e-mail code: a second factor is enforced\n\
         Part of it is lifted: the first registration may be put off, and the user is in grace until 2030-03-30 17:46 UTC, \
         and the user never held a factor\n\
         The user can\n\
         - verify the e-mail address: the e-mail channel is enabled, and the user's e-mail address is not verified\n\
         Plan: verify the e-mail address; and remind the user to register a factor"
    );
    assert_eq!(
        all.explain(&Standing::new()).to_string(),
        "The login asks for\n\
         - an app: a second factor is enforced\n\
         - an e-mail code: a second factor is enforced\n\
         There is no way through: the e-mail channel is enabled, and the user has no e-mail address on record\n\
         Plan: refuse the user: the user has no e-mail address that a code may be sent to: \
         put an address on record that is known to be the user's"
    );
    let off = Policy::off(FirstRegistration::WithTicket).with_trusted_browsers();
    assert_eq!(
        off.explain(&Standing::new()).to_string(),
        "The login asks for nothing: no factor is enforced, and the user has no confirmed device\n\
         Plan: let the user in"
    );
    assert_eq!(
        off.explain(&user(|u| (u.device, u.trusted) = (CONFIRMED, true))).to_string(),
        "The login asks for\n\
         - an app: the user has a confirmed device\n\
         All of it is lifted: trusted browsers pass without a challenge, and the user trusts this browser\n\
         Plan: let the user in"
    );
    let mut texts: Vec<String> = EVERY_REASON.iter().map(ToString::to_string).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), EVERY_REASON.len(), "no two reasons read alike");
    assert!(matches!(off.evaluate(&Standing::new()), Plan::Allow { remind_enrollment: false }));
}

fn all_reasons(explanation: &Explanation) -> Vec<Reason> {
    let clauses = explanation.clauses().iter().flat_map(|(_, reasons)| reasons);
    let steps = explanation.steps().iter().flat_map(|(_, reasons)| reasons);
    clauses.chain(steps).chain(explanation.outcome()).copied().collect()
}

const EVERY_REASON: [Reason; 21] = [
    Reason::ChannelEnabled(App),
    Reason::ChannelEnabled(Email),
    Reason::ConfirmedDevice,
    Reason::EmailFallback,
    Reason::EmailMissing,
    Reason::EmailTainted,
    Reason::EmailUnverified,
    Reason::EmailVerified,
    Reason::Enforced,
    Reason::FormerFactor,
    Reason::GraceAllowed,
    Reason::InGrace { until: UNTIL },
    Reason::NeverHeldFactor,
    Reason::NoDevice,
    Reason::NoTicket,
    Reason::RecoveryCodes,
    Reason::RegistrationNeedsEmailCode,
    Reason::RegistrationNeedsTicket,
    Reason::TicketIssued,
    Reason::TrustedBrowser,
    Reason::TrustedBrowsersAllowed,
];
