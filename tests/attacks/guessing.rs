//! Guessing, and the budgets that end it.

use super::*;

#[tokio::test]
async fn a09_b02_the_budget_is_the_users_over_every_login() {
    let host = Host::new();
    let secret = host.register().await;
    let mut judged = 0;
    for _ in 0..50 {
        let Login::Challenge(asked) = host.begin(&app()).await else { continue };
        let _ = host.app(asked.flow(), &wrong(&secret), &app()).await;
        judged += 1;
    }
    assert_eq!(judged, 5);
    assert_eq!(host.faults(Factor::App).len(), 5);
}

#[tokio::test]
async fn b01_a_new_code_brings_no_new_budget() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    for _ in 0..4 {
        assert_eq!(refusal(&host.email(asked.flow(), &not(&host.mailed()), &email()).await), Some(Refusal::WrongCode));
    }
    host.wait(30);
    let resent = host.mfa.send_email_code(asked.flow(), &email()).await.unwrap();
    assert_eq!((refusal(&resent), host.outbox.sent().len()), (None, 2));
    assert!(is_locked(&host.email(asked.flow(), &not(&host.mailed()), &email()).await));
    assert!(is_locked(&host.email(asked.flow(), &host.mailed(), &email()).await), "the right code is refused, too");
}

#[tokio::test]
async fn b05_a_code_is_dead_at_the_second_of_its_end() {
    for (secs, good) in [(599, true), (600, false)] {
        let host = Host::new();
        // The login itself must outlive its code: registering extends it.
        let asked = host.challenge(&any()).await;
        let sent = host.mfa.send_email_code(asked.flow(), &any()).await.unwrap();
        assert_eq!(refusal(&sent), None);
        let code = host.mailed();
        host.wait(secs);
        let login = host.email(asked.flow(), &code, &any()).await;
        assert_eq!(is_in(&login), good, "{secs}: {login:?}");
    }
}

#[tokio::test]
async fn b05_an_expired_code_is_refused_in_a_login_that_is_open_and_is_no_guess() {
    let host = Host::new();
    let asked = host.challenge(&any()).await;
    host.wait(1);
    let _ = host.mfa.send_email_code(asked.flow(), &any()).await.unwrap();
    let code = host.mailed();
    host.wait(500);
    assert!(matches!(host.mfa.begin_app_enrollment(asked.flow(), &any()).await.unwrap(), Login::Enroll(_)));
    host.wait(100);
    let login = host.email(asked.flow(), &code, &any()).await;
    assert_eq!(refusal(&login), Some(Refusal::WrongCode), "{login:?}");
    assert_eq!(host.faults(Factor::Email), [CodeFault::Expired]);
}

#[tokio::test]
async fn b06_an_email_code_is_dead_after_five_attempts_however_slow() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let code = host.mailed();
    for _ in 0..5 {
        let _ = host.email(asked.flow(), &not(&code), &email()).await;
    }
    host.wait(61);
    let login = host.email(asked.flow(), &code, &email()).await;
    assert_eq!(refusal(&login), Some(Refusal::WrongCode), "{login:?}");
    assert_eq!(host.faults(Factor::Email).last(), Some(&CodeFault::NoneOutstanding));
}

#[tokio::test]
async fn b09_both_factors_spend_one_budget() {
    let host = Host::new();
    let policy = any().with_email_fallback().unwrap();
    let secret = host.register().await;
    let asked = host.challenge(&policy).await;
    assert_eq!(asked.next(), [Step::AppCode, Step::EmailCode]);
    let _ = host.mfa.send_email_code(asked.flow(), &policy).await.unwrap();
    for _ in 0..2 {
        let _ = host.app(asked.flow(), &wrong(&secret), &policy).await;
        let _ = host.email(asked.flow(), &not(&host.mailed()), &policy).await;
    }
    assert!(is_locked(&host.app(asked.flow(), &wrong(&secret), &policy).await));
    assert!(is_locked(&host.email(asked.flow(), &host.mailed(), &policy).await));
}

#[tokio::test]
async fn b11_a_day_of_guessing_is_bounded() {
    let host = Host::new();
    let secret = host.register().await;
    let (mut judged, until) = (0, host.clock.time().saturating_add(Duration::from_secs(24 * 60 * 60)));
    while host.clock.time() < until {
        match host.begin(&app()).await {
            Login::Challenge(asked) => {
                let _ = host.app(asked.flow(), &wrong(&secret), &app()).await;
                judged += 1;
            }
            Login::Denied(_) => host.wait(30),
            other => panic!("{other:?}"),
        }
    }
    // 100 in a row disable the device, and then nothing is compared any more: 3 steps × 100 ÷ 10⁶.
    assert_eq!(judged, 100);
    assert_eq!(denied(&host.begin(&app()).await), Some(DeniedReason::DevicesDisabled));
}

#[tokio::test]
async fn n20_a_disabled_device_takes_no_right_code_and_time_does_not_help() {
    let host = Host::new();
    let secret = host.register().await;
    for _ in 0..100 {
        let asked = loop {
            match host.begin(&app()).await {
                Login::Challenge(asked) => break asked,
                _ => host.wait(3600),
            }
        };
        let _ = host.app(asked.flow(), &wrong(&secret), &app()).await;
    }
    host.wait(10 * 365 * 24 * 60 * 60);
    assert!(host.mfa.devices(&alice()).await.unwrap()[0].disabled);
    assert_eq!(denied(&host.begin(&app()).await), Some(DeniedReason::DevicesDisabled));
    let disabled = |event: &&Event| matches!(event.kind, EventKind::DeviceDisabled { .. });
    assert_eq!(host.log.lock().unwrap().iter().filter(disabled).count(), 1);
}

#[tokio::test]
async fn n23_only_a_completed_login_restores_the_budget() {
    let host = Host::new();
    let secret = host.register().await;
    for _ in 0..3 {
        let asked = host.challenge(&app()).await;
        for _ in 0..4 {
            assert!(!is_locked(&host.app(asked.flow(), &wrong(&secret), &app()).await));
        }
        assert!(is_in(&host.app(asked.flow(), &host.code(&secret), &app()).await));
        host.wait(30);
    }
}

#[tokio::test]
async fn b13_mails_are_limited_over_every_login_and_after_success() {
    let host = Host::new();
    let mut sent = 0;
    for _ in 0..100 {
        let asked = host.challenge(&email()).await;
        if asked.refusal().is_none() {
            sent += 1;
            assert!(is_in(&host.email(asked.flow(), &host.mailed(), &email()).await));
        }
        host.wait(30);
    }
    // 100 half minutes are less than an hour.
    assert_eq!((sent, host.outbox.sent().len()), (10, 10));
}

#[tokio::test]
async fn b16_a_page_that_is_loaded_again_sends_nothing() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    for _ in 0..5 {
        let _ = host.email(asked.flow(), &not(&host.mailed()), &email()).await;
    }
    host.wait(61);
    let sent = host.outbox.sent();
    for _ in 0..10 {
        let login = host.mfa.resume(asked.flow(), &email()).await.unwrap();
        let Login::Challenge(shown) = login else { panic!("{login:?}") };
        assert_eq!(shown.email().unwrap().sent, None);
    }
    assert_eq!(host.outbox.sent(), sent);
    assert_eq!(sent.iter().filter(|mail| mail.code.is_some()).count(), 1);
}
