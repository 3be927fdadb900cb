//! What is asked for anew, and what is taken.

use super::*;

#[tokio::test]
async fn d14_the_strongest_factor_is_asked_for_and_nothing_weaker() {
    // Nobody is registered: the address on record.
    let host = Host::new();
    let session = host.by_password().await;
    host.events();
    let StepUp::Challenge(asked) = host.step_up(&session, MINUTE).await else { panic!() };
    assert_eq!(asked.next(), [Step::EmailCode]);
    assert_eq!(host.events(), [EventKind::StepUpBegun, EventKind::CodeIssued]);
    let elevated = fresh(host.mfa.verify_email_code(asked.flow(), &host.mailed(), &off()).await.unwrap());
    assert_eq!((elevated.user(), elevated.assurance()), (&alice(), Assurance::EmailCode));
    assert_eq!(host.events().last(), Some(&EventKind::StepUpCompleted));

    // A device is held: its code, also where the policy lets a mail stand in for it at login.
    let (secret, session) = host.registering().await;
    let lax = Policy::any_of([App, Email], AfterPassword).unwrap().with_email_fallback().unwrap();
    let begun = host.mfa.begin_step_up(&session, contact(), &lax, Duration::ZERO).await.unwrap();
    let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
    assert_eq!(asked.next(), [Step::AppCode]);
    let refused = host.mfa.send_email_code(asked.flow(), &lax).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::NotOpen)));
    let refused = host.mfa.begin_app_enrollment(asked.flow(), &lax).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::NotOpen)));
    let elevated = fresh(host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &lax).await.unwrap());
    assert_eq!(elevated.assurance(), Assurance::TwoFactor);
}

#[tokio::test]
async fn j05_who_has_nothing_to_prove_is_denied_not_asked_for_ever() {
    let host = Host::new();
    let session = host.by_password().await;
    let tainted = EmailStanding { tainted: true, verified: true };
    let address = EmailAddress::new("alice@example.com").unwrap();
    let contact = Contact::email(address, tainted);
    let denied = host.mfa.begin_step_up(&session, contact, &off(), MINUTE).await.unwrap();
    let StepUp::Denied(denied) = denied else { panic!("{denied:?}") };
    assert!(matches!(denied.reason, DeniedReason::Policy(denial) if denial.reason == DenyReason::NoUsableEmail));

    // Every device is disabled: no mail stands in for it.
    let (secret, session) = host.registering().await;
    for _ in 0..100 {
        host.wait(3600);
        if let StepUp::Challenge(asked) = host.step_up(&session, Duration::ZERO).await {
            let _ = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &off()).await.unwrap();
        }
    }
    host.wait(3600);
    for freshness in [Duration::ZERO, Duration::MAX] {
        let denied = host.step_up(&session, freshness).await;
        assert!(matches!(denied, StepUp::Denied(denied) if denied.reason == DeniedReason::DevicesDisabled));
    }
}

#[tokio::test]
async fn d14_j06_a_proof_is_fresh_up_to_the_second_and_no_longer() {
    let host = Host::new();
    let (secret, _) = host.registering().await;
    let session = host.by_app(&secret).await;
    assert_eq!(host.clock.time().saturating_since(session.auth_time()).as_secs(), 30);
    let record = host.store.record(&alice());
    let elevated = fresh(host.step_up(&session, Duration::from_secs(30)).await);
    assert_eq!(elevated.evidence().app_code, session.evidence().app_code);
    assert_eq!(host.store.record(&alice()), record, "nothing was written");
    host.wait(1);
    assert!(is_challenge(&host.step_up(&session, Duration::from_secs(30)).await, Step::AppCode));
    assert!(is_challenge(&host.step_up(&session, Duration::ZERO).await, Step::AppCode));

    // A proof by mail, while no device is held.
    let host = Host::new();
    let session = host.by_mail().await;
    host.wait(60);
    assert!(matches!(host.step_up(&session, MINUTE).await, StepUp::Fresh(_)));
    host.wait(1);
    assert!(is_challenge(&host.step_up(&session, MINUTE).await, Step::EmailCode));
}

#[tokio::test]
async fn d14_claims_are_held_against_the_record() {
    let host = Host::new();
    let (secret, _) = host.registering().await;
    let session = host.by_app(&secret).await;
    let (device, at) = session.evidence().app_code.unwrap();
    let claimed = |evidence: String| {
        SessionClaims::from_text(&format!("fgs1;epoch=1;at={}{evidence};user=alice", at.as_secs())).unwrap()
    };
    assert!(matches!(host.step_up(&session, MINUTE).await, StepUp::Fresh(_)), "the control");
    for evidence in [
        String::new(),
        // A code of the device that was entered later than the last one that was.
        format!(";app={device}@{}", at.as_secs() + 1),
        // One that is entered in the future, one of a device that nobody holds, a mail.
        format!(";app={device}@{}", u64::MAX),
        format!(";app=99@{}", at.as_secs()),
        format!(";email={}", at.as_secs()),
    ] {
        assert!(is_challenge(&host.step_up(&claimed(evidence.clone()), MINUTE).await, Step::AppCode), "{evidence}");
    }
}

#[tokio::test]
async fn b09_guesses_at_a_step_up_spend_the_one_budget_and_do_not_restore_it() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let Login::Challenge(login) = host.begin(&app()).await else { panic!() };
    for _ in 0..3 {
        let _ = host.mfa.verify_app_code(login.flow(), &wrong(&secret), &app()).await.unwrap();
    }
    let asked = host.step_up_asked(&session).await;
    assert_eq!(asked.attempts_left(), 2);
    let again = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &off()).await.unwrap();
    assert!(matches!(again, StepUp::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
    let _ = host.elevated(&session, &secret).await;
    let asked = host.step_up_asked(&session).await;
    assert_eq!(asked.attempts_left(), 1, "only a login restores the budget");
    let locked = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &off()).await.unwrap();
    assert!(matches!(locked, StepUp::Denied(denied) if matches!(denied.reason, DeniedReason::Locked { .. })));
    assert!(matches!(host.begin(&app()).await, Login::Denied(_)));
}

#[tokio::test]
async fn c07_c11_a_step_up_is_no_login_and_a_login_is_no_step_up() {
    let host = Host::new();
    let session = host.by_password().await;
    let StepUp::Challenge(asked) = host.step_up(&session, MINUTE).await else { panic!() };
    let for_step_up = host.mailed();
    host.wait(30);
    let Login::Challenge(login) = host.begin(&email()).await else { panic!() };
    let for_login = host.mailed();

    let cookie = asked.flow().to_cookie();
    let other = LoginRef::from_cookie(cookie.expose_secret()).unwrap();
    let ended = host.mfa.verify_email_code(&other, &for_step_up, &email()).await.unwrap();
    assert!(matches!(ended, Login::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    let refused = host.mfa.verify_email_code(login.flow(), &for_step_up, &email()).await.unwrap();
    assert!(matches!(refused, Login::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
    let refused = host.mfa.verify_email_code(asked.flow(), &for_login, &email()).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
    assert!(matches!(
        host.mfa.verify_email_code(asked.flow(), &for_step_up, &email()).await.unwrap(),
        StepUp::Fresh(_)
    ));
}

#[tokio::test]
async fn t15_a_code_that_logged_in_steps_nobody_up() {
    let host = Host::new();
    let (secret, _) = host.registering().await;
    let Login::Challenge(login) = host.begin(&app()).await else { panic!() };
    let session = claims(&passed(host.mfa.verify_app_code(login.flow(), &host.code(&secret), &app()).await.unwrap()));
    let asked = host.step_up_asked(&session).await;
    let refused = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
}

#[tokio::test]
async fn an_unverified_address_is_verified_by_the_step_up() {
    let host = Host::new();
    let session = host.by_password().await;
    let contact = Contact::unverified(EmailAddress::new("alice@example.com").unwrap());
    let begun = host.mfa.begin_step_up(&session, contact, &Policy::off(AfterEmailCode), MINUTE).await.unwrap();
    assert!(is_challenge(&begun, Step::VerifyEmail), "{begun:?}");
}

#[tokio::test]
async fn one_user_has_few_open_flows_of_all_kinds_together() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let first = host.step_up_asked(&session).await;
    for _ in 0..5 {
        let _ = host.begin(&app()).await;
    }
    assert_eq!(host.mfa.status(&alice()).await.unwrap().open_flows(), 5);
    let ended = host.mfa.verify_app_code(first.flow(), &host.code(&secret), &off()).await.unwrap();
    assert!(matches!(ended, StepUp::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    let last = host.step_up_asked(&session).await;
    assert!(matches!(host.mfa.resume(last.flow(), &off()).await.unwrap(), StepUp::Challenge(_)));
    host.mfa.cancel(last.flow()).await.unwrap();
    assert!(matches!(host.mfa.resume(last.flow(), &off()).await.unwrap(), StepUp::Denied(_)));
}
