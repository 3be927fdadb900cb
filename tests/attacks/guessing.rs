//! Guessing, and the budgets that end it.

use super::*;

#[tokio::test]
async fn budget_is_of_all_unknown_browsers_over_every_login() {
    let host = Host::new();
    let secret = host.register().await;
    for _ in 0..50 {
        let asked = host.challenge(&app()).await;
        let _ = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
    }
    assert_eq!(host.faults(Factor::App).len(), 5);
    let login = host.challenge(&app()).await;
    assert!(matches!(login.refusal(), Some(Refusal::Locked { .. })), "the page says so before a code is entered");
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

/// Else wrong e-mail codes would lock the app, and wrong app codes the e-mail code.
#[tokio::test]
async fn each_factor_has_a_budget_of_its_own() {
    let host = Host::new();
    let policy = any().with_email_fallback().unwrap();
    let secret = host.register().await;
    let asked = host.challenge(&policy).await;
    assert_eq!(asked.next(), [Step::AppCode, Step::EmailCode]);
    let _ = host.send_email(asked.flow(), &policy).await;
    for _ in 0..4 {
        assert!(!is_locked(&host.app_code(asked.flow(), &policy, &wrong(&secret)).await));
        assert!(!is_locked(&host.email_code(asked.flow(), &policy, &not(&host.mailed())).await));
    }
    assert!(is_locked(&host.app_code(asked.flow(), &policy, &wrong(&secret)).await));
    assert!(is_in(&host.email_code(asked.flow(), &policy, &host.mailed()).await));
}

/// Guesses as often as anything is compared: 30 at once, and one more in each 14 days.
#[tokio::test]
async fn year_of_guessing_is_bounded() {
    let host = Host::new();
    let secret = host.register().await;
    let began = host.clock.time().as_secs();
    let judged = async |days: u64| {
        let until = began + days * DAY;
        while host.clock.time().as_secs() < until {
            let asked = host.challenge(&app()).await;
            match asked.refusal().and_then(|refusal| refusal.retry_at()) {
                Some(at) => host.clock.set(at.as_secs().min(until)),
                None => drop(host.app_code(asked.flow(), &app(), &wrong(&secret)).await),
            }
        }
        host.faults(Factor::App).len()
    };
    assert_eq!(judged(1).await, 30);
    let asked = host.challenge(&app()).await;
    assert!(matches!(asked.refusal(), Some(Refusal::NewBrowsersBlocked { .. })), "{asked:?}");
    let login = host.app_code(asked.flow(), &app(), &host.code(&secret)).await;
    assert!(!is_in(&login), "a right code is not compared either: {login:?}");
    assert_eq!(judged(365).await, 56);
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

/// A login pays back what it has spent itself, and nothing that others have spent.
#[tokio::test]
async fn login_pays_back_its_own_guesses_alone() {
    let host = Host::new();
    let secret = host.register().await;
    let others = host.challenge(&app()).await;
    let _ = host.app_code(others.flow(), &app(), &wrong(&secret)).await;
    for _ in 0..3 {
        let asked = host.challenge(&app()).await;
        for _ in 0..3 {
            assert!(!is_locked(&host.app_code(asked.flow(), &app(), &wrong(&secret)).await));
        }
        assert_eq!(left(&host.mfa.resume(asked.flow(), &app()).await.unwrap()), 1);
        assert!(is_in(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await));
        host.wait(30);
    }
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.attempts_left(), 4, "the guess of the other login");
    for _ in 0..3 {
        let _ = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
    }
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

/// What a lock of unknown browsers does not concern: flows of a session, whose browser is known, and other factors.
#[tokio::test]
async fn lock_of_unknown_browsers_leaves_the_session_of_a_known_one_alone() {
    let host = Host::new();
    let (secret, _) = host.register_under(&app()).await;
    let session = host.session().await;
    host.lock(&secret).await;
    assert!(host.status().await.locked_until.is_some());
    let asked = host.challenge(&app()).await;
    assert!(is_locked(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await));
    let step_up = host.step_up_asked(&session).await;
    assert_eq!((step_up.refusal(), step_up.attempts_left()), (None, 5));
    assert!(is_in(&host.app_code(step_up.flow(), &session, &host.code(&secret)).await));
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
