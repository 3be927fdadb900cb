//! What a step-up asks for, and what it accepts.

use super::*;

#[tokio::test]
async fn step_up_without_a_factor_asks_for_an_email_code() {
    let host = Host::new();
    host.by_password().await;
    host.events();
    let session = host.session().await;
    let asked = asked(host.step_up(&session, MINUTE).await);
    assert_eq!(asked.next(), [Step::EmailCode]);
    assert_eq!(host.events(), [EventKind::StepUpBegun, EventKind::CodeIssued]);
    let elevated = done(host.email_code(asked.flow(), &session, &host.mailed()).await);
    assert_eq!((elevated.user(), elevated.evidence().assurance()), (&alice(), Assurance::EmailCode));
    assert_eq!(host.events().last(), Some(&EventKind::StepUpCompleted));
}

#[tokio::test]
async fn step_up_accepts_nothing_weaker_than_the_device() {
    let host = Host::new();
    let secret = host.register().await;
    // Not even if an e-mail code can replace the app code at a login.
    let lax = Policy::any_of([App, Email], AfterPassword).unwrap().with_email_fallback().unwrap();
    let session = host.session_under(&lax).await;
    let asked = host.step_up_asked(&session).await;
    assert_eq!(asked.next(), [Step::AppCode]);
    assert_eq!(refusal(&host.send_email(asked.flow(), &session).await), Some(Refusal::NotOpen));
    assert_eq!(refusal(&host.register_app(asked.flow(), &session).await), Some(Refusal::NotOpen));
    let elevated = done(host.app_code(asked.flow(), &session, &host.code(&secret)).await);
    assert_eq!(elevated.evidence().assurance(), Assurance::TwoFactor);
}

#[tokio::test]
async fn user_without_a_usable_address_or_factor_is_denied() {
    let host = Host::new();
    host.by_password().await;
    let tainted = EmailStanding { tainted: true, verified: true };
    host.set_contact(Contact::email(EmailAddress::new("alice@example.com").unwrap(), tainted));
    let Some(Refusal::Policy(denial)) = denied(&host.step_up_last(MINUTE).await) else { panic!() };
    assert_eq!(denial.reason, DenyReason::NoUsableEmail);
}

#[tokio::test]
async fn disabled_device_denies_the_step_up() {
    let host = Host::new();
    let secret = host.register().await;
    for _ in 0..100 {
        host.wait(14 * 24 * 3600);
        let session = host.session().await;
        if let Outcome::Challenge(asked) = host.step_up(&session, Duration::ZERO).await {
            let _ = host.app_code(asked.flow(), &session, &wrong(&secret)).await;
        }
    }
    host.wait(3600);
    assert!(host.status().await.devices[0].disabled);
    for freshness in [Duration::ZERO, Duration::MAX] {
        assert_eq!(denied(&host.step_up_last(freshness).await), Some(Refusal::DeviceDisabled));
    }
}

#[tokio::test]
async fn proof_is_fresh_to_the_second() {
    let host = Host::new();
    let secret = host.register().await;
    let claims = host.log_in(&secret, &app()).await;
    assert_eq!(host.clock.time().saturating_since(claims.auth_time()).as_secs(), 30);
    let record = host.store.record(&alice());
    let elevated = done(host.step_up_last(Duration::from_secs(30)).await);
    assert_eq!(elevated.evidence().app_code, claims.evidence().app_code);
    assert_eq!(host.store.record(&alice()), record, "nothing was written");
    host.wait(1);
    assert!(asks_for(&host.step_up_last(Duration::from_secs(30)).await, Step::AppCode));
    assert!(asks_for(&host.step_up_last(Duration::ZERO).await, Step::AppCode));

    // An e-mail code of a user without a device.
    let host = Host::new();
    host.by_mail().await;
    host.wait(60);
    assert!(matches!(host.step_up_last(MINUTE).await, Outcome::Done(_)));
    host.wait(1);
    assert!(asks_for(&host.step_up_last(MINUTE).await, Step::EmailCode));
}

#[tokio::test]
async fn claims_are_compared_with_the_record() {
    let host = Host::new();
    let secret = host.register().await;
    let claims = host.log_in(&secret, &app()).await;
    let (device, at) = claims.evidence().app_code.unwrap();
    let proof = format!(";app={device}@{}", at.as_secs());
    assert!(matches!(host.step_up_last(MINUTE).await, Outcome::Done(_)), "the control");
    for claimed in [
        // A code of the device that is later than the last one.
        format!(";app={device}@{}", at.as_secs() + 1),
        // A code of the future, and one of a device that the user does not have.
        format!(";app={device}@{}", u64::MAX),
        format!(";app=99@{}", at.as_secs()),
    ] {
        let session = host.session_of(&edited(&claims, &proof, &claimed), &off()).await;
        assert!(asks_for(&host.step_up(&session, MINUTE).await, Step::AppCode), "{claimed}");
    }
    let nothing = host.check(&edited(&claims, &proof, ""), &off()).await;
    assert_eq!(nothing.session().err(), Some(Refusal::StepsOwed));
}

#[tokio::test]
async fn email_code_of_another_address_is_not_fresh() {
    let host = Host::new();
    let claims = host.by_mail().await;
    let other = edited(&claims, ";email=alice@example.com@", ";email=alice@example.net@");
    let policy = Policy::any_of([Email], AfterEmailCode).unwrap();
    let session = host.session_of(&claims, &policy).await;
    assert!(matches!(host.step_up(&session, MINUTE).await, Outcome::Done(_)), "the control");
    assert!(matches!(host.begin_registration(&session).await, Outcome::Enroll(_)), "the control");
    let session = host.session_of(&other, &policy).await;
    assert!(asks_for(&host.step_up(&session, MINUTE).await, Step::EmailCode));
    assert!(asks_for(&host.begin_registration(&session).await, Step::EmailCode));
}

#[tokio::test]
async fn guesses_at_a_step_up_are_those_of_its_browser() {
    let host = Host::new();
    let secret = host.register().await;
    let login = host.challenge(&app()).await;
    for _ in 0..3 {
        let _ = host.app_code(login.flow(), &app(), &wrong(&secret)).await;
    }
    let session = host.session().await;
    let asked = host.step_up_asked(&session).await;
    assert_eq!(asked.attempts_left(), 5, "others have guessed");
    let again = host.app_code(asked.flow(), &session, &wrong(&secret)).await;
    assert_eq!(refusal(&again), Some(Refusal::WrongCode));
    let _ = host.elevated(&secret).await;
    for left in [4, 3, 2, 1] {
        let asked = host.step_up_asked(&session).await;
        assert_eq!(asked.attempts_left(), left, "a step-up restores nothing");
        let _ = host.app_code(asked.flow(), &session, &wrong(&secret)).await;
    }
    let asked = host.step_up_asked(&session).await;
    assert!(is_locked(&host.app_code(asked.flow(), &session, &host.code(&secret)).await));
    assert_eq!(host.challenge(&app()).await.attempts_left(), 2, "of unknown browsers");
}

#[tokio::test]
async fn step_up_is_no_login_and_a_login_no_step_up() {
    let host = Host::new();
    host.by_password().await;
    let session = host.session().await;
    let asked = asked(host.step_up(&session, MINUTE).await);
    let for_step_up = host.mailed();
    host.wait(30);
    let login = host.challenge(&email()).await;
    let for_login = host.mailed();

    let other = FlowRef::<Login>::from_cookie(&asked.flow().to_cookie()).unwrap();
    let ended = host.email_code(&other, &email(), &for_step_up).await;
    assert_eq!(denied(&ended), Some(Refusal::FlowEnded));
    let refused = host.email_code(login.flow(), &email(), &for_step_up).await;
    assert_eq!(refusal(&refused), Some(Refusal::WrongCode));
    let refused = host.email_code(asked.flow(), &session, &for_login).await;
    assert_eq!(refusal(&refused), Some(Refusal::WrongCode));
    let _ = done(host.email_code(asked.flow(), &session, &for_step_up).await);
}

#[tokio::test]
async fn code_of_the_login_is_used_at_the_step_up() {
    let host = Host::new();
    let secret = host.register().await;
    let login = host.challenge(&app()).await;
    host.open(done(host.app_code(login.flow(), &app(), &host.code(&secret)).await));
    let session = host.session().await;
    let asked = host.step_up_asked(&session).await;
    let refused = host.app_code(asked.flow(), &session, &host.code(&secret)).await;
    assert_eq!(refusal(&refused), Some(Refusal::WrongCode));
}

#[tokio::test]
async fn unverified_address_is_verified_by_the_step_up() {
    let host = Host::new();
    host.set_contact(Contact::unverified(EmailAddress::new("alice@example.com").unwrap()));
    let session = host.session_under(&Policy::off(AfterEmailCode)).await;
    let asked = asked(host.step_up(&session, MINUTE).await);
    assert_eq!(asked.next(), [Step::VerifyEmail]);
    let _ = done(host.email_code(asked.flow(), &session, &host.mailed()).await);
    let address = EmailAddress::new("alice@example.com").unwrap();
    assert!(host.has_seen(&EventKind::EmailVerified { address }));
}

#[tokio::test]
async fn open_flows_are_limited_per_purpose() {
    let host = Host::new();
    let secret = host.register().await;
    let session = host.session().await;
    let first = host.step_up_asked(&session).await;
    // The password alone begins logins; they end no step-up.
    for _ in 0..7 {
        let _ = host.begin(&app()).await;
    }
    assert_eq!(host.status().await.open_flows, 4 + 1);
    assert!(matches!(host.mfa.resume(first.flow(), &session).await.unwrap(), Outcome::Challenge(_)));
    let _ = host.step_up_asked(&session).await;
    let last = host.step_up_asked(&session).await;
    assert_eq!(host.status().await.open_flows, 4 + 2);
    let ended = host.app_code(first.flow(), &session, &host.code(&secret)).await;
    assert_eq!(denied(&ended), Some(Refusal::FlowEnded));
    assert_eq!(denied(&host.cancel(last.flow(), &session).await), Some(Refusal::FlowEnded));
    assert!(matches!(host.mfa.resume(last.flow(), &session).await.unwrap(), Outcome::Denied(_)));
}
