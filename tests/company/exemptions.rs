//! Exemptions: of one user, for a time, by an administrator who is on record.

use factorgate::policy::{Exemption, GraceDays};

use super::*;

fn exemption(from: u64, until: u64) -> Exemption {
    Exemption::new("O. Petrova, security", "waits for a smartphone", secs(from), secs(until)).unwrap()
}

fn enforced() -> Policy {
    Policy::any_of([App], WithTicket).unwrap()
}

impl Host {
    async fn exempt(&self, exemption: Option<&Exemption>) -> Result<(), Refusal> {
        self.mfa.admin(&admin()).exempt(&alice(), exemption).await.unwrap()
    }

    async fn grant(&self, from: u64, until: u64) {
        self.exempt(Some(&exemption(from, until))).await.unwrap();
    }
}

#[tokio::test]
async fn exemption_lifts_what_is_enforced_until_it_ends() {
    let host = Host::new();
    let (week, by) = (exemption(NOW, NOW + 7 * DAY), admin().id().clone());
    assert!(denied(&host.begin(&enforced()).await).is_some());
    host.exempt(Some(&week)).await.unwrap();
    assert_eq!(host.last_event(), EventKind::ExemptionGranted { by, until: week.until() });
    let passed = done(host.begin(&enforced()).await);
    assert_eq!((passed.evidence().assurance(), passed.grace_until()), (Assurance::FirstFactor, None));
    let claims = host.open(passed);

    let status = host.status().await;
    assert_eq!(status.exemption.as_ref(), Some(&week));
    let explained = enforced().explain(&status.standing(&contact())).to_string();
    assert!(explained.contains("exempt"), "{explained}");
    assert!(!format!("{:?}", host.log.lock().unwrap()).contains("Petrova"), "the texts are for the record only");

    host.wait(7 * DAY - 1);
    assert!(matches!(host.check(&claims, &enforced()).await, SessionCheck::Valid(_)));
    host.wait(1);
    assert!(denied(&host.begin(&enforced()).await).is_some());
    assert_eq!(host.check(&claims, &enforced()).await.session().err(), Some(Refusal::StepsOwed));
    assert_eq!(host.status().await.exemption, None);
}

#[tokio::test]
async fn ended_exemption_is_forgotten_by_the_next_write() {
    let host = Host::new();
    host.grant(NOW, NOW + DAY).await;
    host.wait(DAY);
    host.clock.set(NOW);
    assert!(host.status().await.exemption.is_some(), "the control: nothing was written");
    host.wait(DAY);
    host.mfa.admin(&admin()).issue_ticket(&alice()).await.unwrap();
    // Not even a clock that is set back restores it.
    host.clock.set(NOW);
    assert_eq!(host.status().await.exemption, None);
}

#[tokio::test]
async fn withdrawal_names_the_administrator_and_open_sessions_owe_what_is_enforced() {
    let host = Host::new();
    host.exempt(None).await.unwrap();
    assert_eq!(host.events(), [], "there is none");
    host.grant(NOW, NOW + DAY).await;
    let claims = host.open(done(host.begin(&enforced()).await));
    host.events();
    host.exempt(None).await.unwrap();
    assert_eq!(host.events(), [EventKind::ExemptionWithdrawn { by: admin().id().clone() }]);
    assert!(denied(&host.begin(&enforced()).await).is_some());
    assert_eq!(host.check(&claims, &enforced()).await.session().err(), Some(Refusal::StepsOwed));
    host.events();
    host.exempt(None).await.unwrap();
    assert_eq!(host.events(), []);
    host.grant(NOW, NOW + DAY).await;
    host.wait(DAY);
    host.events();
    host.exempt(None).await.unwrap();
    assert_eq!(host.events(), [], "an exemption that has ended is not withdrawn");
}

#[tokio::test]
async fn newest_exemption_counts_and_none_ends_before_it_begins() {
    let host = Host::new();
    host.grant(NOW, NOW + 7 * DAY).await;
    let before = host.store.record(&alice());
    let refused = host.exempt(Some(&exemption(NOW - 2 * DAY, NOW))).await;
    assert_eq!(refused, Err(Refusal::ExemptionOver));
    assert_eq!(host.store.record(&alice()), before);
    // One that begins tomorrow replaces the one of today.
    host.grant(NOW + DAY, NOW + 2 * DAY).await;
    assert!(denied(&host.begin(&enforced()).await).is_some());
    host.wait(DAY);
    let _ = done(host.begin(&enforced()).await);
}

#[tokio::test]
async fn exemption_does_not_apply_to_users_who_ever_had_a_factor() {
    let host = Host::new();
    let secret = host.register().await;
    host.grant(NOW, NOW + 7 * DAY).await;
    assert_eq!(host.challenge(&enforced()).await.next(), [Step::AppCode], "the device is asked for");
    let device = host.device_ids().await[0];
    let elevated = host.elevated_in(&host.session_under(&app()).await, &secret).await;
    let refused = host.mfa.elevated(&elevated).remove_device(device).await.unwrap();
    assert_eq!(refused.err(), Some(Refusal::LastFactor));
    host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    assert_eq!(host.challenge(&enforced()).await.next(), [Step::Ticket], "nor does it after a reset");
}

#[tokio::test]
async fn exemption_replaces_no_step_up() {
    let host = Host::new();
    host.grant(NOW, NOW + 7 * DAY).await;
    host.open(done(host.begin(&enforced()).await));
    let session = host.session_under(&enforced()).await;
    assert_eq!(host.step_up_asked(&session).await.next(), [Step::EmailCode]);
}

#[tokio::test]
async fn exempt_user_begins_no_grace_period() {
    let host = Host::new();
    host.grant(NOW, NOW + DAY).await;
    let policy = enforced().with_grace(GraceDays::new(14).unwrap());
    assert_eq!(done(host.begin(&policy).await).grace_until(), None);
    host.wait(DAY);
    assert_eq!(done(host.begin(&policy).await).grace_until(), Some(secs(NOW + 15 * DAY)));
}
