//! Counter-based one-time passwords (RFC 4226).

use factorgate::otp::{Algorithm, Code, Digits, Hotp, Secret};

fn rfc_secret() -> Secret {
    Secret::from_bytes(b"12345678901234567890").unwrap()
}

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

#[test]
fn n05_ten_digits_are_the_31_bits_with_zeros_before_them() {
    let code = Hotp::new(Algorithm::Sha1, Digits::TEN).generate(&rfc_secret(), 2);
    assert_eq!(code.expose_secret().expose_secret(), "0137359152");
    let code = Hotp::new(Algorithm::Sha1, Digits::NINE).generate(&rfc_secret(), 0);
    assert_eq!(code.expose_secret().expose_secret(), "284755224");
}

#[test]
fn h04_h13_h18_look_ahead() {
    let (hotp, secret) = (Hotp::default(), rfc_secret());
    // 399871 is the code for 8.
    assert_eq!(hotp.verify(&secret, &code("399871"), 8, 0), Some(8));
    assert_eq!(hotp.verify(&secret, &code("399871"), 3, 5), Some(8));
    assert_eq!(hotp.verify(&secret, &code("399871"), 3, 4), None);
    assert_eq!(hotp.verify(&secret, &code("399871"), 9, 255), None);
    // As many digits as the configuration says, and no others with the same value.
    assert_eq!(hotp.verify(&secret, &code("0399871"), 8, 0), None);
    assert_eq!(Hotp::new(Algorithm::Sha1, Digits::EIGHT).verify(&secret, &code("73399871"), 8, 0), Some(8));
}

#[test]
fn the_greatest_counter_is_recorded_when_a_code_is_right_twice() {
    // 911617 is the code for both 910737 and 910738.
    assert_eq!(Hotp::default().verify(&rfc_secret(), &code("911617"), 910_737, 0), Some(910_737));
    assert_eq!(Hotp::default().verify(&rfc_secret(), &code("911617"), 910_730, 9), Some(910_738));
}

#[test]
fn h04_h19_resync_takes_two_codes_in_a_row() {
    let (hotp, secret) = (Hotp::default(), rfc_secret());
    let at = |counter| hotp.generate(&secret, counter);
    assert_eq!(hotp.resync(&secret, &at(50), &at(51), 0, 50), Some(51));
    assert_eq!(hotp.resync(&secret, &at(50), &at(51), 0, 49), None);
    assert_eq!(hotp.resync(&secret, &at(0), &at(1), 0, 0), Some(1));
    assert_eq!(hotp.resync(&secret, &at(51), &at(50), 0, 1000), None);
    assert_eq!(hotp.resync(&secret, &at(50), &at(52), 0, 1000), None);
    assert_eq!(hotp.resync(&secret, &at(50), &at(50), 0, 1000), None);
    assert_eq!(hotp.resync(&secret, &at(49), &at(50), 50, 1000), None);
    // The look-ahead is held to its maximum.
    assert_eq!(hotp.resync(&secret, &at(1000), &at(1001), 0, u16::MAX), Some(1001));
    assert_eq!(hotp.resync(&secret, &at(1001), &at(1002), 0, u16::MAX), None);
}

#[test]
fn n04_counters_end_without_wrapping() {
    let (hotp, secret) = (Hotp::default(), rfc_secret());
    let at = |counter| hotp.generate(&secret, counter);
    assert_eq!(at(u64::MAX).expose_secret().expose_secret(), "094451");
    assert_eq!(hotp.verify(&secret, &at(u64::MAX), u64::MAX, 255), Some(u64::MAX));
    assert_eq!(hotp.verify(&secret, &at(0), u64::MAX, 255), None);
    assert_eq!(hotp.resync(&secret, &at(u64::MAX - 1), &at(u64::MAX), u64::MAX - 5, 1000), Some(u64::MAX));
    assert_eq!(hotp.resync(&secret, &at(u64::MAX), &at(0), u64::MAX - 5, 1000), None);
}
