//! Exemptions: one user, for a time, by an administrator who is on record.

use factorgate::policy::{Exemption, RemovalRefused};
use factorgate::{Change, ChangeRefused, Removal, RemovalReason};

use super::*;

fn exemption(from: u64, until: u64) -> Exemption {
    Exemption::new("O. Petrova, security", "waits for a smartphone", secs(from), secs(until)).unwrap()
}

fn enforced() -> Policy {
    Policy::any_of([App], WithTicket).unwrap()
}

impl Host {
    async fn grant(&self, exemption: &Exemption) -> Change<()> {
        self.mfa.grant_exemption(&alice(), exemption, &admin()).await.unwrap()
    }
}

#[tokio::test]
async fn an_exemption_lifts_what_is_enforced_until_its_end_and_is_on_record() {
    let host = Host::new();
    let (week, by) = (exemption(NOW, NOW + 7 * DAY), admin().id().clone());
    assert!(denied(&host.begin(&enforced()).await).is_some());
    let Change::Made { events, .. } = host.grant(&week).await else { panic!() };
    assert_eq!(events[0].kind, EventKind::ExemptionGranted { by: by.clone(), until: week.until() });
    let login = passed(host.begin(&enforced()).await);
    assert_eq!((login.assurance(), login.reminds_enrollment()), (Assurance::FirstFactor, false));

    let status = host.status().await;
    assert_eq!(status.exemption.as_ref(), Some(&week));
    let explained = enforced().explain(&status.standing(&contact())).to_string();
    assert!(explained.contains("exempt"), "{explained}");
    assert!(!format!("{:?}", host.log.lock().unwrap()).contains("Petrova"), "the texts are for the record alone");

    host.wait(7 * DAY);
    assert!(denied(&host.begin(&enforced()).await).is_some());
    assert_eq!(host.status().await.exemption, None);
}

#[tokio::test]
async fn one_that_is_over_is_forgotten_with_the_next_write() {
    let host = Host::new();
    let _ = host.grant(&exemption(NOW, NOW + DAY)).await;
    host.wait(DAY);
    host.clock.set(NOW);
    assert!(host.status().await.exemption.is_some(), "the control: nothing was written");
    host.wait(DAY);
    host.mfa.issue_ticket(&alice(), &admin()).await.unwrap();
    // Not even a clock that is set back brings it back.
    host.clock.set(NOW);
    assert_eq!(host.status().await.exemption, None);
}

#[tokio::test]
async fn one_is_withdrawn_and_names_who_did_it() {
    let host = Host::new();
    let withdraw = async || host.mfa.withdraw_exemption(&alice(), &admin()).await.unwrap();
    assert!(withdraw().await.is_empty(), "there is none");
    let _ = host.grant(&exemption(NOW, NOW + DAY)).await;
    let session = claims(&passed(host.begin(&enforced()).await));
    let events = withdraw().await;
    assert_eq!(events[0].kind, EventKind::ExemptionWithdrawn { by: admin().id().clone() });
    assert!(denied(&host.begin(&enforced()).await).is_some());
    assert!(host.holds(&session).await, "sessions go on until they are ended");
    assert!(withdraw().await.is_empty());
}

#[tokio::test]
async fn the_newest_counts_and_none_that_is_over_before_it_begins() {
    let host = Host::new();
    let _ = host.grant(&exemption(NOW, NOW + 7 * DAY)).await;
    let before = host.store.record(&alice());
    let refused = host.grant(&exemption(NOW - 2 * DAY, NOW)).await;
    assert!(matches!(refused, Change::Refused { reason: ChangeRefused::ExemptionOver, .. }), "{refused:?}");
    assert_eq!(host.store.record(&alice()), before);
    // One that begins tomorrow takes the place of the one that holds today.
    let _ = host.grant(&exemption(NOW + DAY, NOW + 2 * DAY)).await;
    assert!(denied(&host.begin(&enforced()).await).is_some());
    host.wait(DAY);
    let _ = passed(host.begin(&enforced()).await);
}

#[tokio::test]
async fn it_does_nothing_for_who_ever_held_a_factor_and_for_nothing_but_a_login() {
    let host = Host::new();
    let secret = host.register().await;
    let _ = host.grant(&exemption(NOW, NOW + 7 * DAY)).await;
    assert_eq!(host.challenge(&enforced()).await.next(), [Step::AppCode], "a user's own device is asked for");
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let session = SignedIn::assertion(alice());
    let removal = host.mfa.remove_device(&session, device, &host.code(&secret), contact(), &app()).await.unwrap();
    let Removal::Refused { reason, .. } = removal else { panic!("{removal:?}") };
    assert_eq!(reason, RemovalReason::Policy(RemovalRefused::MustRegister));
    host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    assert_eq!(host.challenge(&enforced()).await.next(), [Step::Ticket], "nor does it after a reset");

    // Who has proved nothing but the password steps up by mail, exempt or not.
    let host = Host::new();
    let _ = host.grant(&exemption(NOW, NOW + 7 * DAY)).await;
    let session = claims(&passed(host.begin(&enforced()).await));
    assert_eq!(host.step_up_asked(&session).await.next(), [Step::EmailCode]);
}

#[tokio::test]
async fn who_is_exempt_is_not_in_grace_and_begins_no_period() {
    let host = Host::new();
    let _ = host.grant(&exemption(NOW, NOW + DAY)).await;
    let policy = enforced().with_grace(factorgate::policy::GraceDays::new(14).unwrap());
    assert_eq!(passed(host.begin(&policy).await).grace_until(), None);
    host.wait(DAY);
    assert_eq!(passed(host.begin(&policy).await).grace_until(), Some(secs(NOW + 15 * DAY)));
}
