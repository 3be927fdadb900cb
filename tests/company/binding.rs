//! External factors: who can register one, and who can remove it.

use factorgate::policy::Remedy;

use super::*;

impl Host {
    /// Removes an external factor on a fresh check of `by`, under `policy`.
    async fn remove(&self, factor: ExternalFactor, by: ExternalFactor, policy: &Policy) -> Result<(), Refusal> {
        let elevated = self.elevated_by(&self.session_under(policy).await, by).await;
        let passed = self.mfa.elevated(&elevated).remove_external(factor).await.unwrap()?;
        self.open(passed);
        Ok(())
    }

    async fn register_by_admin(&self, factor: ExternalFactor) -> Result<(), Refusal> {
        self.mfa.admin(&admin()).register_external(&alice(), factor, &contact()).await.unwrap()
    }
}

#[tokio::test]
async fn first_factor_needs_what_the_policy_requires_before_a_registration() {
    let (host, policy) = (Host::new(), Policy::off(AfterEmailCode));
    let other = host.open(done(host.begin(&off()).await));
    host.open(done(host.begin(&off()).await));
    let session = host.session_under(&policy).await;
    let registration = asked(host.begin_registration(&session).await);
    assert_eq!(registration.next(), [Step::EmailCode]);
    let early = host.assert(registration.flow(), &session, passkey()).await;
    assert_eq!(refusal(&early), Some(Refusal::NotOpen), "the session alone registers nothing");
    assert_eq!(host.last_event(), EventKind::StepNotOpen { step: Step::External(passkey()) });
    let _ = enrolling(host.email_code(registration.flow(), &session, &host.mailed()).await);
    let checked = host.checked(passkey());
    host.events();
    let passed = done(host.assert_checked(registration.flow(), &session, checked).await);

    let added = EventKind::ExternalAdded { factor: passkey(), by: None };
    assert_eq!(host.events(), [added, EventKind::RegistrationCompleted]);
    assert_eq!(passed.evidence().external, [checked]);
    assert_eq!(host.last_notice(), Some(Notice::FactorAdded { factor: passkey() }));
    let continued = host.open(passed);
    assert!(host.holds(&continued).await, "the session that did it continues");
    assert!(!host.holds(&other).await && !host.holds(session.claims()).await);
    let status = host.status().await;
    assert!(status.ever_had_factor && status.open_flows == 0);
    let [held] = status.external[..] else { panic!("{status:?}") };
    assert_eq!((held.factor, held.added_at, held.last_used_at, held.disabled), (passkey(), secs(NOW), None, false));

    // Another registration verifies the factor; without a factor and a ticket there is no way.
    let with_ticket = Policy::off(WithTicket);
    let session = host.session_under(&with_ticket).await;
    assert_eq!(asked(host.begin_registration(&session).await).next(), [Step::External(passkey())]);
    let host = Host::new();
    let session = host.session_under(&with_ticket).await;
    let refused = host.begin_registration(&session).await;
    assert!(is_denied_for(&refused, DenyReason::NoFirstEnrollmentProof), "{refused:?}");
}

#[tokio::test]
async fn another_factor_needs_a_check_of_the_strongest_one() {
    let host = Host::new();
    let secret = host.register().await;
    let session = host.session().await;
    let registration = asked(host.begin_registration(&session).await);
    assert_eq!(registration.next(), [Step::AppCode]);
    let early = host.assert(registration.flow(), &session, passkey()).await;
    assert_eq!(refusal(&early), Some(Refusal::NotOpen), "it is no proof before it is registered");
    let _ = host.app_code(registration.flow(), &session, &host.code(&secret)).await;
    let _ = done(host.assert(registration.flow(), &session, passkey()).await);
    assert_eq!(host.device_ids().await.len(), 1, "the device is still there");

    let host = Host::new();
    host.bind(push()).await;
    host.bind_another(push(), passkey()).await;
    let session = host.session().await;
    let registration = asked(host.begin_registration(&session).await);
    assert_eq!(registration.next(), [Step::External(passkey())], "the stronger of the two, also for a device");
    let _ = enrolling(host.assert(registration.flow(), &session, passkey()).await);
}

#[tokio::test]
async fn check_before_the_registration_or_in_the_future_registers_nothing() {
    let host = Host::new();
    let early = host.checked(passkey());
    host.wait(1);
    let session = host.session().await;
    let enroll = enrolling(host.begin_registration(&session).await);
    let flow = enroll.challenge().flow();
    host.wait(60);
    let late = ExternalEvidence::assertion(passkey(), [Method::HardwareKey], secs(NOW + 62)).unwrap();
    let before = host.store.record(&alice());
    for checked in [early, late] {
        let refused = host.assert_checked(flow, &session, checked).await;
        assert_eq!(refusal(&refused), Some(Refusal::NotFresh));
    }
    // Nor does a failed check.
    assert_eq!(refusal(&host.fail(flow, &session, passkey()).await), Some(Refusal::NotOpen));
    assert_eq!(host.store.record(&alice()), before);
    let _ = done(host.assert(flow, &session, passkey()).await);
    let again = host.assert(flow, &session, passkey()).await;
    assert_eq!(denied(&again), Some(Refusal::FlowEnded), "the registration is over");
}

#[tokio::test]
async fn sixth_external_factor_is_refused() {
    let host = Host::new();
    let factor = |n: usize| ExternalFactor::phishing_resistant(&format!("key-{n}")).unwrap();
    host.bind(factor(0)).await;
    for n in 1..5 {
        host.bind_another(factor(0), factor(n)).await;
    }
    let session = host.session().await;
    let registration = asked(host.begin_registration(&session).await);
    let _ = host.assert(registration.flow(), &session, factor(4)).await;
    let full = host.assert(registration.flow(), &session, passkey()).await;
    assert_eq!(refusal(&full), Some(Refusal::DeviceLimit));
    assert_eq!(host.status().await.external.len(), 5);
    let _ = done(host.assert(registration.flow(), &session, factor(4)).await);
    assert_eq!(host.status().await.external.len(), 5, "registered again, it takes its own place");
}

#[tokio::test]
async fn external_factor_replaces_no_device() {
    let host = Host::new();
    let secret = host.register().await;
    let device = host.device_ids().await[0];
    let session = host.session().await;
    let registration = asked(host.begin_registration(&session).await);
    let _ = host.app_code(registration.flow(), &session, &host.code(&secret)).await;
    let _ = host.replace_app(registration.flow(), &session, device).await;
    let refused = host.assert(registration.flow(), &session, passkey()).await;
    assert_eq!(refusal(&refused), Some(Refusal::NotOpen));
    assert_eq!(host.device_ids().await, [device]);
}

#[tokio::test]
async fn administrator_registers_the_factor_that_the_policy_requires() {
    let host = Host::new();
    let policy = Policy::any_of([External(passkey())], WithTicket).unwrap();
    let Some(Refusal::Policy(denial)) = denied(&host.begin(&policy).await) else { panic!() };
    assert_eq!((denial.reason, denial.remedy), (DenyReason::NoExternalFactor, Remedy::RegisterExternalFactor));
    assert_eq!(host.register_by_admin(passkey()).await, Ok(()));
    let by = Some(admin().id().clone());
    assert_eq!(host.last_event(), EventKind::ExternalAdded { factor: passkey(), by });
    assert_eq!(host.last_notice(), Some(Notice::FactorAdded { factor: passkey() }));
    let claims = host.by_external(passkey(), &policy).await;
    assert_eq!(claims.evidence().assurance(), Assurance::PhishingResistant);

    // Nobody evades the factor that a user has this way.
    assert_eq!(host.register_by_admin(push()).await, Err(Refusal::HasFactor));
    let host = Host::new();
    host.register().await;
    assert_eq!(host.register_by_admin(passkey()).await, Err(Refusal::HasFactor));
}

#[tokio::test]
async fn removal_needs_a_fresh_check_and_ends_every_other_session() {
    let host = Host::new();
    host.bind(passkey()).await;
    let claims = host.by_external(passkey(), &off()).await;
    host.wait(60);
    let elevated = host.elevated_by(&host.session().await, passkey()).await;
    let remove = async |factor| host.mfa.elevated(&elevated).remove_external(factor).await.unwrap();
    assert_eq!(remove(push()).await.err(), Some(Refusal::Unknown));
    let passed = remove(passkey()).await.unwrap();
    assert_eq!(host.last_event(), EventKind::ExternalRemoved { factor: passkey() });
    assert_eq!(host.last_notice(), Some(Notice::FactorRemoved { factor: passkey() }));
    let continued = host.open(passed);
    assert!(!host.holds(&claims).await && host.holds(&continued).await);
    assert!(host.status().await.external.is_empty());
    assert_eq!(remove(passkey()).await.err(), Some(Refusal::StepUpExpired));
    // It was a factor: from now on a password alone registers none.
    host.open(done(host.begin(&off()).await));
    let session = host.session().await;
    assert_eq!(asked(host.begin_registration(&session).await).next(), [Step::EmailCode]);
}

#[tokio::test]
async fn removal_is_refused_when_the_step_up_has_expired() {
    let host = Host::new();
    host.bind(passkey()).await;
    let elevated = host.elevated_by(&host.session().await, passkey()).await;
    host.wait(Elevated::LIFETIME.as_secs() + 1);
    let refused = host.mfa.elevated(&elevated).remove_external(passkey()).await.unwrap();
    assert_eq!(refused.err(), Some(Refusal::StepUpExpired));
    assert_eq!(host.status().await.external.len(), 1);
}

#[tokio::test]
async fn required_factor_is_not_removed() {
    let host = Host::new();
    host.bind(passkey()).await;
    let enforced = Policy::any_of([External(passkey())], WithTicket).unwrap();
    assert_eq!(host.remove(passkey(), passkey(), &enforced).await, Err(Refusal::LastFactor));
    assert_eq!(host.last_event(), EventKind::ExternalRemovalRefused { factor: passkey() });
    assert_eq!(host.status().await.external.len(), 1);

    // With another factor that is enough it can be removed.
    let either = Policy::any_of([External(passkey()), External(push())], WithTicket).unwrap();
    host.bind_another(passkey(), push()).await;
    host.by_external(passkey(), &either).await;
    assert_eq!(host.remove(passkey(), passkey(), &either).await, Ok(()));
    assert_eq!(host.challenge(&either).await.next(), [Step::External(push())]);
}

#[tokio::test]
async fn factor_is_not_removed_if_the_others_are_disabled() {
    let host = Host::new();
    host.bind(push()).await;
    host.bind_another(push(), passkey()).await;
    let either = Policy::any_of([External(passkey()), External(push())], WithTicket).unwrap();
    // Push is asked for beside the passkey if the administrator wants both.
    let both = Policy::all_of([External(passkey()), External(push())], WithTicket).unwrap();
    host.wear_out(push(), &both).await;
    host.by_external(passkey(), &either).await;
    assert_eq!(host.remove(passkey(), passkey(), &either).await, Err(Refusal::LastFactor));
    assert_eq!(host.remove(push(), passkey(), &either).await, Ok(()));
    host.by_external(passkey(), &either).await;
    assert_eq!(host.remove(passkey(), passkey(), &off()).await, Ok(()));
}

#[tokio::test]
async fn reset_removes_external_factors() {
    let host = Host::new();
    host.bind(passkey()).await;
    let claims = host.by_external(passkey(), &off()).await;
    let open = host.challenge(&off()).await;
    host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    assert!(host.has_seen(&EventKind::ExternalRemoved { factor: passkey() }));
    assert!(host.status().await.external.is_empty() && !host.holds(&claims).await);
    assert_eq!(denied(&host.assert(open.flow(), &off(), passkey()).await), Some(Refusal::FlowEnded));
    // What the host still checks is nothing here.
    let login = host.challenge(&app()).await;
    assert_eq!(login.next(), [Step::EmailCode, Step::Ticket]);
    assert_eq!(refusal(&host.assert(login.flow(), &app(), passkey()).await), Some(Refusal::NotOpen));
}

/// A ticket of the session pays for a registration as long as a fresh proof does.
#[tokio::test]
async fn ticket_of_the_session_registers_a_device_for_five_minutes() {
    for (secs, registers) in [(300, true), (301, false)] {
        let host = Host::new();
        let ticket = host.mfa.admin(&admin()).issue_ticket(&alice()).await.unwrap();
        let session = host.session_under(&Policy::off(WithTicket)).await;
        let flow = asked(host.begin_registration(&session).await);
        let _ = enrolling(host.ticket(flow.flow(), &session, ticket.expose_secret().expose_secret()).await);
        host.open(done(host.assert(flow.flow(), &session, passkey()).await));
        let session = host.session().await;
        let elevated = host.elevated_by(&session, passkey()).await;
        let passed = host.mfa.elevated(&elevated).remove_external(passkey()).await.unwrap().unwrap();
        let owing = host.owing(&host.open(passed), &with_ticket()).await;
        host.wait(secs);
        let begun = host.begin_completion(&owing).await;
        assert_eq!(matches!(begun, Outcome::Enroll(_)), registers, "{secs}: {begun:?}");
        assert_eq!(is_denied_for(&begun, DenyReason::NoFirstEnrollmentProof), !registers, "{secs}: {begun:?}");
    }
}

#[tokio::test]
async fn external_factor_is_registered_from_the_profile_alone() {
    let host = Host::new();
    let claims = host.open(done(host.begin(&off()).await));
    let login = host.enroll(&app()).await;
    let refused = host.assert(login.challenge().flow(), &app(), passkey()).await;
    assert_eq!(refusal(&refused), Some(Refusal::NotOpen));
    let owing = host.owing(&claims, &app()).await;
    let completion = enrolling(host.begin_completion(&owing).await);
    let refused = host.assert(completion.challenge().flow(), &owing, passkey()).await;
    assert_eq!(refusal(&refused), Some(Refusal::NotOpen));
    assert!(host.status().await.external.is_empty());
}
