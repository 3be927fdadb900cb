//! Devices that are named, renamed and replaced.

use super::*;

use factorgate::{Enroll, Session};

impl Host {
    /// A registration that is proved by a code of the device that is registered.
    async fn proved(&self, held: &Secret) -> (Session, Enroll<Registration>) {
        let session = self.session().await;
        let asked = asked(self.begin_registration(&session).await);
        let enroll = enrolling(self.app_code(asked.flow(), &session, &self.code(held)).await);
        (session, enroll)
    }

    async fn can_remove(&self, device: DeviceId, policy: &Policy) -> Result<(), Refusal> {
        let session = self.session_under(policy).await;
        self.mfa.profile(&session).can_remove(device).await.unwrap()
    }
}

#[tokio::test]
async fn device_is_replaced_at_once_when_the_new_one_is_confirmed_with_one_mail() {
    let host = Host::new();
    let old = host.register().await;
    let device = host.device_ids().await[0];
    let (session, enroll) = host.proved(&old).await;
    let flow = enroll.challenge().flow();
    enrolling(host.replace_app(flow, &session, device).await);
    host.wait(30);
    host.log_in(&old, &off()).await;
    let other = host.challenge(&off()).await;

    let (new, mails) = (secret_of(&enroll), host.outbox.sent().len());
    assert!(is_in(&host.confirm(flow, &session, &host.code(&new)).await));
    let devices = host.device_ids().await;
    assert_eq!((devices.len(), devices.contains(&device)), (1, false));
    assert!(host.has_seen(&EventKind::DeviceReplaced { device, by: devices[0] }));
    assert_eq!(host.outbox.sent().len(), mails + 1);
    assert_eq!(host.last_notice(), Some(Notice::DeviceReplaced));
    host.wait(30);
    assert_eq!(denied(&host.app_code(other.flow(), &off(), &host.code(&old)).await), Some(Refusal::FlowEnded));
    let asked = host.challenge(&off()).await;
    assert_eq!(refusal(&host.app_code(asked.flow(), &off(), &host.code(&old)).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.app_code(asked.flow(), &off(), &host.code(&new)).await));
}

#[tokio::test]
async fn replacement_needs_the_proof_of_a_registration() {
    let host = Host::new();
    host.register().await;
    let (session, device) = (host.session().await, host.device_ids().await[0]);
    let asked = asked(host.begin_registration(&session).await);
    assert_eq!(asked.next(), [Step::AppCode]);
    assert_eq!(refusal(&host.replace_app(asked.flow(), &session, device).await), Some(Refusal::NotOpen));
    assert_eq!(refusal(&host.register_app(asked.flow(), &session).await), Some(Refusal::NotOpen));
}

#[tokio::test]
async fn unknown_device_is_not_replaced() {
    let host = Host::new();
    let secret = host.register().await;
    let (session, enroll) = host.proved(&secret).await;
    let unknown = host.replace_app(enroll.challenge().flow(), &session, DeviceId::new(99)).await;
    assert_eq!(refusal(&unknown), Some(Refusal::Unknown));
}

#[tokio::test]
async fn sixth_device_replaces_one_and_is_not_added() {
    let host = Host::new();
    let mut held = host.register().await;
    for _ in 1..5 {
        held = host.register_another(&held).await;
    }
    let before = host.device_ids().await;
    assert_eq!(before.len(), 5);
    let session = host.session().await;
    let open = asked(host.begin_registration(&session).await);
    let newest = Action::AppCode { code: host.code(&held).into(), device: before.last().copied() };
    let full = asked(host.submit(open.flow(), &session, newest).await);
    assert_eq!(full.refusal(), Some(Refusal::DeviceLimit));
    let enroll = enrolling(host.replace_app(open.flow(), &session, before[0]).await);
    assert!(is_in(&host.confirm(open.flow(), &session, &host.code(&secret_of(&enroll))).await));
    let after = host.device_ids().await;
    assert_eq!((after.len(), &after[..4]), (5, &before[1..]));
}

#[tokio::test]
async fn every_registration_has_a_secret_of_its_own() {
    let host = Host::new();
    let old = host.register().await;
    let (mut seen, device) = (vec![old.to_base32().expose_secret().to_owned()], host.device_ids().await[0]);
    for _ in 0..3 {
        let (session, enroll) = host.proved(&old).await;
        let named = enrolling(host.replace_app(enroll.challenge().flow(), &session, device).await);
        assert_eq!(secret_of(&named).expose_secret(), secret_of(&enroll).expose_secret());
        let text = enroll.key_uri().secret_base32().expose_secret().to_owned();
        assert!(!seen.contains(&text));
        seen.push(text);
        host.wait(30);
    }
}

#[tokio::test]
async fn code_of_a_named_device_costs_one_attempt_and_is_of_that_device_alone() {
    let host = Host::new();
    let first = host.register().await;
    let second = host.register_another(&first).await;
    let [one, two] = host.device_ids().await[..] else { panic!() };
    let asked = host.challenge(&app()).await;
    let login = host.code_of(asked.flow(), one, &wrong(&first), &app()).await;
    assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 4));
    let login = host.code_of(asked.flow(), one, &host.code(&second), &app()).await;
    assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 3), "another device's code is a guess");
    let login = host.app_code(asked.flow(), &app(), &wrong(&first)).await;
    assert_eq!(left(&login), 2, "a lock counts codes, whatever they are compared with");
    let login = host.code_of(asked.flow(), DeviceId::new(99), &wrong(&first), &app()).await;
    assert_eq!((refusal(&login), left(&login)), (Some(Refusal::Unknown), 2));
    let passed = done(host.code_of(asked.flow(), two, &host.code(&second), &app()).await);
    assert_eq!(passed.evidence().app_code.unwrap().0, two);
}

/// Against two devices a code is two guesses, and both are paid for before they are compared.
#[tokio::test]
async fn user_with_more_devices_than_units_chooses_one() {
    let host = Host::new();
    let first = host.register().await;
    let second = host.register_another(&first).await;
    let [one, two] = host.device_ids().await[..] else { panic!() };
    for _ in 0..29 {
        let asked = host.challenge_unblocked(&app()).await;
        let _ = host.code_of(asked.flow(), one, &wrong(&first), &app()).await;
    }
    host.wait(3600);
    let asked = host.challenge(&app()).await;
    let before = host.store.record(&alice());
    for code in [wrong(&first), host.code(&first), host.code(&second)] {
        let login = host.app_code(asked.flow(), &app(), &code).await;
        assert_eq!((refusal(&login), left(&login)), (Some(Refusal::ChooseDevice), 1), "it is free");
    }
    assert_eq!(host.store.record(&alice()), before);
    assert!(is_in(&host.code_of(asked.flow(), two, &host.code(&second), &app()).await), "and spends no code");

    // A wrong one of the named device costs the unit that is left.
    let asked = host.challenge(&app()).await;
    let _ = host.code_of(asked.flow(), two, &wrong(&second), &app()).await;
    host.wait(3600);
    let blocked = host.challenge(&app()).await.refusal();
    assert!(matches!(blocked, Some(Refusal::NewBrowsersBlocked { .. })), "{blocked:?}");
    let asked = host.challenge(&app()).await;
    let login = host.code_of(asked.flow(), two, &host.code(&second), &app()).await;
    assert!(matches!(refusal(&login), Some(Refusal::NewBrowsersBlocked { .. })), "{login:?}");
}

#[tokio::test]
async fn naming_a_disabled_device_does_not_revive_it() {
    let host = Host::new();
    let first = host.register().await;
    let second = host.register_another(&first).await;
    let [one, two] = host.device_ids().await[..] else { panic!() };
    host.wear_out(&app(), async |flow| drop(host.code_of(flow, one, &wrong(&first), &app()).await)).await;
    let disabled: Vec<bool> = host.status().await.devices.iter().map(|device| device.disabled).collect();
    assert_eq!(disabled, [true, false], "the other one was not guessed at");
    host.mfa.admin(&admin()).unblock(&alice(), &contact()).await.unwrap();
    let asked = host.challenge(&app()).await;
    let login = host.code_of(asked.flow(), one, &host.code(&first), &app()).await;
    assert_eq!(refusal(&login), Some(Refusal::DeviceDisabled));
    let login = host.app_code(asked.flow(), &app(), &host.code(&first)).await;
    assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 4), "compared with one device");
    assert!(is_in(&host.code_of(asked.flow(), two, &host.code(&second), &app()).await));
}

#[tokio::test]
async fn user_is_not_left_with_disabled_devices_alone() {
    let host = Host::new();
    let first = host.register().await;
    let second = host.register_another(&first).await;
    let [one, two] = host.device_ids().await[..] else { panic!() };
    host.wear_out(&off(), async |flow| drop(host.code_of(flow, one, &wrong(&first), &off()).await)).await;
    assert_eq!(host.can_remove(two, &off()).await, Err(Refusal::LastFactor));
    let elevated = host.elevated(&second).await;
    let dangerous = host.mfa.elevated(&elevated);
    assert_eq!(dangerous.remove_device(two).await.unwrap().err(), Some(Refusal::LastFactor));
    host.open(dangerous.remove_device(one).await.unwrap().unwrap());
    assert_eq!(host.can_remove(two, &off()).await, Ok(()));
    let elevated = host.elevated(&second).await;
    host.open(host.mfa.elevated(&elevated).remove_device(two).await.unwrap().unwrap());
    assert!(is_in(&host.begin(&off()).await));
}

#[tokio::test]
async fn device_is_renamed_after_a_step_up() {
    let host = Host::new();
    let secret = host.register().await;
    let device = host.device_ids().await[0];
    let name = DeviceName::new("Alice's Pixel").unwrap();
    let elevated = host.elevated(&secret).await;
    let dangerous = host.mfa.elevated(&elevated);
    assert_eq!(dangerous.rename_device(DeviceId::new(99), &name).await.unwrap(), Err(Refusal::Unknown));
    assert_eq!(dangerous.rename_device(device, &name).await.unwrap(), Ok(()));
    assert_eq!(host.status().await.devices[0].name, name);
    assert!(host.has_seen(&EventKind::DeviceRenamed { device }));
}

#[tokio::test]
async fn question_whether_a_device_can_be_removed_changes_nothing() {
    let host = Host::new();
    let secret = host.register().await;
    let (device, before) = (host.device_ids().await[0], host.store.record(&alice()));
    assert_eq!(host.can_remove(device, &off()).await, Ok(()));
    assert_eq!(host.can_remove(device, &app()).await, Err(Refusal::LastFactor));
    assert_eq!(host.can_remove(DeviceId::new(99), &off()).await, Err(Refusal::Unknown));
    assert_eq!(host.store.record(&alice()), before, "a question writes nothing");
    host.log_in(&secret, &app()).await;
}

#[tokio::test]
async fn double_click_keeps_the_device_that_is_replaced() {
    let host = Host::new();
    let old = host.register().await;
    let device = host.device_ids().await[0];
    let (session, enroll) = host.proved(&old).await;
    let flow = enroll.challenge().flow();
    enrolling(host.replace_app(flow, &session, device).await);
    let writes = host.store.swaps();
    enrolling(host.replace_app(flow, &session, device).await);
    enrolling(host.register_app(flow, &session).await);
    assert_eq!(host.store.swaps(), writes, "nothing has changed");
    assert!(is_in(&host.confirm(flow, &session, &host.code(&secret_of(&enroll))).await));
    assert!(!host.device_ids().await.contains(&device), "the old device was replaced");
}
