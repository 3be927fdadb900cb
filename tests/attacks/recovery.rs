//! Recovery codes: made, used, renewed, guessed.

use super::*;

/// A login that a recovery code completes.
async fn recovered(host: &Host, code: &RecoveryCode) -> factorgate::Authenticated {
    let asked = host.challenge(&app()).await;
    match host.recover(asked.flow(), code, &app()).await {
        Login::Authenticated(passed) => passed,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn h01_codes_are_in_force_when_they_are_confirmed_and_then_the_old_ones_are_dead() {
    let host = Host::new();
    let secret = host.register().await;
    let old = host.recovery_codes(&secret).await;
    let shown = host.mfa.begin_recovery_codes(&session(), &host.code(&secret)).await.unwrap();
    let Change::Made { value: new, .. } = shown else { panic!("{shown:?}") };
    let (old, new): (Vec<_>, Vec<_>) = (old.iter().collect(), new.codes.iter().collect());

    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.recover(asked.flow(), new[0], &app()).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.recover(asked.flow(), old[0], &app()).await), "the old ones are good until then");

    let done = host.mfa.confirm_recovery_codes(&session(), new[0], contact()).await.unwrap();
    assert_eq!(refused(&done), None);
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::RecoveryCodesRenewed));
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.recover(asked.flow(), old[1], &app()).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.recover(asked.flow(), new[0], &app()).await), "the one that confirmed is not spent by it");
}

#[tokio::test]
async fn h01_new_codes_close_what_a_stolen_old_one_has_opened() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let thief = recovered(&host, codes.iter().next().unwrap()).await;
    let _ = host.recovery_codes(&secret).await;
    let flow = thief.recovery().unwrap().registration();
    let begun = host.mfa.begin_app_enrollment(flow, &app()).await.unwrap();
    assert!(matches!(begun, Registration::Denied(_)), "{begun:?}");
}

#[tokio::test]
async fn h01_codes_that_nobody_confirms_expire_and_typos_are_bounded_and_no_guesses() {
    let host = Host::new();
    let secret = host.register().await;
    let make = async || match host.mfa.begin_recovery_codes(&session(), &host.code(&secret)).await.unwrap() {
        Change::Made { value: new, .. } => new,
        other => panic!("{other:?}"),
    };
    let confirm = async |code: &RecoveryCode| {
        refused(&host.mfa.confirm_recovery_codes(&session(), code, contact()).await.unwrap())
    };
    assert_eq!(confirm(&nobodys()).await, Some(ChangeRefused::NothingToConfirm));

    let new = make().await;
    host.wait(600);
    assert_eq!(confirm(new.codes.iter().next().unwrap()).await, Some(ChangeRefused::NothingToConfirm));

    let new = make().await;
    host.wait(30);
    assert_eq!(host.mfa.revoke_logins(&alice()).await.unwrap().events.len(), 1);
    let ended = confirm(new.codes.iter().next().unwrap()).await;
    assert_eq!(ended, Some(ChangeRefused::NothingToConfirm), "the password was changed");

    let new = make().await;
    for _ in 0..10 {
        assert_eq!(confirm(&nobodys()).await, Some(ChangeRefused::WrongCode));
    }
    assert_eq!(confirm(new.codes.iter().next().unwrap()).await, Some(ChangeRefused::NothingToConfirm));
    assert_eq!(host.challenge(&app()).await.attempts_left(), 5);
    assert_eq!(host.mfa.status(&alice()).await.unwrap().recovery_codes, None);
}

#[tokio::test]
async fn h03_a_recovered_login_is_less_than_a_device_and_leads_to_one() {
    let host = Host::new();
    let lost = host.register().await;
    let codes = host.recovery_codes(&lost).await;
    let passed = recovered(&host, codes.iter().next().unwrap()).await;
    assert_eq!((passed.assurance(), passed.amr()), (Assurance::Recovered, vec!["pwd"]));
    assert!(Assurance::EmailCode < Assurance::Recovered && Assurance::Recovered < Assurance::TwoFactor);
    assert_eq!(passed.recovery().unwrap().codes_left(), RecoveryCodesLeft::Enough(9));
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::RecoveryCodeUsed { left: 9 }));

    // Nothing that takes a device can be done without one.
    let (session, device) = (passed.signed_in(), host.device_ids().await[0]);
    let removal = host.mfa.remove_device(&session, device, &wrong(&lost), contact(), &off()).await.unwrap();
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::WrongCode, .. }), "{removal:?}");
    let renamed = host.mfa.rename_device(&session, device, &DeviceName::default(), &wrong(&lost)).await.unwrap();
    assert_eq!(refused(&renamed), Some(ChangeRefused::WrongCode));
    let renewed = host.mfa.begin_recovery_codes(&session, &wrong(&lost)).await.unwrap();
    assert_eq!(refused(&renewed), Some(ChangeRefused::WrongCode));
    let other = host.mfa.begin_registration(&session, contact(), &off()).await.unwrap();
    let Registration::Challenge(other) = other else { panic!("{other:?}") };
    assert_eq!(
        other.next(),
        [Step::AppCode, Step::RecoveryCode],
        "what the login has proved is in its own hands alone"
    );

    // But the registration that the login opened goes on; the lost device makes way.
    let flow = passed.recovery().unwrap().registration();
    let begun = host.mfa.replace_device(flow, device, &off()).await.unwrap();
    let Registration::Enroll(enroll) = begun else { panic!("{begun:?}") };
    let found = secret_of(&enroll);
    assert!(registered(&host.confirm_registration(&enroll, &host.code(&found)).await));
    assert_ne!(host.device_ids().await, [device]);
    host.wait(30);
    let asked = host.challenge(&app()).await;
    assert!(!is_in(&host.app(asked.flow(), &host.code(&lost), &app()).await));
    let login = host.app(asked.flow(), &host.code(&found), &app()).await;
    assert!(matches!(&login, Login::Authenticated(whole) if whole.recovery().is_none()), "{login:?}");
}

#[tokio::test]
async fn d01_h03_the_last_code_still_leads_to_a_device_and_it_warns_from_three_on() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let mut last = None;
    for (code, left) in codes.iter().zip((0..10).rev()) {
        let passed = recovered(&host, code).await;
        let expected = match left {
            0 => RecoveryCodesLeft::None,
            1..=3 => RecoveryCodesLeft::Few(left),
            _ => RecoveryCodesLeft::Enough(left),
        };
        assert_eq!(passed.recovery().unwrap().codes_left(), expected);
        assert!(passed.events().iter().any(|event| event.kind == EventKind::RecoveryCodeUsed { left }));
        last = Some(passed);
    }
    assert_eq!(host.mfa.status(&alice()).await.unwrap().recovery_codes, Some(RecoveryCodesLeft::None));
    assert_eq!(host.challenge(&app()).await.next(), [Step::AppCode]);
    let last = last.unwrap();
    let begun = host.mfa.begin_app_enrollment(last.recovery().unwrap().registration(), &app()).await.unwrap();
    let Registration::Enroll(enroll) = begun else { panic!("{begun:?}") };
    assert!(registered(&host.confirm_registration(&enroll, &host.code(&secret_of(&enroll))).await));
}

#[tokio::test]
async fn d01_a_recovery_code_proves_a_registration_from_the_profile() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let begun = host.mfa.begin_registration(&session(), contact(), &off()).await.unwrap();
    let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
    let early = host.mfa.begin_app_enrollment(asked.flow(), &off()).await.unwrap();
    assert!(matches!(early, Registration::Challenge(again) if again.refusal() == Some(Refusal::NotOpen)));
    let used = codes.iter().next().unwrap();
    let open = host.mfa.verify_recovery_code(asked.flow(), used, &off()).await.unwrap();
    let Registration::Enroll(enroll) = open else { panic!("{open:?}") };
    assert_eq!(enroll.challenge().recovery_codes_left(), Some(RecoveryCodesLeft::Enough(9)));
    assert_eq!(enroll.challenge().paths().len(), 1);
    assert!(registered(&host.confirm_registration(&enroll, &host.code(&secret_of(&enroll))).await));
}

#[tokio::test]
async fn h01_c01_a_used_code_is_refused_and_is_no_guess() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let used = codes.iter().next().unwrap();
    let _ = recovered(&host, used).await;
    let asked = host.challenge(&app()).await;
    for _ in 0..10 {
        assert_eq!(refusal(&host.recover(asked.flow(), used, &app()).await), Some(Refusal::WrongCode));
    }
    assert_eq!(host.challenge(&app()).await.attempts_left(), 5);
    assert_eq!(host.faults(Factor::Recovery), [CodeFault::Replayed; 10]);
    assert_eq!(host.mfa.status(&alice()).await.unwrap().recovery_codes, Some(RecoveryCodesLeft::Enough(9)));
}

#[tokio::test]
async fn b09_guesses_at_recovery_codes_spend_the_same_budget() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let asked = host.challenge(&app()).await;
    for _ in 0..2 {
        let _ = host.app(asked.flow(), &wrong(&secret), &app()).await;
        let _ = host.recover(asked.flow(), &nobodys(), &app()).await;
    }
    assert!(is_locked(&host.recover(asked.flow(), &nobodys(), &app()).await));
    assert!(is_locked(&host.app(asked.flow(), &host.code(&secret), &app()).await));
    assert!(is_locked(&host.recover(asked.flow(), codes.iter().next().unwrap(), &app()).await));
    let confirm = host.mfa.confirm_recovery_codes(&session(), &nobodys(), contact()).await.unwrap();
    assert!(matches!(refused(&confirm), Some(ChangeRefused::Locked { .. })));
}

#[tokio::test]
async fn n20_a_hundred_wrong_codes_disable_them_until_there_are_new_ones() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    host.wear_out(&app(), async |flow| drop(host.recover(flow, &nobodys(), &app()).await)).await;
    assert!(host.has_seen(&EventKind::RecoveryCodesDisabled));
    assert_eq!(host.mfa.status(&alice()).await.unwrap().recovery_codes, Some(RecoveryCodesLeft::None));
    host.wait(10 * 365 * 24 * 60 * 60);
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.next(), [Step::AppCode]);
    let login = host.recover(asked.flow(), codes.iter().next().unwrap(), &app()).await;
    assert_eq!(refusal(&login), Some(Refusal::NotOpen));

    let new = host.recovery_codes(&secret).await;
    assert_eq!(recovered(&host, new.iter().next().unwrap()).await.assurance(), Assurance::Recovered);
}

#[tokio::test]
async fn n20_a_recovery_code_leads_out_of_disabled_devices() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    host.wear_out(&app(), async |flow| drop(host.app(flow, &wrong(&secret), &app()).await)).await;
    assert!(host.mfa.devices(&alice()).await.unwrap()[0].disabled);
    let device = host.device_ids().await[0];
    let removal = host.mfa.remove_device(&session(), device, &host.code(&secret), contact(), &off()).await.unwrap();
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::DevicesDisabled, .. }), "{removal:?}");
    let renewal = host.mfa.begin_recovery_codes(&session(), &host.code(&secret)).await.unwrap();
    assert_eq!(refused(&renewal), Some(ChangeRefused::DevicesDisabled));
    assert_eq!(host.challenge(&app()).await.next(), [Step::RecoveryCode]);
    let passed = recovered(&host, codes.iter().next().unwrap()).await;
    let flow = passed.recovery().unwrap().registration();
    let begun = host.mfa.replace_device(flow, device, &app()).await.unwrap();
    let Registration::Enroll(enroll) = begun else { panic!("{begun:?}") };
    let bound = secret_of(&enroll);
    assert!(registered(&host.confirm_registration(&enroll, &host.code(&bound)).await));
    host.wait(30);
    let asked = host.challenge(&app()).await;
    assert!(is_in(&host.app(asked.flow(), &host.code(&bound), &app()).await));
}

#[tokio::test]
async fn d14_new_codes_take_a_fresh_code_of_a_device() {
    let host = Host::new();
    let begin = async |code: &Code| refused(&host.mfa.begin_recovery_codes(&session(), code).await.unwrap());
    assert_eq!(begin(&Code::parse("123456").unwrap()).await, Some(ChangeRefused::NoDevice));
    let secret = host.register().await;
    let used = host.code(&secret);
    let asked = host.challenge(&app()).await;
    assert!(is_in(&host.app(asked.flow(), &used, &app()).await));
    assert_eq!(begin(&used).await, Some(ChangeRefused::WrongCode), "a used code is not fresh");
    assert_eq!(begin(&Code::parse("12345678").unwrap()).await, Some(ChangeRefused::Malformed));
    host.wait(30);
    let fresh = host.code(&secret);
    assert_eq!(begin(&fresh).await, None);
    assert_eq!(begin(&fresh).await, Some(ChangeRefused::WrongCode), "and is spent by it");
    for _ in 0..5 {
        let _ = begin(&wrong(&secret)).await;
    }
    assert!(is_locked(&host.begin(&app()).await));
}

#[tokio::test]
async fn g06_a_code_is_good_as_it_is_typed_and_no_part_of_it_is() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let shown = codes.iter().next().unwrap().expose_secret();
    let text = shown.expose_secret();
    for len in 0..text.len() {
        assert!(RecoveryCode::parse(&text[..len]).is_err());
    }
    // A whole code that differs in one place only.
    let last = if text.ends_with('0') { '2' } else { '0' };
    let near = RecoveryCode::parse(&format!("{}{last}", &text[..text.len() - 1])).unwrap();
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.recover(asked.flow(), &near, &app()).await), Some(Refusal::WrongCode));
    let typed =
        RecoveryCode::parse(&text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l")).unwrap();
    assert!(is_in(&host.recover(asked.flow(), &typed, &app()).await));
}

#[tokio::test]
async fn c09_a_code_is_of_one_user() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let bob = UserId::new("bob").unwrap();
    let primary = || PrimaryVerified::assertion(bob.clone());
    let Login::Enroll(enroll) = host.mfa.begin_login(primary(), contact(), &app()).await.unwrap() else { panic!() };
    let bobs = secret_of(&enroll);
    assert!(is_in(&host.confirm(&enroll, &host.code(&bobs)).await));
    host.wait(30);
    let session = SignedIn::assertion(bob.clone());
    let Change::Made { value: new, .. } = host.mfa.begin_recovery_codes(&session, &host.code(&bobs)).await.unwrap()
    else {
        panic!()
    };
    let one = new.codes.iter().next().unwrap();
    assert_eq!(refused(&host.mfa.confirm_recovery_codes(&session, one, contact()).await.unwrap()), None);
    let Login::Challenge(asked) = host.mfa.begin_login(primary(), contact(), &app()).await.unwrap() else { panic!() };
    for code in codes.iter().take(3) {
        assert_eq!(refusal(&host.recover(asked.flow(), code, &app()).await), Some(Refusal::WrongCode));
    }
    assert!(is_in(&host.recover(asked.flow(), one, &app()).await));
}

#[tokio::test]
async fn e05_without_codes_or_with_the_last_device_gone_the_step_is_not_open() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.recover(asked.flow(), &nobodys(), &app()).await), Some(Refusal::NotOpen));
    let codes = host.recovery_codes(&secret).await;
    let device = host.device_ids().await[0];
    let removal = host.mfa.remove_device(&session(), device, &host.code(&secret), contact(), &off()).await.unwrap();
    assert!(matches!(removal, Removal::Removed { .. }), "{removal:?}");
    assert_eq!(host.mfa.status(&alice()).await.unwrap().recovery_codes, None);
    let asked = host.challenge(&app()).await;
    let login = host.recover(asked.flow(), codes.iter().next().unwrap(), &app()).await;
    assert_eq!(refusal(&login), Some(Refusal::NotOpen), "{login:?}");
}

#[tokio::test]
async fn e05_where_all_channels_are_asked_for_a_recovery_code_stands_in_for_the_app_alone() {
    let (host, all) = (Host::new(), Policy::all_of([App, Email], AfterPassword).unwrap());
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let code = codes.iter().next().unwrap();
    let asked = host.challenge(&all).await;
    assert_eq!(refusal(&host.recover(asked.flow(), code, &all).await), Some(Refusal::NotOpen));
    let login = host.email(asked.flow(), &host.mailed(), &all).await;
    assert!(matches!(&login, Login::Challenge(next) if next.next() == [Step::AppCode, Step::RecoveryCode]));
    let login = host.recover(asked.flow(), code, &all).await;
    assert!(matches!(&login, Login::Authenticated(passed) if passed.assurance() == Assurance::Recovered), "{login:?}");
}

#[tokio::test]
async fn h12_no_recovery_code_is_in_a_debug_an_event_or_a_mail() {
    let host = Host::new();
    let secret = host.register().await;
    let shown = host.mfa.begin_recovery_codes(&session(), &host.code(&secret)).await.unwrap();
    let mut debug = format!("{shown:?}");
    let Change::Made { value: new, .. } = shown else { panic!("{shown:?}") };
    let codes: Vec<_> = new.codes.iter().collect();
    debug += &format!("{:?}", host.mfa.confirm_recovery_codes(&session(), codes[1], contact()).await.unwrap());
    let asked = host.challenge(&app()).await;
    let login = host.recover(asked.flow(), codes[0], &app()).await;
    debug += &format!("{login:?} {:?} {:?}", new.codes, host.mfa.status(&alice()).await.unwrap());
    for event in host.log.lock().unwrap().iter() {
        debug += &format!("{event:?} {event}");
    }
    for mail in host.outbox.sent() {
        debug += &format!("{} {} {}", mail.subject, mail.text, mail.html);
    }
    for code in &codes {
        let text = code.expose_secret();
        for part in [text.expose_secret(), &text.expose_secret()[..9], &text.expose_secret().replace('-', "")] {
            assert!(!debug.contains(part));
            assert!(format!("{debug}{part}").contains(part), "the control finds it");
        }
    }
}
