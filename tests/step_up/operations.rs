//! What is done on a step-up.

use factorgate::mail::Notice;
use factorgate::session::AddressPermit;
use factorgate::testing::SeededRandom;
use factorgate::{UserId, UserRow};

use super::*;

#[tokio::test]
async fn device_is_removed_on_a_step_up_once() {
    let host = Host::new();
    let (secret, other) = host.register_under(&app()).await;
    let own = host.log_in(&secret, &app()).await;
    let elevated = host.elevated(&secret).await;
    let device = host.device().await;
    assert_eq!(host.remove(&elevated, DeviceId::new(99)).await.err(), Some(Refusal::Unknown));
    let passed = host.remove(&elevated, device).await.unwrap();
    assert!(host.device_ids().await.is_empty());
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::DeviceRemoved));
    assert!(host.is_ended(&own).await && host.is_ended(&other).await);
    let continued = host.open(passed);
    assert!(host.holds(&continued).await);
    assert_eq!(host.remove(&elevated, device).await.err(), Some(Refusal::StepUpExpired), "it lasts until a change");
}

#[tokio::test]
async fn required_device_is_not_removed_on_a_step_up() {
    let host = Host::new();
    let secret = host.register().await;
    let session = host.session_under(&app()).await;
    let elevated = host.elevated_in(&session, &secret).await;
    let device = host.device().await;
    host.events();
    assert_eq!(host.remove(&elevated, device).await.err(), Some(Refusal::LastFactor));
    assert_eq!(host.events(), [EventKind::DeviceRemovalRefused { device }]);
    assert_eq!(host.device_ids().await, [device]);
}

#[tokio::test]
async fn step_up_lasts_five_minutes() {
    let host = Host::new();
    let secret = host.register().await;
    let elevated = host.elevated(&secret).await;
    let device = host.device().await;
    for at in [elevated.at().as_secs() + 301, elevated.at().as_secs() - 1] {
        host.clock.set(at);
        assert_eq!(host.remove(&elevated, device).await.err(), Some(Refusal::StepUpExpired), "{at}");
    }
    host.clock.set(elevated.at().as_secs() + 300);
    assert!(host.remove(&elevated, device).await.is_ok());
}

#[tokio::test]
async fn step_up_ends_when_another_session_ends_it() {
    let host = Host::new();
    let (secret, first) = host.register_under(&app()).await;
    let second = host.log_in(&secret, &app()).await;
    let (first, second) = (host.session_of(&first, &off()).await, host.session_of(&second, &off()).await);
    let elevated = host.elevated_in(&first, &secret).await;
    let own = host.elevated_in(&second, &secret).await;
    let passed = host.mfa.profile(&second).sign_out_elsewhere().await.unwrap().unwrap();
    assert!(host.is_ended(first.claims()).await);
    let continued = host.open(passed);
    assert!(host.holds(&continued).await);

    let device = host.device().await;
    for ended in [&elevated, &own] {
        let dangerous = || host.mfa.elevated(ended);
        let name = factorgate::device::DeviceName::new("Mallory's").unwrap();
        assert_eq!(dangerous().new_recovery_codes().await.unwrap().err(), Some(Refusal::StepUpExpired));
        assert_eq!(dangerous().rename_device(device, &name).await.unwrap().err(), Some(Refusal::StepUpExpired));
        assert_eq!(dangerous().remove_device(device).await.unwrap().err(), Some(Refusal::StepUpExpired));
        assert_eq!(dangerous().permit_address_change().await.unwrap().err(), Some(Refusal::StepUpExpired));
    }
    assert_eq!(host.status().await.devices[0].name.as_str(), "Smartphone");
    // The control: a step-up of the session that continues.
    let elevated = host.elevated(&secret).await;
    assert!(host.remove(&elevated, device).await.is_ok());
}

#[tokio::test]
async fn forged_request_has_neither_the_reference_nor_the_code() {
    let host = Host::new();
    let secret = host.register().await;
    // A forged request brings the session only. It gets a challenge, and nothing else.
    assert!(asks_for(&host.step_up_last(Duration::ZERO).await, Step::AppCode));
    let elsewhere = Host::with(|builder| builder.random(SeededRandom::new(99)));
    elsewhere.register().await;
    let forged = elsewhere.step_up_asked(&elsewhere.session().await).await;
    let forged = FlowRef::<StepUp>::from_cookie(&forged.flow().to_cookie()).unwrap();
    let ended = host.app_code(&forged, &host.session().await, &host.code(&secret)).await;
    assert_eq!(denied(&ended), Some(Refusal::FlowEnded));
}

#[tokio::test]
async fn address_change_ends_what_rests_on_the_old_address() {
    /// The function of a host that writes the address: nobody calls it without a permit.
    fn write_address(host: &Host, permit: &AddressPermit) -> UserRow {
        assert_eq!(permit.user(), &alice());
        host.set_contact(Contact::unverified(EmailAddress::new("new@example.com").unwrap()));
        host.row()
    }

    let host = Host::new();
    let claims = host.by_mail().await;
    let login = host.challenge(&email()).await;
    host.wait(30);
    let session = host.session().await;
    let asked = host.step_up_asked(&session).await;
    let elevated = done(host.email_code(asked.flow(), &session, &host.mailed()).await);
    host.events();
    let permit = host.mfa.elevated(&elevated).permit_address_change().await.unwrap().unwrap();
    assert_eq!(host.events(), [EventKind::AddressChangePermitted]);
    let notice = host.outbox.sent().pop().unwrap();
    assert_eq!((notice.notice, notice.to.as_str()), (Some(Notice::AddressChangePermitted), "alice@example.com"));
    // No code is mailed to the old address until the change is finished.
    let sent = host.outbox.sent().len();
    host.wait(60);
    let held_back = host::asked(host.begin(&email()).await);
    assert!(matches!(held_back.refusal(), Some(Refusal::TooSoon { .. })), "{held_back:?}");
    assert_eq!(host.outbox.sent().len(), sent);

    let row = write_address(&host, &permit);
    let passed = host.mfa.elevated(&elevated).finish_address_change(permit, &row).await.unwrap().unwrap();
    assert_eq!(host.events().last(), Some(&EventKind::AddressChanged));
    let continued = host.open(passed);
    assert!(host.is_ended(&claims).await && host.holds(&continued).await);
    assert_eq!(continued.evidence().email_code, None, "the code went to the old address");
    assert!(host.check(&continued, &email()).await.owing().is_ok(), "the new address is not proved");
    for flow in [login.flow(), held_back.flow()] {
        let ended = host.email_code(flow, &email(), "12345678").await;
        assert_eq!(denied(&ended), Some(Refusal::FlowEnded));
    }
    // The next code goes to the new address, and verifies it.
    let asked = host.challenge(&email()).await;
    assert_eq!(host.outbox.sent().last().unwrap().to.as_str(), "new@example.com");
    let passed = done(host.email_code(asked.flow(), &email(), &host.mailed()).await);
    assert_eq!(passed.verified_address().unwrap().as_str(), "new@example.com");
    let again = host.mfa.elevated(&elevated).permit_address_change().await.unwrap();
    assert_eq!(again.err(), Some(Refusal::StepUpExpired));
}

#[tokio::test]
async fn permit_of_another_user_or_session_changes_no_address() {
    let host = Host::new();
    let secret = host.register().await;
    let mine = host.elevated(&secret).await;
    let second = host.log_in(&secret, &app()).await;
    let theirs = host.elevated_in(&host.session_of(&second, &off()).await, &secret).await;
    let permit = host.mfa.elevated(&mine).permit_address_change().await.unwrap().unwrap();
    let bob = UserRow::new(UserId::new("bob").unwrap(), "1", contact());
    let refused = host.mfa.elevated(&mine).finish_address_change(permit, &bob).await.unwrap();
    assert_eq!(refused.err(), Some(Refusal::AccountChanged));
    let permit = host.mfa.elevated(&mine).permit_address_change().await.unwrap().unwrap();
    let refused = host.mfa.elevated(&theirs).finish_address_change(permit, &host.row()).await.unwrap();
    assert_eq!(refused.err(), Some(Refusal::SessionEnded));
}

#[tokio::test]
async fn erased_user_signs_in_no_more() {
    let host = Host::new();
    let secret = host.register().await;
    let elevated = host.elevated(&secret).await;
    host.mfa.elevated(&elevated).erase_user().await.unwrap();
    assert!(host.is_ended(&host.claims()).await);
    assert_eq!(denied(&host.begin(&off()).await), Some(Refusal::AccountChanged));
    let status = host.status().await;
    assert!(status.erased && status.devices.is_empty());
}

/// The session was ended between the permit and the write: the change is finished, and the session does not come back.
#[tokio::test]
async fn ended_session_does_not_continue_after_an_address_change() {
    let host = Host::new();
    let secret = host.register().await;
    let elevated = host.elevated(&secret).await;
    let permit = host.mfa.elevated(&elevated).permit_address_change().await.unwrap().unwrap();
    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    host.set_contact(Contact::verified(EmailAddress::new("new@example.com").unwrap()));
    let refused = host.mfa.elevated(&elevated).finish_address_change(permit, &host.row()).await.unwrap();
    assert_eq!(refused.err(), Some(Refusal::SessionEnded));
    assert_eq!(host.events().last(), Some(&EventKind::AddressChanged));
}
