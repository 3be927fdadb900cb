//! Devices that are named, renamed and replaced.

use super::*;

/// A registration that is proved by a code of the device that is held.
async fn proved(host: &Host, held: &Secret) -> Enroll<RegistrationRef> {
    let begun = host.mfa.begin_registration(&session(), contact(), &off()).await.unwrap();
    let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
    match host.mfa.verify_app_code(asked.flow(), &host.code(held), &off()).await.unwrap() {
        Registration::Enroll(enroll) => enroll,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn d02_d18_a_device_is_replaced_when_the_new_one_is_confirmed_at_once_and_with_one_mail() {
    let host = Host::new();
    let old = host.register().await;
    let device = host.device_ids().await[0];
    let enroll = proved(&host, &old).await;
    let shown = host.mfa.replace_device(enroll.flow(), device, &off()).await.unwrap();
    assert!(matches!(shown, Registration::Enroll(_)), "{shown:?}");
    host.wait(30);
    let asked = host.challenge(&off()).await;
    assert!(is_in(&host.app(asked.flow(), &host.code(&old), &off()).await), "the old one works until then");
    let other = host.challenge(&off()).await;

    let (new, mails) = (secret_of(&enroll), host.outbox.sent().len());
    assert!(registered(&host.confirm_registration(&enroll, &host.code(&new)).await));
    let (devices, sent) = (host.device_ids().await, host.outbox.sent());
    assert_eq!((devices.len(), devices.contains(&device)), (1, false));
    assert!(host.has_seen(&EventKind::DeviceReplaced { device, by: devices[0] }));
    assert_eq!(sent.len(), mails + 1);
    assert_eq!(sent.last().unwrap().notice, Some(Notice::DeviceReplaced));
    host.wait(30);
    assert_eq!(denied(&host.app(other.flow(), &host.code(&old), &off()).await), Some(DeniedReason::FlowEnded));
    let asked = host.challenge(&off()).await;
    assert_eq!(refusal(&host.app(asked.flow(), &host.code(&old), &off()).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.app(asked.flow(), &host.code(&new), &off()).await));
}

#[tokio::test]
async fn d01_a_replacement_is_proved_as_a_registration_is() {
    let host = Host::new();
    host.register().await;
    let device = host.device_ids().await[0];
    let begun = host.mfa.begin_registration(&session(), contact(), &off()).await.unwrap();
    let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
    let named = host.mfa.replace_device(asked.flow(), device, &off()).await.unwrap();
    let Registration::Challenge(named) = named else { panic!("{named:?}") };
    assert_eq!((named.next(), named.refusal()), (vec![Step::AppCode], None));
    let early = host.mfa.begin_app_enrollment(asked.flow(), &off()).await.unwrap();
    assert!(matches!(early, Registration::Challenge(again) if again.refusal() == Some(Refusal::NotOpen)));
    let unknown = host.mfa.replace_device(asked.flow(), DeviceId::new(99), &off()).await.unwrap();
    assert!(matches!(unknown, Registration::Challenge(again) if again.refusal() == Some(Refusal::UnknownDevice)));
}

#[tokio::test]
async fn d13_the_last_device_and_a_device_at_the_limit_are_replaced_not_added() {
    let host = Host::new();
    let mut held = host.register().await;
    for _ in 1..5 {
        held = host.register_another(&held).await;
    }
    let before = host.device_ids().await;
    assert_eq!(before.len(), 5);
    let begun = host.mfa.begin_registration(&session(), contact(), &off()).await.unwrap();
    let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
    let full = host.mfa.verify_app_code(asked.flow(), &host.code(&held), &off()).await.unwrap();
    let Registration::Challenge(full) = full else { panic!("{full:?}") };
    assert_eq!(full.refusal(), Some(Refusal::DeviceLimit));
    let open = host.mfa.replace_device(asked.flow(), before[0], &off()).await.unwrap();
    let Registration::Enroll(enroll) = open else { panic!("{open:?}") };
    assert!(registered(&host.confirm_registration(&enroll, &host.code(&secret_of(&enroll))).await));
    let after = host.device_ids().await;
    assert_eq!((after.len(), &after[..4]), (5, &before[1..]));
}

#[tokio::test]
async fn d08_every_registration_has_a_secret_of_its_own() {
    let host = Host::new();
    let old = host.register().await;
    let (mut seen, device) = (vec![old.to_base32().expose_secret().to_owned()], host.device_ids().await[0]);
    for _ in 0..3 {
        let enroll = proved(&host, &old).await;
        let named = host.mfa.replace_device(enroll.flow(), device, &off()).await.unwrap();
        assert!(
            matches!(&named, Registration::Enroll(shown) if secret_of(shown).expose_secret() == secret_of(&enroll).expose_secret())
        );
        let text = enroll.key_uri().secret_base32().expose_secret().to_owned();
        assert!(!seen.contains(&text));
        seen.push(text);
        host.wait(30);
    }
}

#[tokio::test]
async fn b07_a_code_of_a_named_device_costs_one_guess_and_is_of_that_device_alone() {
    let host = Host::new();
    let first = host.register().await;
    let second = host.register_another(&first).await;
    let [one, two] = host.device_ids().await[..] else { panic!() };
    let asked = host.challenge(&app()).await;
    let named =
        async |device, code: &Code| host.mfa.verify_app_code_of(asked.flow(), device, code, &app()).await.unwrap();
    let left = |login: &Login| match login {
        Login::Challenge(challenge) => challenge.attempts_left(),
        other => panic!("{other:?}"),
    };
    let login = named(one, &wrong(&first)).await;
    assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 4));
    let login = named(one, &host.code(&second)).await;
    assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 3), "another device's code is a guess");
    let login = host.app(asked.flow(), &wrong(&first), &app()).await;
    assert_eq!(left(&login), 1, "compared with two devices it is two guesses");
    let login = named(DeviceId::new(99), &wrong(&first)).await;
    assert_eq!((refusal(&login), left(&login)), (Some(Refusal::UnknownDevice), 1));
    let login = named(two, &host.code(&second)).await;
    assert!(matches!(&login, Login::Authenticated(passed) if passed.evidence().app_code.unwrap().0 == two));
}

#[tokio::test]
async fn n20_naming_a_disabled_device_does_not_revive_it() {
    let host = Host::new();
    let first = host.register().await;
    let second = host.register_another(&first).await;
    let [one, two] = host.device_ids().await[..] else { panic!() };
    host.wear_out(&app(), async |flow| drop(host.mfa.verify_app_code_of(flow, one, &wrong(&first), &app()).await))
        .await;
    let disabled: Vec<bool> = host.mfa.devices(&alice()).await.unwrap().iter().map(|device| device.disabled).collect();
    assert_eq!(disabled, [true, false], "the other one was not guessed at");
    let asked = host.challenge(&app()).await;
    let login = host.mfa.verify_app_code_of(asked.flow(), one, &host.code(&first), &app()).await.unwrap();
    assert_eq!(refusal(&login), Some(Refusal::DeviceDisabled));
    assert_eq!(refusal(&host.app(asked.flow(), &host.code(&first), &app()).await), Some(Refusal::WrongCode));
    let login = host.mfa.verify_app_code_of(asked.flow(), two, &host.code(&second), &app()).await.unwrap();
    assert!(is_in(&login), "{login:?}");
}

#[tokio::test]
async fn d13_nobody_is_left_with_disabled_devices_alone() {
    let host = Host::new();
    let first = host.register().await;
    let second = host.register_another(&first).await;
    let [one, two] = host.device_ids().await[..] else { panic!() };
    let guess = async |flow: &LoginRef| drop(host.mfa.verify_app_code_of(flow, one, &wrong(&first), &off()).await);
    host.wear_out(&off(), guess).await;
    let remove = async |device, code: &Code| match host
        .mfa
        .remove_device(&session(), device, code, contact(), &off())
        .await
        .unwrap()
    {
        Removal::Refused { reason, .. } => Some(reason),
        Removal::Removed { .. } => None,
    };
    let instead = vec![Alternative::Replace, Alternative::RemoveDisabled];
    let removable = host.mfa.can_remove(&alice(), two, &contact(), &off()).await.unwrap();
    assert_eq!(removable, Removable::No { reason: RemovalReason::OthersDisabled, instead });
    assert_eq!(remove(two, &host.code(&second)).await, Some(RemovalReason::OthersDisabled));
    assert_eq!(remove(one, &host.code(&second)).await, None, "the code was not spent");
    host.wait(30);
    assert_eq!(remove(two, &host.code(&second)).await, None);
    assert!(is_in(&host.begin(&off()).await));
}

#[tokio::test]
async fn d14_a_device_is_renamed_on_a_fresh_code() {
    let host = Host::new();
    let secret = host.register().await;
    let device = host.device_ids().await[0];
    let name = DeviceName::new("Alice's Pixel").unwrap();
    let rename =
        async |device, code: &Code| refused(&host.mfa.rename_device(&session(), device, &name, code).await.unwrap());
    assert_eq!(rename(device, &wrong(&secret)).await, Some(ChangeRefused::WrongCode));
    assert_eq!(rename(DeviceId::new(99), &host.code(&secret)).await, Some(ChangeRefused::UnknownDevice));
    assert_eq!(rename(device, &host.code(&secret)).await, None);
    assert_eq!(rename(device, &host.code(&secret)).await, Some(ChangeRefused::WrongCode), "the code is spent");
    assert_eq!(host.mfa.devices(&alice()).await.unwrap()[0].name, name);
    assert!(host.has_seen(&EventKind::DeviceRenamed { device }));
}

#[tokio::test]
async fn d13_whether_a_device_may_go_is_answered_with_what_else_can_be_done() {
    let host = Host::new();
    let secret = host.register().await;
    let device = host.device_ids().await[0];
    let ask = async |policy: &Policy| host.mfa.can_remove(&alice(), device, &contact(), policy).await.unwrap();
    let no = |reason, instead: &[Alternative]| Removable::No { reason, instead: instead.to_vec() };
    let (kept, before) = (RemovalReason::Policy(RemovalRefused::MustRegister), host.store.record(&alice()));
    assert_eq!(ask(&off()).await, Removable::Now);
    assert_eq!(ask(&app()).await, no(kept, &[Alternative::Replace, Alternative::RegisterAnother]));
    let unknown = host.mfa.can_remove(&alice(), DeviceId::new(99), &contact(), &off()).await.unwrap();
    assert_eq!(unknown, no(RemovalReason::UnknownDevice, &[]));
    assert_eq!(host.store.record(&alice()), before, "a question writes nothing");
    let asked = host.challenge(&app()).await;
    assert!(is_in(&host.app(asked.flow(), &host.code(&secret), &app()).await), "and spends no code");

    let asked = host.challenge(&app()).await;
    for _ in 0..5 {
        let _ = host.app(asked.flow(), &wrong(&secret), &app()).await;
    }
    let until = host.clock.time().saturating_add(Duration::from_secs(60));
    assert_eq!(ask(&off()).await, no(RemovalReason::Locked { until }, &[Alternative::Wait { until }]));

    host.wait(60);
    let _ = host.recovery_codes(&secret).await;
    host.wear_out(&app(), async |flow| drop(host.app(flow, &wrong(&secret), &app()).await)).await;
    assert_eq!(ask(&off()).await, no(RemovalReason::DevicesDisabled, &[Alternative::RecoveryCode]));
    host.wear_out(&app(), async |flow| drop(host.recover(flow, &nobodys(), &app()).await)).await;
    assert_eq!(ask(&off()).await, no(RemovalReason::DevicesDisabled, &[Alternative::AskAdministrator]));
}
