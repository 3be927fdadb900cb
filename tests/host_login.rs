//! How a host tests its login: the functions of the host, and the test kit in place of its database and mail server.

use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::Kit;
use factorgate::{Action, Contact, EmailAddress, Login, Mailer, Mfa, MfaError, Outcome, PrimaryVerified, Store};
use factorgate::{Refusal, UserId, UserRow};

type Test = Result<(), Box<dyn std::error::Error>>;

fn row(password: &str) -> Result<UserRow, Box<dyn std::error::Error>> {
    let contact = Contact::verified(EmailAddress::new("alice@example.com")?);
    Ok(UserRow::new(UserId::new("alice")?, password, contact))
}

/// The host's login: it is generic in the store and the mailer, so that a test can replace them.
async fn sign_in<S: Store, M: Mailer>(
    mfa: &Mfa<S, M>,
    policy: &Policy,
    row: UserRow,
) -> Result<Outcome<Login>, MfaError<S, M>> {
    mfa.begin_login(PrimaryVerified::assertion(row), policy).await
}

#[test]
fn first_login_registers_an_app() -> Test {
    let (kit, policy) = (Kit::new(), Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode)?);
    let mfa = kit.mfa();
    mfa.wait(async {
        let Outcome::Challenge(challenge) = sign_in(&mfa, &policy, row("1")?).await? else { panic!("a mail was sent") };
        let code = kit.outbox.last_code().ok_or("no mail")?;
        let outcome = mfa.submit(challenge.flow(), &policy, Action::EmailCode { code: code.into() }).await?;
        let Outcome::Enroll(enroll) = outcome else { panic!("an app must be registered: {outcome:?}") };
        let confirm = Action::ConfirmApp { code: kit.scan(enroll.key_uri()).code().into(), name: None };
        let Outcome::Done(passed) = mfa.submit(challenge.flow(), &policy, confirm).await? else { panic!("signed in") };

        let claims = passed.into_session(&row("1")?)?;
        assert!(mfa.check_session(&claims, &row("1")?, &policy).await?.session().is_ok());
        let check = mfa.check_session(&claims, &row("2")?, &policy).await?;
        assert_eq!(check.session().err(), Some(Refusal::SessionEnded), "a new password ends the session");
        Ok(())
    })
}

#[tokio::test]
async fn wrong_code_is_refused() -> Test {
    let (kit, policy) = (Kit::new(), Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode)?);
    let mfa = kit.mfa();
    let Outcome::Challenge(challenge) = sign_in(&mfa, &policy, row("1")?).await? else { panic!("a mail was sent") };
    let wrong = Action::EmailCode { code: "00000000".into() };
    let Outcome::Challenge(challenge) = mfa.submit(challenge.flow(), &policy, wrong).await? else {
        panic!("still open")
    };
    assert_eq!(challenge.refusal(), Some(Refusal::WrongCode));
    Ok(())
}
