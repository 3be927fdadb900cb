//! Codes as people type them.

use factorgate::otp::{Code, Digits, InvalidCode, InvalidDigits};

fn text(code: &Code) -> String {
    code.expose_secret().expose_secret().to_string()
}

#[test]
fn w05_what_people_type_is_read() {
    for typed in ["005924", "005 924", " 005924 ", "0 0 5 9 2 4", "005-924", "00 - 5924", "00-5924          "] {
        let code = Code::parse(typed).unwrap();
        assert_eq!((text(&code).as_str(), code.digits()), ("005924", Digits::SIX), "{typed:?}");
    }
    for typed in ["0000000", "12345678", "000000001", "9999999999", "4294967296"] {
        assert_eq!(text(&Code::parse(typed).unwrap()), typed);
    }
}

#[test]
fn g1_nothing_is_no_code() {
    for typed in ["", " ", "      ", "-", "0", "00592"] {
        let why = Code::parse(typed).err();
        assert!(matches!(why, Some(InvalidCode::TooFewDigits | InvalidCode::Hyphen { position: 0 })), "{typed:?}");
    }
}

#[test]
fn g2_anything_else_is_refused_with_its_place() {
    use InvalidCode::*;
    for (typed, why) in [
        ("٠٠٥٩٢٤", Character { position: 0 }),
        ("００５９２４", Character { position: 0 }),
        ("00５924", Character { position: 2 }),
        ("𝟎𝟎𝟓𝟗𝟐𝟒", Character { position: 0 }),
        ("⁰⁰⁵⁹²⁴", Character { position: 0 }),
        ("①②③④⑤⑥", Character { position: 0 }),
        ("+005924", Character { position: 0 }),
        ("00_59_24", Character { position: 2 }),
        ("0x13f8c0", Character { position: 1 }),
        ("8.1804e4", Character { position: 1 }),
        ("005924\n", Character { position: 6 }),
        ("005924\r\n", Character { position: 6 }),
        ("005924\0", Character { position: 6 }),
        ("\u{a0}005924", Character { position: 0 }),
        ("005\u{200b}924", Character { position: 3 }),
        ("005\t924", Character { position: 3 }),
        ("005–924", Character { position: 3 }),
        ("005924x", Character { position: 6 }),
        ("-005924", Hyphen { position: 0 }),
        ("005924-", Hyphen { position: 6 }),
        ("005924- ", Hyphen { position: 6 }),
        ("00-59-24", Hyphen { position: 5 }),
        ("005--924", Hyphen { position: 4 }),
        ("12345678901", TooManyDigits),
        ("12345 67890 1", TooManyDigits),
    ] {
        assert_eq!(Code::parse(typed).err(), Some(why), "{typed:?}");
    }
}

#[test]
fn g5_a_long_text_is_refused_unread() {
    assert_eq!(Code::parse(&"0".repeat(1 << 20)).err(), Some(InvalidCode::TooLong));
    assert_eq!(Code::parse(&"\u{fdfa}".repeat(1 << 18)).err(), Some(InvalidCode::TooLong));
    assert_eq!(Code::parse(&format!("{:33}", "005924")).err(), Some(InvalidCode::TooLong));
    assert!(Code::parse(&format!("{:32}", "005924")).is_ok());
}

#[test]
fn exactly_so_many_digits() {
    assert!(Code::parse_exact("005 924", Digits::SIX).is_ok());
    assert_eq!(Code::parse_exact("05924", Digits::SIX).err(), Some(InvalidCode::TooFewDigits));
    assert_eq!(Code::parse_exact("0005924", Digits::SIX).err(), Some(InvalidCode::TooManyDigits));
    assert_eq!(Code::parse_exact("5924", Digits::SIX).err(), Some(InvalidCode::TooFewDigits));
}

#[test]
fn n05_digits_are_bounded() {
    for digits in [0, 1, 5, 11, 255] {
        assert_eq!(Digits::new(digits), Err(InvalidDigits));
    }
    assert_eq!((6..=10).map(|d| Digits::new(d).unwrap()).max(), Some(Digits::TEN));
    assert_eq!(Digits::TEN.count_of_codes(), 10_000_000_000);
}

#[test]
fn errors_and_debug_show_nothing() {
    assert_eq!(format!("{:?}", Code::parse("005924").unwrap()), "Code(6 digits)");
    let why = Code::parse("00592x").unwrap_err();
    assert_eq!(why.to_string(), "the code has a character at position 5 that is none of 0-9");
}

#[test]
fn text_has_every_digit_in_its_place() {
    for typed in (0..10).flat_map(|place| (0..10).map(move |digit| format!("{:010}", digit * 10_u64.pow(place)))) {
        assert_eq!(text(&Code::parse(&typed).unwrap()), typed);
    }
    for typed in ["9999999999", "4294967295", "4294967296", "2147483647", "1234567890"] {
        assert_eq!(text(&Code::parse(typed).unwrap()), typed);
    }
}
