//! User ids and addresses.

use factorgate::login::{InvalidEmailAddress, InvalidUserId};
use factorgate::{EmailAddress, UserId};

#[test]
fn addresses_that_deliver_are_taken() {
    for good in ["a@b", "alice@example.com", "o'neil+mfa@mail.example.co.uk", "çelik@bücher.example"] {
        assert!(EmailAddress::new(good).is_ok(), "{good}");
    }
}

#[test]
fn addresses_that_could_break_a_header_are_refused() {
    for (bad, why) in [
        ("", InvalidEmailAddress::NoAt),
        ("alice", InvalidEmailAddress::NoAt),
        ("@example.com", InvalidEmailAddress::Local),
        ("a..b@example.com", InvalidEmailAddress::Local),
        ("\"a b\"@example.com", InvalidEmailAddress::Local),
        ("a,b@example.com", InvalidEmailAddress::Local),
        ("a<b@example.com", InvalidEmailAddress::Local),
        ("a@b@example.com", InvalidEmailAddress::Domain),
        ("alice@", InvalidEmailAddress::Domain),
        ("alice@example.com\n", InvalidEmailAddress::Domain),
        ("alice@exa mple.com", InvalidEmailAddress::Domain),
        ("alice@example.com\r\nBcc: x", InvalidEmailAddress::Domain),
    ] {
        assert_eq!(EmailAddress::new(bad).err(), Some(why), "{bad:?}");
    }
    assert_eq!(EmailAddress::new(&"a".repeat(255)).err(), Some(InvalidEmailAddress::TooLong));
}

#[test]
fn debug_hides_the_address() {
    let shown = format!("{:?}", EmailAddress::new("alice@example.com").unwrap());
    assert_eq!(shown, "EmailAddress(a•••@example.com)");
}

#[test]
fn user_ids_are_bounded() {
    assert_eq!(UserId::new(""), Err(InvalidUserId::Empty));
    assert_eq!(UserId::new("a\nb"), Err(InvalidUserId::ControlCharacter));
    assert_eq!(UserId::new(&"a".repeat(129)), Err(InvalidUserId::TooLong));
    assert!(UserId::new(&"a".repeat(128)).is_ok());
}
