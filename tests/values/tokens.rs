//! Tokens as text: they are read back, and Debug hides them.

use std::collections::BTreeSet;

use factorgate::admin::{Administrator, Ticket};
use factorgate::browser::{BrowserToken, InvalidBrowserToken};
use factorgate::login::InvalidFlowRef;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::Kit;
use factorgate::{Action, Contact, EmailAddress, FlowRef, Login, Outcome, PrimaryVerified, Refusal, UserId, UserRow};

fn user() -> UserId {
    UserId::new("a.b; c").unwrap()
}

#[tokio::test]
async fn cookies_are_read_back_and_debug_hides_them() {
    let kit = Kit::new();
    let mfa = kit.builder().build().unwrap();
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode).unwrap();
    let primary = PrimaryVerified::assertion(UserRow::new(user(), b"password", contact));
    let Outcome::Challenge(asked) = mfa.begin_login(primary, &policy).await.unwrap() else { panic!("a challenge") };

    let read = FlowRef::<Login>::from_cookie(&asked.flow().to_cookie()).unwrap();
    assert_eq!((read.user(), read.to_cookie()), (&user(), asked.flow().to_cookie()));
    assert_eq!(format!("{read:?}"), "FlowRef(UserId(\"a.b; c\"), ..)");
    assert_eq!(FlowRef::<Login>::from_cookie("forged").err(), Some(InvalidFlowRef));

    let code = Action::EmailCode { code: kit.outbox.last_code().unwrap().into() };
    let Outcome::Done(passed) = mfa.submit(&read, &policy, code).await.unwrap() else { panic!("signed in") };
    let token = passed.browser().unwrap();
    let read = BrowserToken::from_cookie(&token.to_cookie()).unwrap();
    assert_eq!((read.user(), read.to_cookie()), (&user(), token.to_cookie()));
    assert_eq!(format!("{read:?}"), "BrowserToken(UserId(\"a.b; c\"), ..)");
    let in_a_year = kit.clock.time().saturating_add(BrowserToken::LIFETIME);
    assert_eq!((token.expires_at(), read.expires_at()), (Some(in_a_year), None));
    assert_eq!(BrowserToken::from_cookie("forged").err(), Some(InvalidBrowserToken));
    assert!(BrowserToken::from_cookie(&asked.flow().to_cookie()).is_err(), "another kind");
}

#[tokio::test]
async fn ticket_is_read_as_it_is_typed() {
    let root = Administrator::host("tickets").unwrap();
    let ticket = Kit::new().builder().build().unwrap().admin(&root).issue_ticket(&user()).await.unwrap();
    let text = ticket.expose_secret().expose_secret().to_owned();
    assert_eq!(text.len(), 26 + 6);
    let typed = Ticket::parse(&text.to_lowercase().replace(' ', "-")).unwrap();
    assert_eq!(typed.expose_secret().expose_secret(), text);
    assert!(Ticket::parse(&text[1..]).is_err());
    assert!(Ticket::parse(&"A".repeat(32)).is_err());
    assert_eq!(format!("{ticket:?}"), "Ticket(..)");
}

#[test]
fn refusals_have_codes_that_are_distinct_and_in_order() {
    let distinct: BTreeSet<_> = Refusal::CODES.iter().copied().collect();
    assert!(distinct.iter().eq(Refusal::CODES), "{:?}", Refusal::CODES);
    assert_eq!(Refusal::WrongCode.to_string(), "wrong_code");
}
