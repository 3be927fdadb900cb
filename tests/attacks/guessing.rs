//! Guessing, and the budgets that end it.

use super::*;

#[tokio::test]
async fn budget_is_of_the_user_over_every_login() {
    let host = Host::new();
    let secret = host.register().await;
    let mut judged = 0;
    for _ in 0..50 {
        let Outcome::Challenge(asked) = host.begin(&app()).await else { continue };
        let _ = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
        judged += 1;
    }
    assert_eq!(judged, 5);
    assert_eq!(host.faults(Factor::App).len(), 5);
}

#[tokio::test]
async fn new_code_brings_no_new_budget() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let email_code = async |code: &str| host.email_code(asked.flow(), &email(), code).await;
    for _ in 0..4 {
        assert_eq!(refusal(&email_code(&not(&host.mailed())).await), Some(Refusal::WrongCode));
    }
    host.wait(30);
    let resent = host.send_email(asked.flow(), &email()).await;
    assert_eq!((refusal(&resent), host.outbox.sent().len()), (None, 2));
    assert!(is_locked(&email_code(&not(&host.mailed())).await));
    assert!(is_locked(&email_code(&host.mailed()).await), "the right code is refused, too");
}

#[tokio::test]
async fn email_code_ends_at_its_second_and_an_expired_one_costs_nothing() {
    for (secs, accepted) in [(59, true), (60, false)] {
        let host = Host::with(|builder| builder.email_lifetime(Duration::from_secs(60)));
        let asked = host.challenge(&email()).await;
        let status = asked.email().unwrap();
        assert_eq!(status.sent_at, Some(host.clock.time()));
        assert_eq!(status.expires_at, Some(host.clock.time().saturating_add(Duration::from_secs(60))));
        let code = host.mailed();
        host.wait(secs);
        let login = host.email_code(asked.flow(), &email(), &code).await;
        assert_eq!(is_in(&login), accepted, "{secs}: {login:?}");
        if !accepted {
            assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 5));
            assert_eq!(host.faults(Factor::Email), [CodeFault::Expired]);
            let Outcome::Challenge(again) = login else { panic!() };
            let status = again.email().unwrap();
            assert_eq!((status.sent_at, status.expires_at), (None, None), "an expired code is shown no more");
        }
    }
}

#[tokio::test]
async fn email_code_does_not_outlive_its_flow() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    host.wait(540);
    let Outcome::Challenge(again) = host.send_email(asked.flow(), &email()).await else { panic!() };
    assert_eq!(again.email().unwrap().expires_at, Some(again.expires_at()));
    assert!(host.outbox.sent().last().unwrap().text.contains("1 minute"));
    host.wait(60);
    let login = host.email_code(asked.flow(), &email(), &host.mailed()).await;
    assert_eq!(denied(&login), Some(Refusal::FlowEnded));
}

#[tokio::test]
async fn email_code_ends_after_five_attempts_however_slow() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let code = host.mailed();
    for _ in 0..5 {
        let _ = host.email_code(asked.flow(), &email(), &not(&code)).await;
    }
    host.wait(61);
    let login = host.email_code(asked.flow(), &email(), &code).await;
    assert_eq!(refusal(&login), Some(Refusal::WrongCode), "{login:?}");
    assert_eq!(host.faults(Factor::Email).last(), Some(&CodeFault::NoneOutstanding));
}

#[tokio::test]
async fn both_factors_spend_one_budget() {
    let host = Host::new();
    let policy = any().with_email_fallback().unwrap();
    let secret = host.register().await;
    let asked = host.challenge(&policy).await;
    assert_eq!(asked.next(), [Step::AppCode, Step::EmailCode]);
    let _ = host.send_email(asked.flow(), &policy).await;
    for _ in 0..2 {
        let _ = host.app_code(asked.flow(), &policy, &wrong(&secret)).await;
        let _ = host.email_code(asked.flow(), &policy, &not(&host.mailed())).await;
    }
    assert!(is_locked(&host.app_code(asked.flow(), &policy, &wrong(&secret)).await));
    assert!(is_locked(&host.email_code(asked.flow(), &policy, &host.mailed()).await));
}

#[tokio::test]
async fn day_of_guessing_is_bounded() {
    let host = Host::new();
    let secret = host.register().await;
    let (mut judged, until) = (0, host.clock.time().saturating_add(Duration::from_secs(DAY)));
    while host.clock.time() < until {
        match host.begin(&app()).await {
            Outcome::Challenge(asked) => {
                let _ = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
                judged += 1;
                // Without this it would never end if no code were compared.
                assert!(judged <= 100);
            }
            Outcome::Denied(_) => host.wait(30),
            other => panic!("{other:?}"),
        }
    }
    // 100 in a row disable the device, and then nothing is compared any more: 3 steps × 100 ÷ 10⁶.
    assert_eq!(judged, 100);
    assert_eq!(denied(&host.begin(&app()).await), Some(Refusal::DeviceDisabled));
}

#[tokio::test]
async fn disabled_device_accepts_no_code_and_time_does_not_help() {
    let host = Host::new();
    let secret = host.register().await;
    let open = host.challenge(&app()).await;
    host.wear_out(&app(), async |flow| drop(host.app_code(flow, &app(), &wrong(&secret)).await)).await;
    host.wait(10 * 365 * DAY);
    assert!(host.status().await.devices[0].disabled);
    assert_eq!(denied(&host.begin(&app()).await), Some(Refusal::DeviceDisabled));
    assert!(!is_in(&host.app_code(open.flow(), &app(), &host.code(&secret)).await));
    let disabled = |event: &&Event| matches!(event.kind, EventKind::DeviceDisabled { .. });
    assert_eq!(host.log.lock().unwrap().iter().filter(disabled).count(), 1);
}

#[tokio::test]
async fn only_a_completed_login_restores_the_budget() {
    let host = Host::new();
    let secret = host.register().await;
    for _ in 0..3 {
        let asked = host.challenge(&app()).await;
        for _ in 0..4 {
            assert!(!is_locked(&host.app_code(asked.flow(), &app(), &wrong(&secret)).await));
        }
        assert!(is_in(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await));
        host.wait(30);
    }
    // A step-up is no login.
    let session = host.session().await;
    let asked = host.challenge(&app()).await;
    for _ in 0..4 {
        let _ = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
    }
    let _ = host.elevated_in(&session, &secret).await;
    assert!(is_locked(&host.app_code(asked.flow(), &app(), &wrong(&secret)).await));
}

#[tokio::test]
async fn mails_are_limited_over_every_login_and_after_success() {
    let host = Host::new();
    let mut sent = 0;
    for _ in 0..100 {
        let asked = host.challenge(&email()).await;
        if asked.refusal().is_none() {
            sent += 1;
            assert!(is_in(&host.email_code(asked.flow(), &email(), &host.mailed()).await));
        }
        host.wait(30);
    }
    // 100 half minutes are less than an hour.
    assert_eq!((sent, host.outbox.sent().len()), (10, 10));
}

#[tokio::test]
async fn reloaded_page_sends_nothing() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    for _ in 0..5 {
        let _ = host.email_code(asked.flow(), &email(), &not(&host.mailed())).await;
    }
    host.wait(61);
    let sent = host.outbox.sent();
    for _ in 0..10 {
        let login = host.mfa.resume(asked.flow(), &email()).await.unwrap();
        let Outcome::Challenge(shown) = login else { panic!("{login:?}") };
        assert_eq!(shown.email().unwrap().sent_at, None);
    }
    assert_eq!(host.outbox.sent(), sent);
    assert_eq!(sent.iter().filter(|mail| mail.code.is_some()).count(), 1);
}

#[tokio::test]
async fn locked_user_begins_no_flow() {
    let host = Host::new();
    let (secret, claims) = host.register_under(&app()).await;
    let session = host.session().await;
    let both = Policy::all_of([App, Email], AfterPassword).unwrap();
    let owing = host.owing(&claims, &both).await;
    host.lock(&secret).await;
    let (writes, until) = (host.store.swaps(), host.status().await.locked_until.unwrap());
    host.events();
    let login = host.begin(&app()).await;
    assert!(is_locked(&login) && login.flow().is_none(), "{login:?}");
    assert_eq!(host.events(), [EventKind::RefusedWhileLocked { until }]);
    let step_up = host.step_up(&session, Duration::ZERO).await;
    assert!(is_locked(&step_up) && step_up.flow().is_none(), "{step_up:?}");
    let registration = host.begin_registration(&session).await;
    assert!(is_locked(&registration) && registration.flow().is_none(), "{registration:?}");
    let completion = host.begin_completion(&owing).await;
    assert!(is_locked(&completion) && completion.flow().is_none(), "{completion:?}");
    assert_eq!(host.store.swaps(), writes);
}

/// The clocks of two servers differ: the mails are not in the order of their times.
#[tokio::test]
async fn mail_of_an_hour_ago_is_not_counted_though_clocks_differ() {
    let host = Host::with(|builder| builder.issuance_budget(IssuanceBudget::new(3, Duration::ZERO).unwrap()));
    // It is unknown whether the mails arrive, so there is no pause after them.
    host.outbox.set_fault(Some(MailFault::Unknown));
    for secs in [10, 5, 20] {
        host.clock.set(NOW + secs);
        assert_eq!(host.challenge(&email()).await.refusal(), None);
    }
    host.clock.set(NOW + 3604);
    assert!(matches!(host.challenge(&email()).await.refusal(), Some(Refusal::TooSoon { .. })));
    host.clock.set(NOW + 3605);
    assert_eq!(host.challenge(&email()).await.refusal(), None);
    assert_eq!(host.outbox.sent().len(), 4);
}
