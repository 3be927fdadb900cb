//! What is done on a step-up.

use super::*;

#[tokio::test]
async fn d14_a_device_is_removed_on_a_step_up_and_the_rules_of_removal_hold() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let other = host.by_app(&secret).await;
    let elevated = host.elevated(&session, &secret).await;
    let device = host.device().await;

    let removal = host.remove(&elevated, DeviceId::new(99), &off()).await;
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::UnknownDevice, .. }));
    let removal = host.remove(&elevated, device, &app()).await;
    let must_register = RemovalReason::Policy(RemovalRefused::MustRegister);
    assert!(matches!(removal, Removal::Refused { reason, .. } if reason == must_register), "D13");

    let Removal::Removed { change, .. } = host.remove(&elevated, device, &off()).await else { panic!() };
    assert!(host.mfa.devices(&alice()).await.unwrap().is_empty());
    assert!(host.outbox.sent().last().unwrap().subject.contains("removed"));
    assert!(!host.holds(&session).await && !host.holds(&other).await);
    assert!(host.holds(&session.after(&change)).await);
    let again = host.remove(&elevated, device, &off()).await;
    assert!(matches!(again, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }), "it counts until a change");
}

#[tokio::test]
async fn d14_a_step_up_counts_for_five_minutes() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let elevated = host.elevated(&session, &secret).await;
    host.wait(271);
    let removal = host.remove(&elevated, host.device().await, &off()).await;
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }), "{removal:?}");
    host.clock.set(elevated.at().as_secs() - 1);
    let removal = host.remove(&elevated, host.device().await, &off()).await;
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }), "{removal:?}");
    host.clock.set(elevated.at().as_secs() + 300);
    assert!(matches!(host.remove(&elevated, host.device().await, &off()).await, Removal::Removed { .. }));
}

#[tokio::test]
async fn d16_a_forged_request_has_neither_the_reference_nor_the_code() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    // All that a forged request brings is the session. Freshness zero gives it a challenge, and nothing else.
    let begun = host.step_up(&session, Duration::ZERO).await;
    assert!(is_challenge(&begun, Step::AppCode), "{begun:?}");
    let forged = StepUpRef::from_cookie(&format!("{}.alice", "00".repeat(32))).unwrap();
    let ended = host.mfa.verify_app_code(&forged, &host.code(&secret), &off()).await.unwrap();
    assert!(matches!(ended, StepUp::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
}

#[tokio::test]
async fn f01_an_address_is_changed_on_a_step_up_and_what_rests_on_the_old_one_ends() {
    /// The function of a host that writes the address: nobody calls it without the engine's leave.
    fn change_address(permit: factorgate::AddressPermit) -> UserId {
        permit.user().clone()
    }

    let host = Host::new();
    let session = host.by_password().await;
    // The codes of an open login go to the address on record.
    let Login::Challenge(login) = host.begin(&email()).await else { panic!() };
    let code = host.mailed();
    host.wait(30);
    let asked = host.step_up_asked(&session).await;
    let elevated = fresh(host.mfa.verify_email_code(asked.flow(), &host.mailed(), &off()).await.unwrap());
    host.events();
    let AddressChange::Permitted { permit, change, .. } = host.mfa.permit_address_change(&elevated).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(change_address(permit), alice());
    assert_eq!(host.events(), [EventKind::AddressChangePermitted]);
    assert!(!host.holds(&session).await);
    assert!(host.holds(&session.after(&change)).await);
    let ended = host.mfa.verify_email_code(login.flow(), &code, &email()).await.unwrap();
    assert!(matches!(ended, Login::Denied(_)));
    let again = host.mfa.permit_address_change(&elevated).await.unwrap();
    assert!(matches!(again, AddressChange::StepUpEnded), "it is good once");
}
