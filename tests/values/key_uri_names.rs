//! The names in a Key URI.

use factorgate::otpauth::{AccountName, InvalidName, Issuer};

#[test]
fn u02_p2_names_that_confuse_apps_are_refused() {
    for (name, why) in [
        ("", InvalidName::Empty),
        (" \u{a0} ", InvalidName::Empty),
        ("A:B", InvalidName::Colon),
        ("A\nB", InvalidName::ControlCharacter),
        ("A\n", InvalidName::ControlCharacter),
        ("A\0", InvalidName::ControlCharacter),
        ("A\u{202e}B", InvalidName::ControlCharacter),
    ] {
        assert_eq!(Issuer::new(name), Err(why), "{name:?}");
        assert_eq!(AccountName::new(name), Err(why), "{name:?}");
    }
    assert_eq!(Issuer::new(&"a".repeat(61)), Err(InvalidName::TooLong { max: 60 }));
    assert_eq!(AccountName::new(&"a".repeat(255)), Err(InvalidName::TooLong { max: 254 }));
    assert!(Issuer::new(&"a".repeat(60)).is_ok() && AccountName::new(&"a".repeat(254)).is_ok());
}
