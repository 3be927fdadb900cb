//! Key URIs: what is written is read back; what is broken is refused.

use factorgate::otp::{Algorithm, Digits, Hotp, Totp};
use factorgate::otpauth::{AccountName, InvalidKeyUri, InvalidName, Issuer, KeyParameters, KeyUri, ParsedKeyUri};
use factorgate::{InvalidSecret, Secret};
use proptest::prelude::*;

const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn read(uri: &str) -> Result<ParsedKeyUri, InvalidKeyUri> {
    KeyUri::parse(&uri.replace("KEY", KEY))
}

fn issuer(read: &ParsedKeyUri) -> Option<&str> {
    read.issuer().map(Issuer::as_str)
}

#[test]
fn u01_u05_what_other_systems_write_is_read() {
    for (uri, issuer_read, account) in [
        (
            "otpauth://totp/ACME%20Co:john.doe@email.com?secret=KEY&issuer=ACME%20Co",
            Some("ACME Co"),
            "john.doe@email.com",
        ),
        ("otpauth://totp/Example:%20%20alice?secret=KEY", Some("Example"), "alice"),
        ("otpauth://totp/Example%3Aalice%40google.com?secret=KEY&issuer=Example", Some("Example"), "alice@google.com"),
        ("otpauth://totp/Example%3a%20alice?secret=KEY", Some("Example"), "alice"),
        ("otpauth://totp/test-account?secret=KEY", None, "test-account"),
        ("otpauth://totp/baz?issuer=%CE%B5%CE%AF&secret=KEY", Some("εί"), "baz"),
        ("OTPAUTH://TOTP/baz?SECRET=KEY&ISSUER=foo", Some("foo"), "baz"),
        ("otpauth://totp/A+B:alice?secret=KEY&issuer=A%2BB", Some("A+B"), "alice"),
        ("otpauth://totp/Acme%20&%20Co:alice%2523?secret=KEY", Some("Acme & Co"), "alice%23"),
        ("otpauth://totp/a?image=https://example.com/a?b&steam&x=1&x=2&secret=KEY", None, "a"),
        ("otpauth://totp/a?secret=KEY====", None, "a"),
        ("otpauth://totp/a?secret=KEY&counter=x", None, "a"),
    ] {
        let read = read(uri).unwrap_or_else(|why| panic!("{uri}: {why}"));
        assert_eq!((issuer(&read), read.account().as_str()), (issuer_read, account), "{uri}");
        assert!(!read.has_two_issuers(), "{uri}");
        assert_eq!(read.parameters(), KeyParameters::Totp(Totp::default()), "{uri}");
        assert_eq!(read.secret().expose_secret(), b"12345678901234567890");
    }
}

#[test]
fn u06_u07_u08_parameters() {
    let totp = |algorithm, digits, period| {
        let digits = Digits::new(digits).unwrap();
        KeyParameters::Totp(Totp::builder().algorithm(algorithm).digits(digits).period_secs(period).build().unwrap())
    };
    for (query, parameters) in [
        ("algorithm=sha256&digits=8&period=60", totp(Algorithm::Sha256, 8, 60)),
        ("algorithm=SHA-512&digits=010&period=086400", totp(Algorithm::Sha512, 10, 86_400)),
        ("algorithm=%53ha-1&digits=7&period=1", totp(Algorithm::Sha1, 7, 1)),
    ] {
        assert_eq!(read(&format!("otpauth://totp/a?secret=KEY&{query}")).unwrap().parameters(), parameters, "{query}");
    }
    let hotp = read("otpauth://hotp/a?secret=KEY&counter=18446744073709551615&digits=8&period=x").unwrap();
    let expected = KeyParameters::Hotp { hotp: Hotp::new(Algorithm::Sha1, Digits::EIGHT), counter: u64::MAX };
    assert_eq!(hotp.parameters(), expected);
}

#[test]
fn u05_two_issuers_are_told_and_not_refused() {
    let read = read("otpauth://totp/Example:alice?secret=KEY&issuer=example.com").unwrap();
    assert!(read.has_two_issuers());
    assert_eq!(issuer(&read), Some("example.com"));
}

#[test]
fn u02_u03_u10_g8_n05_n06_n07_what_is_broken_is_refused() {
    use InvalidKeyUri::*;
    for (uri, why) in [
        ("", Scheme),
        ("otpauth:/", Scheme),
        ("nototpauth://totp/a?secret=KEY", Scheme),
        ("http://totp/a?secret=KEY", Scheme),
        (" otpauth://totp/a?secret=KEY", Scheme),
        ("otpauth://", Type),
        ("otpauth://totp", Type),
        ("otpauth:///a?secret=KEY", Type),
        ("otpauth://totp?secret=KEY", Type),
        ("otpauth://foo/a?secret=KEY", Type),
        ("otpauth://user@totp/a?secret=KEY", Type),
        ("otpauth://totp:1/a?secret=KEY", Type),
        ("otpauth://tot%70/a?secret=KEY", Type),
        ("otpauth://totp/a", NoSecret),
        ("otpauth://totp/a?", NoSecret),
        ("otpauth://totp/a?secret2=KEY", NoSecret),
        ("otpauth://totp/?secret=KEY", Account(InvalidName::Empty)),
        ("otpauth://totp/%20?secret=KEY", Account(InvalidName::Empty)),
        ("otpauth://totp/A:?secret=KEY", Account(InvalidName::Empty)),
        ("otpauth://totp/A:b:c?secret=KEY", Account(InvalidName::Colon)),
        ("otpauth://totp/A:b%3Ac?secret=KEY", Account(InvalidName::Colon)),
        ("otpauth://totp/A%3ab:c?secret=KEY", Account(InvalidName::Colon)),
        ("otpauth://totp/A:b%0A?secret=KEY", Account(InvalidName::ControlCharacter)),
        ("otpauth://totp/:b?secret=KEY", Issuer(InvalidName::Empty)),
        ("otpauth://totp/a?secret=KEY&issuer=", Issuer(InvalidName::Empty)),
        ("otpauth://totp/a?secret=KEY&issuer=A%3AB", Issuer(InvalidName::Colon)),
        ("otpauth://totp/a b?secret=KEY", Character { position: 16 }),
        ("otpauth://totp/a/b?secret=KEY", Character { position: 16 }),
        ("otpauth://totp/é?secret=KEY", Character { position: 15 }),
        ("otpauth://totp/a#b?secret=KEY", Character { position: 16 }),
        ("otpauth://totp/a?secret=KEY#", Character { position: 56 }),
        ("otpauth://totp/a?secret=KEY\n", Character { position: 56 }),
        ("otpauth://totp/a%?secret=KEY", Escape { position: 15 }),
        ("otpauth://totp/a%2?secret=KEY", Escape { position: 15 }),
        ("otpauth://totp/A:%+1?secret=KEY", Escape { position: 17 }),
        ("otpauth://totp/a%zz?secret=KEY", Escape { position: 15 }),
        ("otpauth://totp/a%FF?secret=KEY", Escape { position: 15 }),
        ("otpauth://totp/a?%FF=1&secret=KEY", Escape { position: 17 }),
        ("otpauth://totp/a?secret=KEY&secret=KEY", Duplicate { position: 57 }),
        ("otpauth://totp/a?secret=KEY&SECRET=KEY", Duplicate { position: 57 }),
        ("otpauth://totp/a?secret=KEY&%73ecret=KEY", Duplicate { position: 57 }),
        ("otpauth://totp/a?secret=KEY&digits=6&digits=6", Duplicate { position: 66 }),
        ("otpauth://totp/a?secret=", Secret(InvalidSecret::TooShort)),
        ("otpauth://totp/a?secret", Secret(InvalidSecret::TooShort)),
        ("otpauth://totp/a?secret=JBSWY3DPEHPK3PXP", Secret(InvalidSecret::TooShort)),
        ("otpauth://totp/a?secret=KEY1", Secret(InvalidSecret::Character { position: 32 })),
        ("otpauth://totp/a?secret=KEYA", Secret(InvalidSecret::Length)),
        ("otpauth://totp/a?secret=KEY%20", Character { position: 24 }),
        ("otpauth://totp/a?secret=-KEY", Character { position: 24 }),
        ("otpauth://totp/a?secret=KEY&algorithm=MD5", Algorithm),
        ("otpauth://totp/a?secret=KEY&algorithm=", Algorithm),
        ("otpauth://totp/a?secret=KEY&algorithm=SHA-224", Algorithm),
        ("otpauth://totp/a?secret=KEY&digits=1", Digits),
        ("otpauth://totp/a?secret=KEY&digits=5", Digits),
        ("otpauth://totp/a?secret=KEY&digits=11", Digits),
        ("otpauth://totp/a?secret=KEY&digits=262", Digits),
        ("otpauth://totp/a?secret=KEY&digits=", Digits),
        ("otpauth://totp/a?secret=KEY&digits=+6", Digits),
        ("otpauth://totp/a?secret=KEY&digits=6_0", Digits),
        ("otpauth://totp/a?secret=KEY&digits=%36", Digits),
        ("otpauth://totp/a?secret=KEY&period=0", Period),
        ("otpauth://totp/a?secret=KEY&period=-30", Period),
        ("otpauth://totp/a?secret=KEY&period=86401", Period),
        ("otpauth://totp/a?secret=KEY&period=18446744073709551646", Period),
        ("otpauth://totp/a?secret=KEY&period=", Period),
        ("otpauth://hotp/a?secret=KEY", Counter),
        ("otpauth://hotp/a?secret=KEY&counter=", Counter),
        ("otpauth://hotp/a?secret=KEY&counter=-5", Counter),
        ("otpauth://hotp/a?secret=KEY&counter=18446744073709551616", Counter),
    ] {
        assert_eq!(read(uri).map(|_| "accepted").err(), Some(why), "{uri}");
    }
    let long = format!("otpauth://totp/a?secret={KEY}&x={}", "x".repeat(KeyUri::MAX_LEN));
    assert_eq!(KeyUri::parse(&long).err(), Some(TooLong));
    assert!(KeyUri::parse(&long[..KeyUri::MAX_LEN]).is_ok());
}

#[test]
fn errors_say_where_and_not_what() {
    let shown = |uri: &str| read(uri).unwrap_err().to_string();
    assert_eq!(shown("otpauth://totp/a?secret=KEY&secret=KEY"), "the Key URI repeats a parameter at position 57");
    assert_eq!(shown("otpauth://totp/a?secret=KEY1"), "the secret of the Key URI is invalid");
    assert_eq!(shown("otpauth://totp/a b"), "the Key URI has a character at position 16 that may not stand there");
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

prop_compose! {
    fn key_uri()(
        issuer in "[^:\\p{C}\\p{Z}][^:\\p{C}\u{2028}\u{2029}]{0,14}",
        account in "[^:\\p{C}\\p{Z}][^:\\p{C}\u{2028}\u{2029}]{0,40}",
        bytes in proptest::collection::vec(any::<u8>(), 16..=64),
        algorithm in prop_oneof![Just(Algorithm::Sha1), Just(Algorithm::Sha256), Just(Algorithm::Sha512)],
        digits in 6..=10_u8,
        period in prop_oneof![Just(30), 1..=86_400_u64],
        counter in proptest::option::of(any::<u64>()),
    ) -> (Issuer, AccountName, Vec<u8>, KeyParameters) {
        let digits = Digits::new(digits).unwrap();
        let parameters = match counter {
            Some(counter) => KeyParameters::Hotp { hotp: Hotp::new(algorithm, digits), counter },
            None => KeyParameters::Totp(
                Totp::builder().algorithm(algorithm).digits(digits).period_secs(period).build().unwrap()
            ),
        };
        (Issuer::new(&issuer).unwrap(), AccountName::new(&account).unwrap(), bytes, parameters)
    }
}

fn write(issuer: &Issuer, account: &AccountName, secret: &Secret, parameters: KeyParameters) -> KeyUri {
    match parameters {
        KeyParameters::Hotp { hotp, counter } => KeyUri::hotp(issuer, account, secret, &hotp, counter),
        KeyParameters::Totp(totp) => KeyUri::totp(issuer, account, secret, &totp).unwrap(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn d22_p1_what_is_written_is_read_and_written_again((issuer, account, bytes, parameters) in key_uri()) {
        let uri = write(&issuer, &account, &Secret::from_bytes(&bytes).unwrap(), parameters);
        let read = KeyUri::parse(uri.expose_secret()).unwrap();
        prop_assert_eq!(read.issuer(), Some(&issuer));
        prop_assert_eq!(read.account(), &account);
        prop_assert_eq!(read.parameters(), parameters);
        prop_assert_eq!(read.secret().expose_secret(), bytes.as_slice());
        prop_assert!(!read.has_two_issuers());
        let again = write(read.issuer().unwrap(), read.account(), read.secret(), read.parameters());
        prop_assert_eq!(again.expose_secret(), uri.expose_secret());
        prop_assert!(uri.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()));
    }

    #[test]
    fn whatever_is_read_means_the_same_when_it_is_written(
        (issuer, account, bytes, parameters) in key_uri(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), "[ -~é]{0,2}"), 1..4),
    ) {
        let mut text = write(&issuer, &account, &Secret::from_bytes(&bytes).unwrap(), parameters).expose_secret().to_owned();
        for (at, edit) in edits {
            let at = at.index(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                text.replace_range(at..at + 1, &edit);
            }
        }
        if let Ok(read) = KeyUri::parse(&text) && let Some(issuer) = read.issuer() {
            let again = KeyUri::parse(write(issuer, read.account(), read.secret(), read.parameters()).expose_secret());
            let again = again.unwrap();
            prop_assert_eq!(again.account(), read.account());
            prop_assert_eq!(again.parameters(), read.parameters());
            prop_assert_eq!(again.secret().expose_secret(), read.secret().expose_secret());
        }
    }

    #[test]
    fn anything_is_read_or_refused(text in prop_oneof![any::<String>(), "otpauth://[th]otp/.{0,40}"]) {
        let _ = KeyUri::parse(&text);
    }
}
