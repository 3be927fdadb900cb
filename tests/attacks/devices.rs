//! Registering and removing devices.

use super::*;

#[tokio::test]
async fn d01_d02_with_a_device_a_registration_takes_its_code_and_until_confirmed_changes_nothing() {
    let host = Host::new();
    let secret = host.register().await;
    let begun = host.mfa.begin_registration(&session(), contact(), &off()).await.unwrap();
    let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
    let refused = host.mfa.begin_app_enrollment(asked.flow(), &off()).await.unwrap();
    assert!(matches!(refused, Registration::Challenge(again) if again.refusal() == Some(Refusal::NotOpen)));
    let open = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap();
    assert!(matches!(open, Registration::Enroll(_)));
    host.wait(30);
    let asked = host.challenge(&off()).await;
    assert!(is_in(&host.app(asked.flow(), &host.code(&secret), &off()).await), "the old device works on");
    assert_eq!(host.mfa.devices(&alice()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn d03_a_pending_secret_logs_nobody_in() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let login = host.app(enroll.flow(), &host.code(&secret_of(&enroll)), &app()).await;
    assert_eq!(refusal(&login), Some(Refusal::NotOpen));
    assert!(host.mfa.devices(&alice()).await.unwrap().is_empty());
}

#[tokio::test]
async fn d05_a_registration_expires() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    host.wait(600);
    let login = host.confirm(&enroll, &host.code(&secret_of(&enroll))).await;
    assert!(!is_in(&login), "{login:?}");
    assert!(host.mfa.devices(&alice()).await.unwrap().is_empty());
}

#[tokio::test]
async fn d05_a_login_cannot_be_kept_open_by_registering_again_and_again() {
    let host = Host::new();
    let asked = host.challenge(&any()).await;
    let mut lived = 0;
    while !matches!(host.mfa.begin_app_enrollment(asked.flow(), &any()).await.unwrap(), Login::Denied(_)) {
        // Asking for a mail drops the registration, so that the next one is new.
        let _ = host.mfa.send_email_code(asked.flow(), &any()).await.unwrap();
        host.wait(60);
        lived += 60;
        assert!(lived <= 1200);
    }
    assert_eq!(lived, 1200);
}

#[tokio::test]
async fn d07_a_double_click_shows_the_same_secret() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let again = host.mfa.begin_app_enrollment(enroll.flow(), &app()).await.unwrap();
    let Login::Enroll(again) = again else { panic!("{again:?}") };
    assert_eq!(enroll.key_uri().expose_secret(), again.key_uri().expose_secret());
    assert!(is_in(&host.confirm(&enroll, &host.code(&secret_of(&enroll))).await));
}

#[tokio::test]
async fn d09_a_registration_is_not_confirmed_without_its_code() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    assert!(Code::parse("").is_err());
    let of_another = host.code(&Secret::generate(&OsRandom).unwrap());
    assert!(!is_in(&host.confirm(&enroll, &of_another).await));
    assert_eq!(refusal(&host.confirm(&enroll, &Code::parse("12345678").unwrap()).await), Some(Refusal::Malformed));
}

#[tokio::test]
async fn d19_a_clock_that_is_off_is_told_at_the_confirmation_and_never_at_a_login() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let secret = secret_of(&enroll);
    let off_by =
        |secs| Totp::default().generate(&secret, Timestamp::from_secs(host.clock.time().as_secs() - secs)).unwrap();
    let refused = refusal(&host.confirm(&enroll, &off_by(420)).await);
    let Some(Refusal::ClockOff { skew }) = refused else { panic!("{refused:?}") };
    assert_eq!(skew.to_string(), "about 7 minutes behind");
    assert!(host.mfa.devices(&alice()).await.unwrap().is_empty(), "told, and not accepted");
    assert_eq!(refusal(&host.confirm(&enroll, &off_by(2 * 60 * 60)).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.confirm(&enroll, &host.code(&secret)).await));
    // At a login the same code is wrong, and no more is said.
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.app(asked.flow(), &off_by(420), &app()).await), Some(Refusal::WrongCode));
}

#[tokio::test]
async fn d19_an_app_that_ignores_the_algorithm_is_told_apart_from_a_wrong_code() {
    let host = Host::with(|builder| builder.totp(Totp::builder().algorithm(Algorithm::Sha256).build().unwrap()));
    let enroll = host.enroll(&app()).await;
    // What `Totp::default` shows is computed with SHA-1.
    let login = host.confirm(&enroll, &host.code(&secret_of(&enroll))).await;
    assert_eq!(refusal(&login), Some(Refusal::AlgorithmIgnored));
    assert!(host.mfa.devices(&alice()).await.unwrap().is_empty());
}

#[tokio::test]
async fn d10_the_first_registration_is_proved_as_the_administrator_says() {
    let (host, policy) = (Host::new(), Policy::any_of([App], AfterEmailCode).unwrap());
    let asked = host.challenge(&policy).await;
    let early = host.mfa.begin_app_enrollment(asked.flow(), &policy).await.unwrap();
    assert_eq!(refusal(&early), Some(Refusal::NotOpen));
    assert!(matches!(host.email(asked.flow(), &host.mailed(), &policy).await, Login::Enroll(_)));
}

#[tokio::test]
async fn d11_who_ever_held_a_device_registers_none_on_a_password_alone() {
    let host = Host::new();
    let secret = host.register().await;
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let removal = host.mfa.remove_device(&session(), device, &host.code(&secret), contact(), &off()).await.unwrap();
    assert!(matches!(removal, Removal::Removed { .. }), "{removal:?}");
    assert_eq!(host.challenge(&app()).await.next(), [Step::EmailCode]);
    let ticket = host.begin(&Policy::any_of([App], WithTicket).unwrap()).await;
    assert!(matches!(denied(&ticket), Some(DeniedReason::Policy(_))));
}

#[tokio::test]
async fn d13_d14_the_last_device_stays_and_removal_takes_a_fresh_code() {
    let host = Host::new();
    let secret = host.register().await;
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let remove = async |code: &Code, policy: &Policy| match host
        .mfa
        .remove_device(&session(), device, code, contact(), policy)
        .await
    {
        Ok(Removal::Refused { reason, .. }) => Some(reason),
        Ok(Removal::Removed { .. }) => None,
        Err(error) => panic!("{error}"),
    };
    let refused = Some(RemovalReason::Policy(RemovalRefused::MustRegister));
    assert_eq!(remove(&host.code(&secret), &app()).await, refused);
    assert_eq!(remove(&wrong(&secret), &off()).await, Some(RemovalReason::WrongCode));
    let used = host.challenge(&off()).await;
    assert!(is_in(&host.app(used.flow(), &host.code(&secret), &off()).await));
    assert_eq!(remove(&host.code(&secret), &off()).await, Some(RemovalReason::WrongCode), "a used code is not fresh");
    host.wait(30);
    assert_eq!(remove(&host.code(&secret), &off()).await, None);
    assert_eq!(remove(&host.code(&secret), &off()).await, Some(RemovalReason::UnknownDevice));
}

#[tokio::test]
async fn d14_guesses_at_a_removal_spend_the_same_budget() {
    let host = Host::new();
    let secret = host.register().await;
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    for _ in 0..5 {
        let _ = host.mfa.remove_device(&session(), device, &wrong(&secret), contact(), &off()).await.unwrap();
    }
    assert!(is_locked(&host.begin(&app()).await));
}

#[tokio::test]
async fn d18_a_new_device_ends_every_other_open_login_and_is_told() {
    let host = Host::new();
    let other = host.challenge(&email()).await;
    let code = host.mailed();
    let enroll = host.enroll(&app()).await;
    assert!(is_in(&host.confirm(&enroll, &host.code(&secret_of(&enroll))).await));
    assert_eq!(denied(&host.email(other.flow(), &code, &email()).await), Some(DeniedReason::FlowEnded));
    assert!(host.outbox.sent().last().unwrap().subject.contains("device was added"));
}
