//! Registering and removing devices.

use super::*;

#[tokio::test]
async fn registration_with_a_device_needs_its_code_and_changes_nothing_until_confirmed() {
    let host = Host::new();
    let secret = host.register().await;
    let session = host.session().await;
    let asked = asked(host.begin_registration(&session).await);
    assert_eq!(refusal(&host.register_app(asked.flow(), &session).await), Some(Refusal::NotOpen));
    let open = host.app_code(asked.flow(), &session, &host.code(&secret)).await;
    assert!(matches!(open, Outcome::Enroll(_)));
    host.wait(30);
    host.log_in(&secret, &off()).await;
    assert_eq!(host.device_ids().await.len(), 1);
}

#[tokio::test]
async fn pending_secret_signs_nobody_in() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let login = host.app_code(enroll.challenge().flow(), &app(), &host.code(&secret_of(&enroll))).await;
    assert_eq!(refusal(&login), Some(Refusal::NotOpen));
    assert!(host.device_ids().await.is_empty());
}

#[tokio::test]
async fn registration_expires_after_ten_minutes() {
    for (secs, registered) in [(599, true), (600, false)] {
        let host = Host::new();
        let enroll = host.enroll(&app()).await;
        host.wait(secs);
        let login = host.confirm(enroll.challenge().flow(), &app(), &host.code(&secret_of(&enroll))).await;
        assert_eq!((is_in(&login), host.device_ids().await.len() == 1), (registered, registered), "{secs}");
    }
}

#[tokio::test]
async fn login_ends_after_twenty_minutes_however_often_a_registration_begins() {
    let host = Host::new();
    let asked = host.challenge(&any()).await;
    let mut lived = 0;
    while !matches!(host.register_app(asked.flow(), &any()).await, Outcome::Denied(_)) {
        // Asking for a mail drops the registration, so that the next one is new.
        let _ = host.send_email(asked.flow(), &any()).await;
        host.wait(60);
        lived += 60;
        assert!(lived <= 1200);
    }
    assert_eq!(lived, 1200);
}

#[tokio::test]
async fn double_click_shows_the_same_secret() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let flow = enroll.challenge().flow();
    let again = enrolling(host.register_app(flow, &app()).await);
    assert_eq!(enroll.key_uri().expose_secret(), again.key_uri().expose_secret());
    assert!(is_in(&host.confirm(flow, &app(), &host.code(&secret_of(&enroll))).await));
}

#[tokio::test]
async fn registration_is_not_confirmed_without_its_code() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let flow = enroll.challenge().flow();
    let of_another = host.code(&Secret::generate(&OsRandom).unwrap());
    for (code, expected) in [("", Refusal::Malformed), ("12345678", Refusal::Malformed)] {
        let login = host.confirm(flow, &app(), code).await;
        assert_eq!((refusal(&login), matches!(login, Outcome::Enroll(_))), (Some(expected), true), "{code}");
    }
    assert!(!is_in(&host.confirm(flow, &app(), &of_another).await));
    assert!(host.device_ids().await.is_empty());
}

#[tokio::test]
async fn clock_error_is_shown_at_the_confirmation_and_never_at_a_login() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let (flow, secret) = (enroll.challenge().flow(), secret_of(&enroll));
    let off_by = |secs| code_at(&secret, Timestamp::from_secs(host.clock.time().as_secs() - secs));
    let refused = refusal(&host.confirm(flow, &app(), &off_by(420)).await);
    let Some(Refusal::ClockOff { skew }) = refused else { panic!("{refused:?}") };
    assert_eq!(skew.to_string(), "about 7 minutes behind");
    assert!(host.device_ids().await.is_empty(), "shown, and not accepted");
    assert_eq!(refusal(&host.confirm(flow, &app(), &off_by(2 * 60 * 60)).await), Some(Refusal::WrongCode));
    assert!(is_in(&host.confirm(flow, &app(), &host.code(&secret)).await));
    // At a login the same code is wrong, and no more is said.
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.app_code(asked.flow(), &app(), &off_by(420)).await), Some(Refusal::WrongCode));
}

#[tokio::test]
async fn app_that_ignores_the_algorithm_is_told_apart_from_a_wrong_code() {
    let host = Host::with(|builder| builder.totp(Totp::builder().algorithm(Algorithm::Sha256).build().unwrap()));
    let enroll = host.enroll(&app()).await;
    // What `Totp::default` shows is computed with SHA-1.
    let login = host.confirm(enroll.challenge().flow(), &app(), &host.code(&secret_of(&enroll))).await;
    assert_eq!(refusal(&login), Some(Refusal::AlgorithmIgnored));
    assert!(host.device_ids().await.is_empty());
}

#[tokio::test]
async fn first_registration_needs_the_proof_that_the_policy_names() {
    let (host, policy) = (Host::new(), Policy::any_of([App], AfterEmailCode).unwrap());
    let asked = host.challenge(&policy).await;
    assert_eq!(refusal(&host.register_app(asked.flow(), &policy).await), Some(Refusal::NotOpen));
    assert!(matches!(host.email_code(asked.flow(), &policy, &host.mailed()).await, Outcome::Enroll(_)));
}

#[tokio::test]
async fn password_alone_registers_no_device_for_a_user_who_had_one() {
    let host = Host::new();
    let secret = host.register().await;
    let device = host.device_ids().await[0];
    let elevated = host.elevated(&secret).await;
    let _ = host.mfa.elevated(&elevated).remove_device(device).await.unwrap().unwrap();
    assert_eq!(host.challenge(&app()).await.next(), [Step::EmailCode]);
    assert!(matches!(denied(&host.begin(&with_ticket()).await), Some(Refusal::Policy(_))));
}

#[tokio::test]
async fn last_device_stays_and_a_removal_needs_a_fresh_code() {
    let host = Host::new();
    let secret = host.register().await;
    let (device, claims) = (host.device_ids().await[0], host.claims());
    // The policy needs it.
    let session = host.session_of(&claims, &app()).await;
    let elevated = host.elevated_in(&session, &secret).await;
    let removal = host.mfa.elevated(&elevated).remove_device(device).await.unwrap();
    assert_eq!(removal.err(), Some(Refusal::LastFactor));
    assert!(host.has_seen(&EventKind::DeviceRemovalRefused { device }));

    let session = host.session_of(&claims, &off()).await;
    let asked = host.step_up_asked(&session).await;
    let code = host.code(&secret);
    assert_eq!(refusal(&host.app_code(asked.flow(), &session, &wrong(&secret)).await), Some(Refusal::WrongCode));
    let used = host.challenge(&off()).await;
    assert!(is_in(&host.app_code(used.flow(), &off(), &code).await));
    let replayed = host.app_code(asked.flow(), &session, &code).await;
    assert_eq!(refusal(&replayed), Some(Refusal::WrongCode), "a used code is not fresh");
    host.wait(30);
    let elevated = done(host.app_code(asked.flow(), &session, &host.code(&secret)).await);
    let dangerous = host.mfa.elevated(&elevated);
    assert_eq!(dangerous.remove_device(DeviceId::new(99)).await.unwrap().err(), Some(Refusal::Unknown));
    let passed = dangerous.remove_device(device).await.unwrap().unwrap();
    // It ends every session but the one that made the change, and the proof with it.
    assert_eq!(dangerous.remove_device(device).await.unwrap().err(), Some(Refusal::StepUpExpired));
    assert!(!host.holds(&claims).await);
    let continued = host.open(passed);
    assert!(host.holds(&continued).await);
}

/// Guesses in a session are those of its browser: they lock no login elsewhere.
#[tokio::test]
async fn guesses_at_a_step_up_spend_the_budget_of_its_browser() {
    let host = Host::new();
    let secret = host.register().await;
    let session = host.session().await;
    let asked = host.step_up_asked(&session).await;
    for _ in 0..5 {
        let _ = host.app_code(asked.flow(), &session, &wrong(&secret)).await;
    }
    assert!(is_locked(&host.app_code(asked.flow(), &session, &host.code(&secret)).await));
    host.log_in(&secret, &app()).await;
}

#[tokio::test]
async fn new_device_ends_every_other_open_login_and_a_notice_is_sent() {
    let host = Host::new();
    let other = host.challenge(&email()).await;
    let code = host.mailed();
    host.register().await;
    assert_eq!(denied(&host.email_code(other.flow(), &email(), &code).await), Some(Refusal::FlowEnded));
    assert_eq!(host.last_notice(), Some(Notice::DeviceAdded));
}

/// Whoever has just verified the address in this session need not do it again to register a device.
#[tokio::test]
async fn registration_accepts_an_email_code_of_the_last_five_minutes() {
    for (secs, asks) in [(0, false), (300, false), (301, true)] {
        let (host, policy) = (Host::new(), Policy::any_of([Email], AfterEmailCode).unwrap());
        let asked = host.challenge(&policy).await;
        let claims = host.open(done(host.email_code(asked.flow(), &policy, &host.mailed()).await));
        host.wait(secs);
        let session = host.session_of(&claims, &policy).await;
        let begun = host.begin_registration(&session).await;
        assert_eq!(matches!(begun, Outcome::Challenge(_)), asks, "{secs}: {begun:?}");
        assert_eq!(matches!(begun, Outcome::Enroll(_)), !asks, "{secs}: {begun:?}");
    }
}

/// A server whose clock is behind begins the registration again: it ends before its login does.
#[tokio::test]
async fn registration_ends_at_its_second_though_its_login_stays_open() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let flow = enroll.challenge().flow();
    for _ in 0..10 {
        let _ = host.confirm(flow, &app(), &wrong(&secret_of(&enroll))).await;
    }
    host.clock.set(NOW - 30);
    let second = secret_of(&enrolling(host.register_app(flow, &app()).await));
    host.clock.set(NOW + 569);
    enrolling(host.mfa.resume(flow, &app()).await.unwrap());
    host.clock.set(NOW + 570);
    asked(host.mfa.resume(flow, &app()).await.unwrap());
    assert_eq!(refusal(&host.confirm(flow, &app(), &host.code(&second)).await), Some(Refusal::WrongCode));
    assert_eq!(host.faults(Factor::Enrollment).last(), Some(&CodeFault::NoneOutstanding));
    let third = secret_of(&enrolling(host.register_app(flow, &app()).await));
    assert_ne!(third.expose_secret(), second.expose_secret());
}
