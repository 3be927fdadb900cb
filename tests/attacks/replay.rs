//! Codes that are used twice, and things that are used where they do not belong.

use super::*;

/// A used code costs what a wrong one costs: the difference would tell that the code was right.
#[tokio::test]
async fn used_code_is_refused_for_all_of_its_window_and_costs_an_attempt() {
    let host = Host::new();
    let secret = host.register().await;
    let code = host.code(&secret);
    let asked = host.challenge(&app()).await;
    assert!(is_in(&host.app_code(asked.flow(), &app(), &code).await));
    let asked = host.challenge(&app()).await;
    for (wait, expected) in [(0, 4), (29, 3), (2, 2), (18, 1)] {
        host.wait(wait);
        let login = host.app_code(asked.flow(), &app(), &code).await;
        assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), expected));
    }
    assert!(is_locked(&host.app_code(asked.flow(), &app(), &code).await));
    assert_eq!(host.faults(Factor::App), [CodeFault::Replayed; 5]);
}

/// Whoever tries codes learns nothing of one that was used: the answer is that of a wrong code.
#[tokio::test]
async fn used_code_and_wrong_code_have_one_answer() {
    let answer = async |used: bool| {
        let host = Host::new();
        let secret = host.register().await;
        let code = host.code(&secret);
        host.log_in(&secret, &app()).await;
        let asked = host.challenge(&app()).await;
        let guess = if used { code } else { wrong(&secret) };
        let login = host.app_code(asked.flow(), &app(), &guess).await;
        let Outcome::Challenge(again) = login else { panic!("{login:?}") };
        serde_json::to_value(&again).unwrap()
    };
    assert_eq!(answer(true).await, answer(false).await);
}

#[tokio::test]
async fn code_of_an_earlier_step_ends_once_a_later_one_was_used() {
    let host = Host::new();
    let secret = host.register().await;
    let early = host.code(&secret);
    host.wait(30);
    let (first, second) = (host.challenge(&app()).await, host.challenge(&app()).await);
    assert!(is_in(&host.app_code(first.flow(), &app(), &host.code(&secret)).await));
    assert!(!is_in(&host.app_code(second.flow(), &app(), &early).await));
}

#[tokio::test]
async fn code_that_confirmed_a_registration_does_not_sign_in() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let code = host.code(&secret_of(&enroll));
    assert!(is_in(&host.confirm(enroll.challenge().flow(), &app(), &code).await));
    let asked = host.challenge(&app()).await;
    assert_eq!(refusal(&host.app_code(asked.flow(), &app(), &code).await), Some(Refusal::WrongCode));
    assert_eq!(host.faults(Factor::App), [CodeFault::Replayed]);
}

#[tokio::test]
async fn superseded_email_code_costs_an_attempt() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let old = host.mailed();
    host.wait(30);
    let _ = host.send_email(asked.flow(), &email()).await;
    let login = host.email_code(asked.flow(), &email(), &old).await;
    assert_eq!((refusal(&login), left(&login)), (Some(Refusal::WrongCode), 4));
    assert_eq!(host.faults(Factor::Email), [CodeFault::Superseded]);
    let nobodys = ["00000000", "00000001", "00000002"].into_iter().find(|code| *code != old && *code != host.mailed());
    let _ = host.email_code(asked.flow(), &email(), nobodys.unwrap()).await;
    assert_eq!(host.faults(Factor::Email), [CodeFault::Superseded, CodeFault::Wrong]);
    assert!(is_in(&host.email_code(asked.flow(), &email(), &host.mailed()).await));
}

#[tokio::test]
async fn email_code_is_valid_in_the_flow_it_was_sent_for_alone() {
    let host = Host::new();
    let session = host.session().await;
    let first = host.challenge(&email()).await;
    let code = host.mailed();
    host.wait(30);
    let second = host.challenge(&email()).await;
    assert_eq!(refusal(&host.email_code(second.flow(), &email(), &code).await), Some(Refusal::WrongCode));

    // A code for a step-up is nothing at a login.
    host.wait(30);
    host.step_up_asked(&session).await;
    let for_step_up = host.mailed();
    for flow in [first.flow(), second.flow()] {
        assert!(!is_in(&host.email_code(flow, &email(), &for_step_up).await));
    }
    assert!(is_in(&host.email_code(first.flow(), &email(), &code).await), "it is valid where it belongs");
}

#[tokio::test]
async fn reference_is_of_one_user_and_one_kind() {
    let host = Host::new();
    let secret = host.register().await;
    let session = host.session().await;
    let asked = host.challenge(&app()).await;
    let cookie = asked.flow().to_cookie();
    let bobs = forged(&token_of(&cookie), "bob");
    assert_eq!(denied(&host.app_code(&bobs, &app(), &host.code(&secret)).await), Some(Refusal::FlowEnded));
    let other = FlowRef::<Registration>::from_cookie(&cookie).unwrap();
    let result = host.app_code(&other, &session, &host.code(&secret)).await;
    assert_eq!(denied(&result), Some(Refusal::FlowEnded));
    assert!(is_in(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await), "no code was spent by that");
}

#[tokio::test]
async fn flow_of_one_session_is_refused_in_another() {
    let host = Host::new();
    let secret = host.register().await;
    let mine = host.session().await;
    let other = host.session_of(&host.log_in(&secret, &off()).await, &off()).await;
    let asked = host.step_up_asked(&mine).await;
    let begun = host.app_code(asked.flow(), &other, &host.code(&secret)).await;
    assert_eq!(denied(&begun), Some(Refusal::FlowEnded));
    assert!(is_in(&host.app_code(asked.flow(), &mine, &host.code(&secret)).await), "no code was spent by that");
}

#[tokio::test]
async fn login_completes_once() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let code = host.mailed();
    assert!(is_in(&host.email_code(asked.flow(), &email(), &code).await));
    let ended = Some(Refusal::FlowEnded);
    assert_eq!(denied(&host.email_code(asked.flow(), &email(), &code).await), ended);
    assert_eq!(denied(&host.mfa.resume(asked.flow(), &email()).await.unwrap()), ended);
}

#[tokio::test]
async fn login_ends_by_time_by_the_user_and_with_the_sessions() {
    let ended = Some(Refusal::FlowEnded);
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    host.wait(600);
    assert_eq!(denied(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await), ended);

    let asked = host.challenge(&app()).await;
    assert_eq!(denied(&host.cancel(asked.flow(), &app()).await), ended);
    assert_eq!(denied(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await), ended);

    let asked = host.challenge(&app()).await;
    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    assert_eq!(denied(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await), ended);
}

/// Whoever knows the password cannot push out what the user does in a session, and the other way round.
#[tokio::test]
async fn open_flows_are_limited_for_each_purpose() {
    let host = Host::new();
    let secret = host.register().await;
    let session = host.session().await;
    let (mut logins, mut step_ups, mut registrations) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        step_ups.push(host.step_up_asked(&session).await);
        registrations.push(asked(host.begin_registration(&session).await));
    }
    for _ in 0..5 {
        logins.push(host.challenge(&app()).await);
    }
    assert_eq!(host.status().await.open_flows, 4 + 2 + 2);
    let (ended, code) = (Some(Refusal::FlowEnded), host.code(&secret));
    assert_eq!(denied(&host.app_code(logins[0].flow(), &app(), &code).await), ended);
    assert_eq!(denied(&host.app_code(step_ups[0].flow(), &session, &code).await), ended);
    assert_eq!(denied(&host.app_code(registrations[0].flow(), &session, &code).await), ended);
    for flow in logins.iter().skip(1) {
        assert!(!matches!(host.mfa.resume(flow.flow(), &app()).await.unwrap(), Outcome::Denied(_)));
    }
    for flow in registrations.iter().skip(1) {
        assert!(!matches!(host.mfa.resume(flow.flow(), &session).await.unwrap(), Outcome::Denied(_)));
    }
    assert!(is_in(&host.app_code(step_ups[1].flow(), &session, &code).await));
}
