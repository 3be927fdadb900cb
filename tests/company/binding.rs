//! Factors of the host: who may register one, and who may remove it.

use factorgate::policy::{DenyReason, Remedy, RemovalRefused};
use factorgate::{Change, ChangeRefused, Removal, RemovalReason};

use super::*;

impl Host {
    async fn remove(&self, elevated: &Elevated, factor: ExternalFactor, policy: &Policy) -> Removal {
        self.mfa.remove_external(elevated, factor, contact(), policy).await.unwrap()
    }

    async fn register_by_admin(&self, factor: ExternalFactor) -> Change<()> {
        self.mfa.register_external_by_admin(&alice(), factor, &admin(), contact()).await.unwrap()
    }

    fn notice(&self) -> Option<Notice> {
        self.outbox.sent().last().and_then(|mail| mail.notice)
    }
}

fn reason(removal: &Removal) -> RemovalReason {
    match removal {
        Removal::Refused { reason, .. } => *reason,
        Removal::Removed { .. } => panic!("{removal:?}"),
    }
}

#[tokio::test]
async fn d10_the_first_factor_takes_what_the_policy_asks_before_a_registration() {
    let host = Host::new();
    let session = claims(&passed(host.begin(&off()).await));
    let policy = Policy::off(AfterEmailCode);
    let Registration::Challenge(asked) = host.begin_registration(&policy).await else { panic!() };
    assert_eq!(asked.next(), [Step::EmailCode]);
    let early = host.mfa.register_external(asked.flow(), &host.checked(passkey()), &policy).await.unwrap();
    assert_eq!(not_registered(&early), Some(Refusal::NotOpen), "the session alone registers nothing");
    assert_eq!(host.last_event(), EventKind::StepNotOpen { step: Step::EnrollApp });
    let open = host.mfa.verify_email_code(asked.flow(), &host.mailed(), &policy).await.unwrap();
    assert!(matches!(open, Registration::Enroll(_)), "{open:?}");
    let checked = host.checked(passkey());
    let done = registered(host.mfa.register_external(asked.flow(), &checked, &policy).await.unwrap());

    let kinds: Vec<_> = done.events.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [EventKind::ExternalAdded { factor: passkey(), by: None }, EventKind::RegistrationCompleted]);
    assert_eq!(done.evidence.external, [checked]);
    assert_eq!(host.notice(), Some(Notice::FactorAdded { factor: passkey() }));
    assert!(!host.holds(&session).await);
    assert!(host.holds(&session.after(&done.change)).await, "the session that did it goes on");
    let status = host.status().await;
    assert!(status.ever_held_factor && status.open_flows() == 0);
    let [held] = status.external[..] else { panic!("{status:?}") };
    assert_eq!((held.factor, held.added_at, held.last_used_at, held.disabled), (passkey(), secs(NOW), None, false));

    let denied = host.begin_registration(&Policy::off(WithTicket)).await;
    assert!(matches!(denied, Registration::Challenge(_)), "now the factor is the proof: {denied:?}");
    let host = Host::new();
    let denied = host.begin_registration(&Policy::off(WithTicket)).await;
    assert!(matches!(denied, Registration::Denied(_)), "without a ticket there is no way: {denied:?}");
}

#[tokio::test]
async fn d01_another_factor_takes_the_strongest_one_that_is_held() {
    let host = Host::new();
    let secret = host.register().await;
    let Registration::Challenge(asked) = host.begin_registration(&off()).await else { panic!() };
    assert_eq!(asked.next(), [Step::AppCode]);
    let early = host.mfa.register_external(asked.flow(), &host.checked(passkey()), &off()).await.unwrap();
    assert_eq!(not_registered(&early), Some(Refusal::NotOpen));
    let early = host.assert(asked.flow(), passkey(), &off()).await;
    assert_eq!(not_registered(&early), Some(Refusal::NotOpen), "nor is it a proof before it is registered");
    let _ = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap();
    registered(host.mfa.register_external(asked.flow(), &host.checked(passkey()), &off()).await.unwrap());
    assert_eq!(host.status().await.devices.len(), 1, "the device is still there");

    let host = Host::new();
    host.bind(push()).await;
    host.bind_another(push(), passkey()).await;
    let Registration::Challenge(asked) = host.begin_registration(&off()).await else { panic!() };
    assert_eq!(asked.next(), [Step::External(passkey())], "the stronger of the two, also for a device");
    let open = host.assert(asked.flow(), passkey(), &off()).await;
    assert!(matches!(open, Registration::Enroll(_)), "{open:?}");
}

#[tokio::test]
async fn a_check_before_the_registration_or_after_now_registers_nothing() {
    let host = Host::new();
    let early = host.checked(passkey());
    host.wait(1);
    let Registration::Enroll(enroll) = host.begin_registration(&off()).await else { panic!() };
    host.wait(60);
    let late = ExternalEvidence::assertion(passkey(), [Method::HardwareKey], secs(NOW + 62)).unwrap();
    let before = host.store.record(&alice());
    for checked in [early, late] {
        let refused = host.mfa.register_external(enroll.flow(), &checked, &off()).await.unwrap();
        assert_eq!(not_registered(&refused), Some(Refusal::NotFresh));
    }
    assert_eq!(host.store.record(&alice()), before);
    registered(host.mfa.register_external(enroll.flow(), &host.checked(passkey()), &off()).await.unwrap());
    let again = host.mfa.register_external(enroll.flow(), &host.checked(passkey()), &off()).await.unwrap();
    assert!(matches!(again, Registration::Denied(_)), "the registration is over: {again:?}");
}

#[tokio::test]
async fn no_more_than_five_are_held_and_none_takes_the_place_of_a_device() {
    let host = Host::new();
    let factor = |n: usize| ExternalFactor::phishing_resistant(&format!("key-{n}")).unwrap();
    host.bind(factor(0)).await;
    for n in 1..5 {
        host.bind_another(factor(0), factor(n)).await;
    }
    let Registration::Challenge(asked) = host.begin_registration(&off()).await else { panic!() };
    let _ = host.assert(asked.flow(), factor(4), &off()).await;
    let full = host.mfa.register_external(asked.flow(), &host.checked(passkey()), &off()).await.unwrap();
    assert_eq!(not_registered(&full), Some(Refusal::DeviceLimit));
    assert_eq!(host.status().await.external.len(), 5);
    registered(host.mfa.register_external(asked.flow(), &host.checked(factor(4)), &off()).await.unwrap());
    assert_eq!(host.status().await.external.len(), 5, "anew, it takes its own place");

    let host = Host::new();
    let secret = host.register().await;
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let Registration::Challenge(asked) = host.begin_registration(&off()).await else { panic!() };
    let _ = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap();
    let _ = host.mfa.replace_device(asked.flow(), device, &off()).await.unwrap();
    let refused = host.mfa.register_external(asked.flow(), &host.checked(passkey()), &off()).await.unwrap();
    assert_eq!(not_registered(&refused), Some(Refusal::NotOpen));
}

#[tokio::test]
async fn an_administrator_registers_the_factor_that_the_policy_waits_for() {
    let host = Host::new();
    let policy = Policy::any_of([External(passkey())], WithTicket).unwrap();
    let Some(DeniedReason::Policy(denial)) = denied(&host.begin(&policy).await) else { panic!() };
    assert_eq!((denial.reason, denial.remedy), (DenyReason::NoExternalFactor, Remedy::RegisterExternalFactor));
    let Change::Made { events, .. } = host.register_by_admin(passkey()).await else { panic!() };
    assert_eq!(events[0].kind, EventKind::ExternalAdded { factor: passkey(), by: Some(admin().id().clone()) });
    assert_eq!(host.notice(), Some(Notice::FactorAdded { factor: passkey() }));
    assert_eq!(host.by_external(passkey(), &policy).await.assurance(), Assurance::PhishingResistant);

    // Nobody gets around the factor that a user holds this way.
    let refused = host.register_by_admin(push()).await;
    assert!(matches!(refused, Change::Refused { reason: ChangeRefused::HoldsFactor, .. }), "{refused:?}");
    let host = Host::new();
    host.register().await;
    let refused = host.register_by_admin(passkey()).await;
    assert!(matches!(refused, Change::Refused { reason: ChangeRefused::HoldsFactor, .. }), "{refused:?}");
}

#[tokio::test]
async fn d14_a_removal_takes_a_fresh_proof_and_ends_every_other_session() {
    let host = Host::new();
    host.bind(passkey()).await;
    let session = claims(&host.by_external(passkey(), &off()).await);
    host.wait(60);
    let elevated = host.elevated(&session, passkey()).await;
    assert_eq!(reason(&host.remove(&elevated, push(), &off()).await), RemovalReason::UnknownFactor);
    let removal = host.remove(&elevated, passkey(), &off()).await;
    let Removal::Removed { change, events } = &removal else { panic!("{removal:?}") };
    assert_eq!(events[0].kind, EventKind::ExternalRemoved { factor: passkey() });
    assert_eq!(host.notice(), Some(Notice::FactorRemoved { factor: passkey() }));
    assert!(!host.holds(&session).await && host.holds(&session.after(change)).await);
    assert!(host.status().await.external.is_empty());
    assert_eq!(reason(&host.remove(&elevated, passkey(), &off()).await), RemovalReason::StepUpEnded);
    let _ = passed(host.begin(&off()).await);
    // It was a factor: from now on a password alone registers none.
    let Registration::Challenge(asked) = host.begin_registration(&off()).await else { panic!() };
    assert_eq!(asked.next(), [Step::EmailCode]);

    let host = Host::new();
    host.bind(passkey()).await;
    let session = claims(&host.by_external(passkey(), &off()).await);
    let elevated = host.elevated(&session, passkey()).await;
    host.wait(Elevated::LIFETIME.as_secs() + 1);
    assert_eq!(reason(&host.remove(&elevated, passkey(), &off()).await), RemovalReason::StepUpEnded);
}

#[tokio::test]
async fn d13_the_last_factor_stays_where_the_policy_needs_it() {
    let host = Host::new();
    host.bind(passkey()).await;
    let session = claims(&host.by_external(passkey(), &off()).await);
    let elevated = host.elevated(&session, passkey()).await;
    let enforced = Policy::any_of([External(passkey())], WithTicket).unwrap();
    let before = host.store.record(&alice());
    let RemovalReason::Policy(RemovalRefused::LoginDenied(denial)) =
        reason(&host.remove(&elevated, passkey(), &enforced).await)
    else {
        panic!()
    };
    assert_eq!(denial.reason, DenyReason::NoExternalFactor);
    assert_eq!(host.last_event(), EventKind::ExternalRemovalRefused { factor: passkey() });
    let refused = host.remove(&elevated, passkey(), &app()).await;
    assert_eq!(reason(&refused), RemovalReason::Policy(RemovalRefused::MustRegister));
    assert_eq!(host.store.record(&alice()), before);

    // Another factor that will do, and it can go.
    let either = Policy::any_of([External(passkey()), External(push())], WithTicket).unwrap();
    host.bind_another(passkey(), push()).await;
    let session = claims(&host.by_external(passkey(), &either).await);
    let elevated = host.elevated(&session, passkey()).await;
    assert!(matches!(host.remove(&elevated, passkey(), &either).await, Removal::Removed { .. }));
    assert_eq!(host.challenge(&either).await.next(), [Step::External(push())]);
}

#[tokio::test]
async fn d13_what_is_left_must_not_be_disabled() {
    let host = Host::new();
    host.bind(push()).await;
    host.bind_another(push(), passkey()).await;
    let either = Policy::any_of([External(passkey()), External(push())], WithTicket).unwrap();
    // Push is asked for beside the passkey where the administrator wants both.
    let both = Policy::all_of([External(passkey()), External(push())], WithTicket).unwrap();
    host.wear_out(push(), &both).await;
    let session = claims(&host.by_external(passkey(), &either).await);
    let elevated = host.elevated(&session, passkey()).await;
    assert_eq!(reason(&host.remove(&elevated, passkey(), &either).await), RemovalReason::OthersDisabled);
    assert!(matches!(host.remove(&elevated, push(), &either).await, Removal::Removed { .. }));
    let elevated = host.elevated(&claims(&host.by_external(passkey(), &either).await), passkey()).await;
    assert!(matches!(host.remove(&elevated, passkey(), &off()).await, Removal::Removed { .. }));
}

#[tokio::test]
async fn h15_a_reset_takes_the_factors_of_the_host_as_well() {
    let host = Host::new();
    host.bind(passkey()).await;
    let session = claims(&host.by_external(passkey(), &off()).await);
    let open = host.challenge(&off()).await;
    let reset = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    assert!(reset.events.iter().any(|event| event.kind == EventKind::ExternalRemoved { factor: passkey() }));
    assert!(host.status().await.external.is_empty() && !host.holds(&session).await);
    assert_eq!(denied(&host.assert(open.flow(), passkey(), &off()).await), Some(DeniedReason::FlowEnded));
    // What the host still takes is nothing here.
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.next(), [Step::EmailCode, Step::Ticket]);
    assert_eq!(refusal(&host.assert(asked.flow(), passkey(), &app()).await), Some(Refusal::NotOpen));
}
