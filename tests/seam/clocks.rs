//! Clocks that are wrong, and times that a page or a mail promises.

use factorgate::Timestamp;
use factorgate::testing::FixedClock;

use super::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn set_back(clock: &FixedClock, by: Duration) {
    clock.set(clock.time().as_secs() - by.as_secs());
}

/// A clock that is ahead for a moment does not lock the user, or hold back mails, for as long as it was wrong.
#[tokio::test]
async fn clock_that_was_ahead_locks_nobody_and_blocks_no_mail() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    kit.advance(YEAR);
    let (flow, _) = begin(&mfa, &row, &email()).await;
    for _ in 0..5 {
        let wrong = Action::EmailCode { code: "00000000".into() };
        let _ = mfa.submit(&flow, &email(), wrong).await.unwrap();
    }
    assert_eq!(refusal(&mfa.resume(&flow, &email()).await.unwrap()), Some("locked"));

    set_back(&kit.clock, YEAR);
    let sent = kit.outbox.sent().len();
    let (flow, outcome) = begin(&mfa, &row, &email()).await;
    assert_eq!((refusal(&outcome), kit.outbox.sent().len()), (None, sent + 1));
    let code = kit.outbox.last_code().unwrap().into();
    let _ = done(mfa.submit(&flow, &email(), Action::EmailCode { code }).await.unwrap());
}

/// Claims and proofs that are dated in the future are not fresh: they would stay fresh for as long as the clock was wrong.
#[tokio::test]
async fn proofs_of_the_future_are_not_fresh() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let claims = sign_in(&kit, &mfa, &row, &email()).await;
    let open = session(&mfa, &claims, &row, &email()).await;
    assert!(matches!(mfa.profile(&open).begin_step_up(Duration::from_secs(300)).await.unwrap(), Outcome::Done(_)));

    // A few seconds of difference between two servers end no session, but make nothing fresh.
    set_back(&kit.clock, Duration::from_secs(5));
    let open = session(&mfa, &claims, &row, &email()).await;
    let outcome = mfa.profile(&open).begin_step_up(Duration::from_secs(300)).await.unwrap();
    assert!(!matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    set_back(&kit.clock, Duration::from_secs(3600));
    assert!(is_ended(&mfa, &claims, &row, &email()).await);
}

/// A fresh proof that lies in the future opens nothing dangerous.
#[tokio::test]
async fn step_up_of_the_future_is_expired() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let open = session(&mfa, &claims, &row, &app()).await;
    let elevated = step_up(&mfa, &open, &phone).await;
    set_back(&kit.clock, Duration::from_secs(1));
    let refused = mfa.elevated(&elevated).new_recovery_codes().await.unwrap();
    assert_eq!(refused.unwrap_err().code(), "step_up_expired");
    kit.advance(Duration::from_secs(1 + 300));
    mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
    kit.advance(Duration::from_secs(1));
    assert_eq!(mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap_err().code(), "step_up_expired");
}

/// The page says so if no code was sent because one was sent a moment ago, and when the next one can be requested.
#[tokio::test]
async fn second_login_within_the_pause_says_that_no_code_was_sent() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let _ = begin(&mfa, &row, &email()).await;
    kit.advance(Duration::from_secs(10));
    let sent = kit.outbox.sent().len();
    let (flow, outcome) = begin(&mfa, &row, &email()).await;
    let Outcome::Challenge(challenge) = &outcome else { panic!("{outcome:?}") };
    assert_eq!((challenge.refusal().unwrap().code(), kit.outbox.sent().len()), ("too_soon", sent));
    let status = challenge.email().unwrap();
    let retry_at = Timestamp::from_secs(kit.clock.time().as_secs() + 20);
    assert_eq!((status.sent_at, status.expires_at, status.resend_at), (None, None, Some(retry_at)));
    assert_eq!(challenge.refusal().unwrap().retry_at(), Some(retry_at));
    kit.advance(Duration::from_secs(20));
    let outcome = mfa.submit(&flow, &email(), Action::SendEmailCode).await.unwrap();
    assert_eq!((refusal(&outcome), kit.outbox.sent().len()), (None, sent + 1));
}

/// An e-mail code that was verified a moment ago in this session is not asked for again by a registration.
#[tokio::test]
async fn registration_after_an_email_sign_in_asks_for_no_second_code() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let claims = sign_in(&kit, &mfa, &row, &email()).await;
    let sent = kit.outbox.sent().len();
    let open = session(&mfa, &claims, &row, &email()).await;
    assert!(matches!(mfa.profile(&open).begin_registration().await.unwrap(), Outcome::Enroll(_)));
    assert_eq!(kit.outbox.sent().len(), sent);

    kit.advance(Duration::from_secs(301));
    let outcome = mfa.profile(&open).begin_registration().await.unwrap();
    assert!(matches!(outcome, Outcome::Challenge(_)) && kit.outbox.sent().len() == sent + 1, "{outcome:?}");
}

/// A code is never promised a longer life than the flow in which it can be entered.
#[tokio::test]
async fn code_expires_with_its_flow_at_the_latest() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (flow, outcome) = begin(&mfa, &row, &email()).await;
    let Outcome::Challenge(first) = &outcome else { panic!("{outcome:?}") };
    let ends = first.expires_at();
    kit.advance(Duration::from_secs(8 * 60));
    let outcome = mfa.submit(&flow, &email(), Action::SendEmailCode).await.unwrap();
    let Outcome::Challenge(challenge) = &outcome else { panic!("{outcome:?}") };
    assert_eq!((challenge.expires_at(), challenge.email().unwrap().expires_at), (ends, Some(ends)));
    assert!(kit.outbox.sent().pop().unwrap().text.contains("It expires in 2 minutes"));
    kit.advance(Duration::from_secs(119));
    let code = kit.outbox.last_code().unwrap().into();
    let _ = done(mfa.submit(&flow, &email(), Action::EmailCode { code }).await.unwrap());
}

/// A refused mail is an outcome of the flow that the user can read; the user can ask again at once.
#[tokio::test]
async fn refused_mail_is_an_outcome() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    kit.outbox.refuse(true);
    let (flow, outcome) = begin(&mfa, &row, &email()).await;
    let Outcome::Challenge(challenge) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(challenge.refusal().unwrap().code(), "mail_refused");
    let status = challenge.email().unwrap();
    assert_eq!((status.sent_at, status.resend_at), (None, None));
    kit.outbox.refuse(false);
    let outcome = mfa.submit(&flow, &email(), Action::SendEmailCode).await.unwrap();
    assert_eq!(refusal(&outcome), None);
    let code = kit.outbox.last_code().unwrap().into();
    let _ = done(mfa.submit(&flow, &email(), Action::EmailCode { code }).await.unwrap());
}
