//! Sessions that owe steps: after a recovery code, and after the policy became stricter.

use factorgate::policy::GraceDays;
use factorgate::session::Completion;

use super::*;

/// The steps that the completion of a session asks for first.
fn next(outcome: &Outcome<Completion>) -> Vec<Step> {
    match outcome {
        Outcome::Challenge(asked) => asked.next().to_vec(),
        Outcome::Enroll(enroll) => enroll.challenge().next().to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn recovered_session_owes_a_device() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let claims = host.recover(&codes[1], &app()).await;
    assert_eq!(claims.evidence().assurance(), Assurance::Recovered);
    for policy in [app(), off(), email()] {
        let owing = host.owing(&claims, &policy).await;
        assert!(!owing.plan().paths().is_empty());
        assert_eq!(host.check(&claims, &policy).await.into_session().err(), Some(Refusal::StepsOwed));
    }

    let owing = host.owing(&claims, &app()).await;
    let begun = host.begin_completion(&owing).await;
    assert_eq!(next(&begun), [Step::EnrollApp, Step::AppCode]);
    let flow = begun.flow().unwrap();
    let enroll = enrolling(host.replace_app(flow, &owing, host.device().await).await);
    let new = secret_of(&enroll);
    let completed = host.open(done(host.confirm(flow, &owing, &host.code(&new)).await));
    assert_eq!(host.device_ids().await.len(), 1, "the lost device was replaced");
    assert!(matches!(host.check(&completed, &app()).await, SessionCheck::Valid(_)));
    assert!(host.is_ended(&claims).await);
    assert_eq!((completed.number(), completed.evidence().assurance()), (claims.number(), Assurance::TwoFactor));
    // The lost device is asked for no more.
    host.wait(30);
    let asked = host.challenge(&app()).await;
    let refused = host.app_code(asked.flow(), &app(), &host.code(&secret)).await;
    assert_eq!(refusal(&refused), Some(Refusal::WrongCode));
    host.log_in(&new, &app()).await;
}

#[tokio::test]
async fn recovered_session_is_completed_by_the_old_device() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let claims = host.recover(&codes[1], &app()).await;
    let owing = host.owing(&claims, &app()).await;
    let begun = host.begin_completion(&owing).await;
    let completed = host.open(done(host.app_code(begun.flow().unwrap(), &owing, &host.code(&secret)).await));
    assert!(matches!(host.check(&completed, &app()).await, SessionCheck::Valid(_)));
    assert_eq!(host.device_ids().await.len(), 1);
}

#[tokio::test]
async fn recovery_code_registers_a_device_for_ten_minutes() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let claims = host.recover(&codes[1], &app()).await;
    let owing = host.owing(&claims, &app()).await;
    host.wait(600);
    assert_eq!(next(&host.begin_completion(&owing).await), [Step::EnrollApp, Step::AppCode]);
    host.wait(1);

    // Later the session proves something first: the code that was used is not enough.
    let begun = host.begin_completion(&owing).await;
    assert_eq!(next(&begun), [Step::AppCode, Step::RecoveryCode]);
    let flow = begun.flow().unwrap();
    assert_eq!(refusal(&host.register_app(flow, &owing).await), Some(Refusal::NotOpen));
    assert_eq!(refusal(&host.recovery_code(flow, &owing, &codes[1]).await), Some(Refusal::WrongCode), "it was used");
    let open = host.recovery_code(flow, &owing, &codes[2]).await;
    assert_eq!(next(&open), [Step::EnrollApp, Step::AppCode]);
    let enroll = enrolling(host.register_app(flow, &owing).await);
    let completed = host.open(done(host.confirm(flow, &owing, &host.code(&secret_of(&enroll))).await));
    assert!(matches!(host.check(&completed, &app()).await, SessionCheck::Valid(_)));
}

#[tokio::test]
async fn recovered_session_can_only_complete() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let claims = host.recover(&codes[1], &app()).await;
    let check = host.check(&claims, &off()).await;
    assert_eq!(check.session().err(), Some(Refusal::StepsOwed));
    let owing = check.owing().unwrap();
    // A completion is bound to its own session.
    let begun = host.begin_completion(owing).await;
    host.wait(30);
    let other = host.recover(&codes[2], &app()).await;
    let theirs = host.owing(&other, &app()).await;
    let refused = host.app_code(begun.flow().unwrap(), &theirs, &host.code(&secret)).await;
    assert_eq!(denied(&refused), Some(Refusal::FlowEnded));
    // Its reference is none of a login.
    let login = FlowRef::<Login>::from_cookie(&begun.flow().unwrap().to_cookie()).unwrap();
    assert_eq!(denied(&host.app_code(&login, &app(), &host.code(&secret)).await), Some(Refusal::FlowEnded));
}

#[tokio::test]
async fn stricter_policy_is_owed_by_open_sessions() {
    let host = Host::new();
    let by_password = host.by_password().await;
    assert!(host.holds(&by_password).await);
    let owing = host.owing(&by_password, &email()).await;
    assert_eq!(owing.plan().paths()[0].steps(), [Step::EmailCode]);
    assert_eq!(host.check(&by_password, &email()).await.session().err(), Some(Refusal::StepsOwed));
    let asked = asked(host.begin_completion(&owing).await);
    assert_eq!(asked.next(), [Step::EmailCode]);
    let completed = host.open(done(host.email_code(asked.flow(), &owing, &host.mailed()).await));
    assert!(matches!(host.check(&completed, &email()).await, SessionCheck::Valid(_)));
    assert_eq!(completed.number(), by_password.number());

    // Once more stricter: what was proved counts, what is missing is owed.
    let both = Policy::all_of([App, Email], AfterPassword).unwrap();
    let owing = host.owing(&completed, &both).await;
    assert_eq!(owing.plan().paths()[0].steps(), [Step::EnrollApp]);
    let enroll = enrolling(host.begin_completion(&owing).await);
    let code = host.code(&secret_of(&enroll));
    let completed = host.open(done(host.confirm(enroll.challenge().flow(), &owing, &code).await));
    assert!(matches!(host.check(&completed, &both).await, SessionCheck::Valid(_)));
    // A laxer policy owes nothing.
    assert!(host.holds(&completed).await);
}

#[tokio::test]
async fn completion_is_judged_by_the_stricter_policy() {
    let host = Host::new();
    let claims = host.by_password().await;
    let both = Policy::all_of([App, Email], AfterPassword).unwrap();
    let under_email = host.owing(&claims, &email()).await;
    let asked = asked(host.begin_completion(&under_email).await);
    // While it is open, the policy becomes stricter.
    let under_both = host.owing(&claims, &both).await;
    let open = host.email_code(asked.flow(), &under_both, &host.mailed()).await;
    assert_eq!(next(&open), [Step::EnrollApp]);
}

#[tokio::test]
async fn session_owes_nothing_while_grace_lasts() {
    let host = Host::new();
    let policy = app().with_grace(GraceDays::new(14).unwrap());
    let passed = done(host.begin(&policy).await);
    assert_eq!(passed.grace_until().map(|until| until.as_secs()), Some(NOW + 14 * DAY));
    let claims = host.open(passed);
    assert!(matches!(host.check(&claims, &policy).await, SessionCheck::Valid(_)));
    host.wait(14 * DAY - 1);
    assert!(matches!(host.check(&claims, &policy).await, SessionCheck::Valid(_)));
    host.wait(1);
    let owing = host.owing(&claims, &policy).await;
    assert_eq!(owing.plan().paths()[0].steps(), [Step::EnrollApp]);
    let enroll = enrolling(host.begin_completion(&owing).await);
    let code = host.code(&secret_of(&enroll));
    let completed = host.open(done(host.confirm(enroll.challenge().flow(), &owing, &code).await));
    assert!(matches!(host.check(&completed, &policy).await, SessionCheck::Valid(_)));
}

#[tokio::test]
async fn valid_session_has_nothing_to_complete() {
    let host = Host::new();
    let claims = host.by_mail().await;
    assert_eq!(host.check(&claims, &email()).await.owing().err(), Some(Refusal::NotOpen));
    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    assert_eq!(host.check(&claims, &email()).await.owing().err(), Some(Refusal::SessionEnded));
}

#[tokio::test]
async fn session_whose_policy_leaves_no_way_owes_and_cannot_complete() {
    let host = Host::new();
    let claims = host.by_password().await;
    let owing = host.owing(&claims, &with_ticket()).await;
    let Some(Refusal::Policy(denial)) = denied(&host.begin_completion(&owing).await) else { panic!() };
    assert_eq!(denial.reason, DenyReason::NoFirstEnrollmentProof);
}
