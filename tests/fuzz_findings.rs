//! What the fuzz target `operations` has found, each as a short test.

use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::browser::BrowserName;
use factorgate::migrate::{Import, ImportedDevice};
use factorgate::otp::{Secret, Totp};
use factorgate::policy::{Channel, Exemption, ExternalFactor, FirstRegistration, Policy};
use factorgate::testing::{Kit, MemoryStore, Outbox};
use factorgate::{Action, Contact, EmailAddress, Mfa, Outcome, PrimaryVerified, Refusal, Timestamp, UserId, UserRow};

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn row() -> UserRow {
    UserRow::new(alice(), "1", contact())
}

fn root() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

/// Nothing is stored of a user who was erased, whatever an administrator still does.
#[tokio::test]
async fn nothing_is_stored_of_an_erased_user() {
    let kit = Kit::new();
    let mfa: Mfa<MemoryStore, Outbox> = kit.mfa();
    let by = root();
    mfa.admin(&by).reset(&alice(), &contact()).await.unwrap();
    mfa.admin(&by).erase_user(&alice()).await.unwrap();
    let tombstone = kit.store.record(&alice()).unwrap();

    let at = Timestamp::from_secs;
    let now = kit.clock.time().as_secs();
    let exemption = Exemption::new("root", "waits for a smartphone", at(now), at(now + 60)).unwrap();
    let passkey = ExternalFactor::phishing_resistant("passkey").unwrap();
    let import = Import::new(ImportedDevice::new(Secret::from_bytes(&[7; 20]).unwrap(), Totp::default()));
    let admin = mfa.admin(&by);
    assert_eq!(admin.exempt(&alice(), Some(&exemption)).await.unwrap(), Err(Refusal::AccountChanged));
    assert_eq!(admin.register_external(&alice(), passkey, &contact()).await.unwrap(), Err(Refusal::AccountChanged));
    assert_eq!(admin.import(&alice(), &import).await.unwrap(), Err(Refusal::AccountChanged));
    // These always return a ticket. It opens nothing.
    let _ = (admin.issue_ticket(&alice()).await.unwrap(), admin.reset(&alice(), &contact()).await.unwrap());

    assert_eq!(kit.store.record(&alice()).unwrap().version(), tombstone.version(), "the tombstone stays as it is");
    let status = admin.status(&alice()).await.unwrap();
    assert!(status.erased && status.devices.is_empty() && status.external.is_empty() && !status.ever_had_factor);
    assert_eq!((status.ticket_until, status.exemption, status.owed_notices), (None, None, 0));
    let policy = Policy::off(FirstRegistration::AfterPassword);
    let begun = mfa.begin_login(PrimaryVerified::assertion(row()), &policy).await.unwrap();
    assert!(matches!(begun, Outcome::Denied(denied) if denied.refusal() == Refusal::AccountChanged));
}

/// What a clock that was ahead has written ends when the clock is right again, and not as late as the clock was wrong.
#[tokio::test]
async fn a_clock_that_was_ahead_leaves_nothing_open() {
    const YEAR: u64 = 365 * 24 * 60 * 60;
    let kit = Kit::new();
    let mfa: Mfa<MemoryStore, Outbox> = kit.mfa();
    let now = kit.clock.time().as_secs();
    let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode).unwrap();
    let begin = || mfa.begin_login(PrimaryVerified::assertion(row()), &policy);
    let code = |kit: &Kit| Action::EmailCode { code: kit.outbox.last_code().unwrap().into() };

    // A code that was mailed then, and a ticket that was issued.
    kit.clock.set(now + YEAR);
    let by = root();
    let _ticket = mfa.admin(&by).issue_ticket(&alice()).await.unwrap();
    let begun = begin().await.unwrap();
    let flow = begun.flow().unwrap();
    let mailed = code(&kit);
    kit.clock.set(now);
    let outcome = mfa.submit(flow, &policy, mailed).await.unwrap();
    assert!(matches!(outcome, Outcome::Denied(denied) if denied.refusal() == Refusal::FlowEnded));
    let status = mfa.admin(&by).status(&alice()).await.unwrap();
    assert_eq!((status.open_flows, status.ticket_until), (0, None));

    // An address change that was permitted then, and never finished, holds no mail back.
    let begun = begin().await.unwrap();
    let Outcome::Done(passed) = mfa.submit(begun.flow().unwrap(), &policy, code(&kit)).await.unwrap() else { panic!() };
    let claims = passed.into_session(&row()).unwrap();
    kit.clock.set(now + YEAR);
    let session = mfa.check_session(&claims, &row(), &policy).await.unwrap().into_session().unwrap();
    let begun = mfa.profile(&session).begin_step_up(Duration::ZERO).await.unwrap();
    let outcome = mfa.submit(begun.flow().unwrap(), &session, code(&kit)).await.unwrap();
    let Outcome::Done(elevated) = outcome else { panic!("{outcome:?}") };
    let _permit = mfa.elevated(&elevated).permit_address_change().await.unwrap().unwrap();
    let Outcome::Challenge(held_back) = begin().await.unwrap() else { panic!() };
    assert!(matches!(held_back.refusal(), Some(Refusal::TooSoon { .. })), "the control: it holds the mail back");
    kit.clock.set(now + 60);
    let Outcome::Challenge(challenge) = begin().await.unwrap() else { panic!() };
    assert_eq!((challenge.refusal(), challenge.email().unwrap().sent_at), (None, Some(kit.clock.time())));
}

/// Within 10 seconds of its use the cookie before is taken as that of a second tab; and not as long as a clock is wrong.
#[tokio::test]
async fn a_clock_that_was_ahead_makes_no_copied_cookie_valid() {
    const DAY: u64 = 24 * 60 * 60;
    let kit = Kit::new();
    let mfa: Mfa<MemoryStore, Outbox> = kit.mfa();
    let now = kit.clock.time().as_secs();
    let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap().with_trusted_browsers();
    let Outcome::Enroll(enroll) = mfa.begin_login(PrimaryVerified::assertion(row()), &policy).await.unwrap() else {
        panic!()
    };
    let phone = kit.scan(enroll.key_uri());
    let confirm = Action::ConfirmApp { code: phone.code().into(), name: None };
    let outcome = mfa.submit(enroll.challenge().flow(), &policy, confirm).await.unwrap();
    let Outcome::Done(passed) = outcome else { panic!("{outcome:?}") };
    let claims = passed.into_session(&row()).unwrap();
    let session = mfa.check_session(&claims, &row(), &policy).await.unwrap().into_session().unwrap();
    let name = BrowserName::new("laptop").unwrap();
    let cookie = mfa.profile(&session).trust_browser(&name).await.unwrap().unwrap().to_cookie();
    let begin = || mfa.begin_login(PrimaryVerified::assertion(row()).from_browser(Some(&cookie)), &policy);

    kit.clock.set(now + DAY);
    assert!(matches!(begin().await.unwrap(), Outcome::Done(_)));
    assert!(matches!(begin().await.unwrap(), Outcome::Done(_)), "the control: a second tab");
    kit.clock.set(now + 60);
    assert!(matches!(begin().await.unwrap(), Outcome::Challenge(_)));
    assert!(kit.outbox.notices().contains(&"browser_token_reused"));
}
