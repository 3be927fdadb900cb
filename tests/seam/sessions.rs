//! A session is only worth what the policy asks now.

use factorgate::session::{Completion, Owing};

use super::*;

async fn owing(mfa: &Engine, claims: &SessionClaims, row: &Row, policy: &Policy) -> Box<Owing> {
    match mfa.check_session(claims, &row.read(), policy).await.unwrap() {
        SessionCheck::Owes(owing) => owing,
        other => panic!("the session owes steps: {other:?}"),
    }
}

/// A session that was opened by the password alone owes an e-mail code as soon as one is enforced, and can do nothing else.
#[tokio::test]
async fn stricter_policy_makes_an_open_session_owe_the_missing_step() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let claims = sign_in(&kit, &mfa, &row, &off()).await;
    session(&mfa, &claims, &row, &off()).await;

    let owes = owing(&mfa, &claims, &row, &email()).await;
    assert_eq!(owes.plan().to_string(), "enter an e-mail code");
    let open = mfa.begin_completion(&owes).await.unwrap();
    let code = kit.outbox.last_code().unwrap().into();
    let passed = done(mfa.submit(&cookie(&open), &*owes, Action::EmailCode { code }).await.unwrap());
    let raised = claims_of(passed, &row);
    assert_eq!(raised.number(), claims.number(), "it is the same session");
    session(&mfa, &raised, &row, &email()).await;
    assert!(matches!(mfa.check_session(&claims, &row.read(), &email()).await.unwrap(), SessionCheck::Owes(_)));
}

/// Registration is among the steps that a session can owe, and grace puts it off.
#[tokio::test]
async fn enforced_app_is_registered_in_the_session_and_grace_is_respected() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let claims = sign_in(&kit, &mfa, &row, &off()).await;
    let grace = app().with_grace(factorgate::policy::GraceDays::new(7).unwrap());
    session(&mfa, &claims, &row, &grace).await;

    let owes = owing(&mfa, &claims, &row, &app()).await;
    let Outcome::Enroll(enroll) = mfa.begin_completion(&owes).await.unwrap() else { panic!("a registration is owed") };
    let confirm = Action::ConfirmApp { code: kit.scan(enroll.key_uri()).code().into(), name: None };
    let flow = FlowRef::<Completion>::from_cookie(&enroll.challenge().flow().to_cookie()).unwrap();
    let raised = claims_of(done(mfa.submit(&flow, &*owes, confirm).await.unwrap()), &row);
    session(&mfa, &raised, &row, &app()).await;
    assert!(is_ended(&mfa, &claims, &row, &app()).await, "every other session ends with the registration");
}

/// A session that proved an e-mail code long ago proves it again before it registers a device: a stolen session registers none.
#[tokio::test]
async fn old_email_proof_of_a_session_registers_no_device() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let enforced = Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode).unwrap();
    let claims = sign_in(&kit, &mfa, &row, &email()).await;
    let owes = owing(&mfa, &claims, &row, &enforced).await;
    assert!(matches!(mfa.begin_completion(&owes).await.unwrap(), Outcome::Enroll(_)), "it was proved just now");

    kit.advance(Duration::from_secs(301));
    let owes = owing(&mfa, &claims, &row, &enforced).await;
    let open = mfa.begin_completion(&owes).await.unwrap();
    assert!(matches!(open, Outcome::Challenge(_)), "{open:?}");
    let code = kit.outbox.last_code().unwrap().into();
    let outcome = mfa.submit(&cookie(&open), &*owes, Action::EmailCode { code }).await.unwrap();
    assert!(matches!(outcome, Outcome::Enroll(_)), "{outcome:?}");
}

/// A session that a recovery code has opened owes a device: it can register one and nothing else, whatever the host
/// remembers.
#[tokio::test]
async fn recovered_session_owes_a_device() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let open = session(&mfa, &claims, &row, &app()).await;
    let elevated = step_up(&mfa, &open, &phone).await;
    let new = mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
    let codes: Vec<String> = new.expose_secrets().iter().map(|code| code.expose_secret().to_owned()).collect();
    mfa.profile(&open).confirm_recovery_codes(&codes[0].as_str().into()).await.unwrap().unwrap();

    let recover = async |code: &String| {
        let (flow, _) = begin(&mfa, &row, &app()).await;
        let code = Action::RecoveryCode { code: code.as_str().into() };
        claims_of(done(mfa.submit(&flow, &app(), code).await.unwrap()), &row)
    };
    let recovered = recover(&codes[1]).await;
    let check = mfa.check_session(&recovered, &row.read(), &app()).await.unwrap();
    assert_eq!(check.session().unwrap_err().code(), "steps_owed");

    // The phone was found after all.
    let owes = owing(&mfa, &recovered, &row, &app()).await;
    let flow = cookie(&mfa.begin_completion(&owes).await.unwrap());
    let found = Action::AppCode { code: phone.next_code().into(), device: None };
    let claims = claims_of(done(mfa.submit(&flow, &*owes, found).await.unwrap()), &row);
    session(&mfa, &claims, &row, &app()).await;

    // It was not: a new one takes its place.
    let recovered = recover(&codes[2]).await;
    let owes = owing(&mfa, &recovered, &row, &app()).await;
    let flow = cookie(&mfa.begin_completion(&owes).await.unwrap());
    let lost = mfa.profile(&session(&mfa, &claims, &row, &app()).await).status().await.unwrap().devices[0].id;
    let Outcome::Enroll(enroll) = mfa.submit(&flow, &*owes, Action::RegisterApp { replace: Some(lost) }).await.unwrap()
    else {
        panic!("a registration is owed")
    };
    let confirm = Action::ConfirmApp { code: kit.scan(enroll.key_uri()).code().into(), name: Some("new".into()) };
    let claims = claims_of(done(mfa.submit(&flow, &*owes, confirm).await.unwrap()), &row);
    let status = mfa.profile(&session(&mfa, &claims, &row, &app()).await).status().await.unwrap();
    assert_eq!(status.devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>(), ["new"]);
    assert_eq!(kit.outbox.notices().last(), Some(&"device_replaced"));

    // A recovery code pays for a registration for 10 minutes; a session that is older needs another proof first.
    let recovered = recover(&codes[3]).await;
    kit.advance(Duration::from_secs(601));
    let owes = owing(&mfa, &recovered, &row, &app()).await;
    let outcome = mfa.begin_completion(&owes).await.unwrap();
    let Outcome::Challenge(challenge) = &outcome else { panic!("{outcome:?}") };
    assert!(!challenge.next().contains(&factorgate::policy::Step::EnrollApp), "{:?}", challenge.next());
    let code = Action::RecoveryCode { code: codes[4].as_str().into() };
    let outcome = mfa.submit(challenge.flow(), &*owes, code).await.unwrap();
    let Outcome::Challenge(challenge) = &outcome else { panic!("{outcome:?}") };
    assert!(challenge.next().contains(&factorgate::policy::Step::EnrollApp), "{:?}", challenge.next());
}

/// The fresh proof of one session is worth nothing in another one, and nothing after the account has changed.
#[tokio::test]
async fn step_up_belongs_to_the_session_that_began_it() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let (flow, _) = begin(&mfa, &row, &app()).await;
    kit.advance(Duration::from_secs(30));
    let code = Action::AppCode { code: phone.next_code().into(), device: None };
    let other = claims_of(done(mfa.submit(&flow, &app(), code).await.unwrap()), &row);

    let (own, stolen) = (session(&mfa, &claims, &row, &app()).await, session(&mfa, &other, &row, &app()).await);
    let open = mfa.profile(&own).begin_step_up(Duration::ZERO).await.unwrap();
    let code = || Action::AppCode { code: phone.next_code().into(), device: None };
    let refused = mfa.submit(&cookie(&open), &stolen, code()).await.unwrap();
    assert_eq!(refusal(&refused), Some("flow_ended"), "it was begun in another session");
    let elevated = done(mfa.submit(&cookie(&open), &own, code()).await.unwrap());
    assert_eq!(elevated.session().claims().number(), claims.number());

    let _ = mfa.profile(&stolen).sign_out_elsewhere().await.unwrap().unwrap();
    let device = mfa.profile(&stolen).status().await.unwrap().devices[0].id;
    let removed = mfa.elevated(&elevated).remove_device(device).await.unwrap();
    assert_eq!(removed.unwrap_err().code(), "step_up_expired");
}
