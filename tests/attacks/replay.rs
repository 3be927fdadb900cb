//! Codes that are used twice, and things that are used where they do not belong.

use super::*;

#[tokio::test]
async fn c01_c02_a_code_is_refused_for_all_of_its_window_after_it_was_used() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    let text = host.code(&secret).expose_secret();
    assert!(is_in(&host.app(asked.flow(), &host.code(&secret), &app()).await));
    for wait in [0, 29, 2, 18] {
        host.wait(wait);
        let asked = host.challenge(&app()).await;
        let login = host.app(asked.flow(), &Code::parse(text.expose_secret()).unwrap(), &app()).await;
        assert_eq!(refusal(&login), Some(Refusal::WrongCode), "{login:?}");
        assert_eq!(asked.attempts_left(), 5, "a replay is no guess");
    }
    assert!(host.faults(Factor::App).iter().all(|fault| *fault == CodeFault::Replayed));
}

#[tokio::test]
async fn c02_a_code_of_an_earlier_step_is_dead_once_a_later_one_was_used() {
    let host = Host::new();
    let secret = host.register().await;
    let early = host.code(&secret);
    host.wait(30);
    let (first, second) = (host.challenge(&app()).await, host.challenge(&app()).await);
    assert!(is_in(&host.app(first.flow(), &host.code(&secret), &app()).await));
    assert!(!is_in(&host.app(second.flow(), &early, &app()).await));
}

#[tokio::test]
async fn c04_the_code_that_confirmed_a_registration_does_not_log_in() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let secret = secret_of(&enroll);
    assert!(is_in(&host.confirm(&enroll, &host.code(&secret)).await));
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.app(asked.flow(), &host.code(&secret), &app()).await), Some(Refusal::WrongCode));
    assert_eq!(host.faults(Factor::App), [CodeFault::Replayed]);
}

#[tokio::test]
async fn c07_c08_a_code_is_good_in_the_flow_it_was_sent_for_alone() {
    let host = Host::new();
    let first = host.challenge(&email()).await;
    let code = host.mailed();
    host.wait(30);
    let second = host.challenge(&email()).await;
    assert_eq!(refusal(&host.email(second.flow(), &code, &email()).await), Some(Refusal::WrongCode));

    // A code for a registration from the profile is nothing at a login.
    host.wait(30);
    let begun = host.mfa.begin_registration(&session(), contact(), &Policy::off(AfterEmailCode)).await.unwrap();
    let Registration::Challenge(registration) = begun else { panic!("{begun:?}") };
    assert_eq!(registration.next(), [Step::EmailCode]);
    let for_registration = host.mailed();
    for flow in [first.flow(), second.flow()] {
        assert!(!is_in(&host.email(flow, &for_registration, &email()).await));
    }
    assert!(is_in(&host.email(first.flow(), &code, &email()).await), "and it is good where it belongs");
}

#[tokio::test]
async fn c09_c11_a_reference_is_of_one_user_and_one_kind() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    let cookie = asked.flow().to_cookie();
    let token = cookie.expose_secret().split_once('.').unwrap().0;
    let forged = LoginRef::from_cookie(&format!("{token}.bob")).unwrap();
    assert_eq!(denied(&host.app(&forged, &host.code(&secret), &app()).await), Some(DeniedReason::FlowEnded));
    let other = RegistrationRef::from_cookie(cookie.expose_secret()).unwrap();
    let result = host.mfa.verify_app_code(&other, &host.code(&secret), &app()).await.unwrap();
    assert!(matches!(result, Registration::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    assert!(is_in(&host.app(asked.flow(), &host.code(&secret), &app()).await), "the code was not spent by that");
}

#[tokio::test]
async fn c14_a_login_is_completed_once() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let code = host.mailed();
    assert!(is_in(&host.email(asked.flow(), &code, &email()).await));
    assert_eq!(denied(&host.email(asked.flow(), &code, &email()).await), Some(DeniedReason::FlowEnded));
    assert_eq!(denied(&host.mfa.resume(asked.flow(), &email()).await.unwrap()), Some(DeniedReason::FlowEnded));
}

#[tokio::test]
async fn c17_c19_a_login_ends_by_time_by_the_user_and_with_the_password() {
    let ended = Some(DeniedReason::FlowEnded);
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    host.wait(600);
    assert_eq!(denied(&host.app(asked.flow(), &host.code(&secret), &app()).await), ended);

    let asked = host.challenge(&app()).await;
    host.mfa.cancel(asked.flow()).await.unwrap();
    assert_eq!(denied(&host.app(asked.flow(), &host.code(&secret), &app()).await), ended);

    let asked = host.challenge(&app()).await;
    assert_eq!(host.mfa.revoke_logins(&alice()).await.unwrap().events.len(), 1);
    assert_eq!(denied(&host.app(asked.flow(), &host.code(&secret), &app()).await), ended);
}

#[tokio::test]
async fn a_sixth_login_ends_the_oldest() {
    let host = Host::new();
    let secret = host.register().await;
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(host.challenge(&app()).await);
    }
    assert_eq!(host.mfa.status(&alice()).await.unwrap().open_flows(), 5);
    let code = || host.code(&secret);
    assert_eq!(denied(&host.app(open[0].flow(), &code(), &app()).await), Some(DeniedReason::FlowEnded));
    assert!(is_in(&host.app(open[1].flow(), &code(), &app()).await));
}
