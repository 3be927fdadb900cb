//! Key URIs: what is written is read back; what is broken is refused.

use factorgate::otp::{Algorithm, Digits, Hotp, InvalidSecret, Secret, Totp};
use factorgate::otpauth::{
    AccountName, CompatibilityWarning, InvalidKeyUri, InvalidName, Issuer, KeyParameters, KeyUri, ParsedKeyUri,
    Tolerated,
};
use proptest::prelude::*;

const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn read(uri: &str) -> Result<ParsedKeyUri, InvalidKeyUri> {
    KeyUri::parse(&uri.replace("KEY", KEY))
}

fn read_leniently(uri: &str) -> Result<ParsedKeyUri, InvalidKeyUri> {
    KeyUri::parse_lenient(&uri.replace("KEY", KEY))
}

fn issuer(read: &ParsedKeyUri) -> Option<&str> {
    read.issuer().map(Issuer::as_str)
}

/// U01, U05.
#[test]
fn uris_of_other_systems_are_read() {
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
        ("otpauth://totp/a?image=https://example.com/a?b&flag&x=1&x=2&secret=KEY", None, "a"),
        ("otpauth://totp/a?secret=KEY&encoder=", None, "a"),
        ("otpauth://totp/a?secret=KEY&counter=x", None, "a"),
    ] {
        let read = read(uri).unwrap_or_else(|why| panic!("{uri}: {why}"));
        assert_eq!((issuer(&read), read.account().as_str()), (issuer_read, account), "{uri}");
        assert!(!read.has_two_issuers(), "{uri}");
        assert_eq!(read.parameters(), KeyParameters::Totp(Totp::default()), "{uri}");
        assert_eq!(read.secret().expose_secret(), b"12345678901234567890");
    }
}

/// U06 to U08.
#[test]
fn parameters_are_read() {
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

/// U05.
#[test]
fn two_issuers_are_reported_and_not_refused() {
    let read = read("otpauth://totp/Example:alice?secret=KEY&issuer=example.com").unwrap();
    assert!(read.has_two_issuers());
    assert_eq!(issuer(&read), Some("example.com"));
}

/// U02, U03, U10, G8, N05 to N07.
#[test]
fn broken_uris_are_refused() {
    use InvalidKeyUri::*;
    for (uri, why) in [
        ("", Scheme),
        ("otpauth:/", Scheme),
        ("nototpauth://totp/a?secret=KEY", Scheme),
        ("http://totp/a?secret=KEY", Scheme),
        (" otpauth://totp/a?secret=KEY", Scheme),
        ("otpauth://", Type { position: 10 }),
        ("otpauth://totp", Account { position: 14, source: InvalidName::Empty }),
        ("otpauth:///a?secret=KEY", Type { position: 10 }),
        ("otpauth://totp?secret=KEY", Account { position: 14, source: InvalidName::Empty }),
        ("otpauth://foo/a?secret=KEY", Type { position: 10 }),
        ("otpauth://steam/a?secret=KEY", Type { position: 10 }),
        ("otpauth://totp2/a?secret=KEY", Type { position: 10 }),
        ("otpauth://tot%70/a?secret=KEY", Type { position: 10 }),
        ("otpauth://user@totp/a?secret=KEY", UserInfo { position: 10 }),
        ("otpauth://user:word@totp/a?secret=KEY", UserInfo { position: 10 }),
        ("otpauth://totp:1/a?secret=KEY", Port { position: 14 }),
        ("otpauth://totp:/a?secret=KEY", Port { position: 14 }),
        ("otpauth://totp/a", NoSecret),
        ("otpauth://totp/a?", NoSecret),
        ("otpauth://totp/a?secret2=KEY", NoSecret),
        ("otpauth://totp/?secret=KEY", Account { position: 15, source: InvalidName::Empty }),
        ("otpauth://totp/%20?secret=KEY", Account { position: 15, source: InvalidName::Empty }),
        ("otpauth://totp/A:?secret=KEY", Account { position: 17, source: InvalidName::Empty }),
        ("otpauth://totp/A:b:c?secret=KEY", Account { position: 17, source: InvalidName::Colon }),
        ("otpauth://totp/A:b%3Ac?secret=KEY", Account { position: 17, source: InvalidName::Colon }),
        ("otpauth://totp/A%3ab:c?secret=KEY", Account { position: 19, source: InvalidName::Colon }),
        ("otpauth://totp/A:b%0A?secret=KEY", Account { position: 17, source: InvalidName::ControlCharacter }),
        ("otpauth://totp/a?secret=KEY&issuer=A%3AB", Issuer { position: 64, source: InvalidName::Colon }),
        ("otpauth://totp/a/b?secret=KEY", Character { position: 16 }),
        ("otpauth://totp/a?secret=KEY\n", Character { position: 56 }),
        ("otpauth://totp/a\tb?secret=KEY", Character { position: 16 }),
        ("otpauth://totp/a#b?secret=KEY", Fragment { position: 16 }),
        ("otpauth://totp/a?secret=KEY#", Fragment { position: 56 }),
        ("otpauth://totp#/a?secret=KEY", Fragment { position: 14 }),
        ("otpauth://totp/a%?secret=KEY", Escape { position: 16 }),
        ("otpauth://totp/a%2?secret=KEY", Escape { position: 16 }),
        ("otpauth://totp/A:%+1?secret=KEY", Escape { position: 17 }),
        ("otpauth://totp/a%zz?secret=KEY", Escape { position: 16 }),
        ("otpauth://totp/a%FF?secret=KEY", Escape { position: 16 }),
        ("otpauth://totp/%C3%A9%C3?secret=KEY", Escape { position: 21 }),
        ("otpauth://totp/a?%FF=1&secret=KEY", Escape { position: 17 }),
        ("otpauth://totp/a?x=%FF&secret=KEY", Escape { position: 19 }),
        ("otpauth://totp/a?secret=KEY&counter=%zz", Escape { position: 65 }),
        ("otpauth://totp/a?secret=KEY&secret=KEY", Duplicate { position: 57 }),
        ("otpauth://totp/a?secret=KEY&SECRET=KEY", Duplicate { position: 57 }),
        ("otpauth://totp/a?secret=KEY&%73ecret=KEY", Duplicate { position: 57 }),
        ("otpauth://totp/a?secret=KEY&digits=6&digits=6", Duplicate { position: 66 }),
        ("otpauth://totp/a?secret=KEY&counter=1&counter=1", Duplicate { position: 67 }),
        ("otpauth://totp/a?secret=KEY&encoder=steam", Encoder { position: 57 }),
        ("otpauth://totp/a?secret=KEY&steam", Encoder { position: 57 }),
        ("otpauth://totp/a?secret=", Secret { position: 24, source: InvalidSecret::Empty }),
        ("otpauth://totp/a?secret", Secret { position: 23, source: InvalidSecret::Empty }),
        ("otpauth://totp/a?secret=KEY1", Secret { position: 56, source: InvalidSecret::Character { position: 32 } }),
        ("otpauth://totp/a?secret=%4B0", Secret { position: 27, source: InvalidSecret::Character { position: 1 } }),
        ("otpauth://totp/a?secret=KEY+", Secret { position: 56, source: InvalidSecret::Character { position: 32 } }),
        ("otpauth://totp/a?secret=KEYA", Secret { position: 56, source: InvalidSecret::Length { position: 32 } }),
        (
            "otpauth://totp/a?secret=KEY%3D",
            Secret { position: 56, source: InvalidSecret::PaddingLength { position: 32 } },
        ),
        ("otpauth://totp/a?secret=AA=KEY", Secret { position: 27, source: InvalidSecret::Padding { position: 3 } }),
        ("otpauth://totp/a?secret=KEY&algorithm=MD5", Algorithm { position: 67 }),
        ("otpauth://totp/a?secret=KEY&algorithm=", Algorithm { position: 67 }),
        ("otpauth://totp/a?secret=KEY&algorithm=SHA-224", Algorithm { position: 67 }),
        ("otpauth://totp/a?secret=KEY&algorithm=SHA--1", Algorithm { position: 67 }),
        ("otpauth://totp/a?secret=KEY&digits=1", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&digits=5", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&digits=11", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&digits=262", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&digits=", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&digits=+6", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&digits=6_0", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&digits=%36", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&digits=%EF%BC%98", Digits { position: 64 }),
        ("otpauth://totp/a?secret=KEY&period=0", Period { position: 64 }),
        ("otpauth://totp/a?secret=KEY&period=-30", Period { position: 64 }),
        ("otpauth://totp/a?secret=KEY&period=86401", Period { position: 64 }),
        ("otpauth://totp/a?secret=KEY&period=18446744073709551646", Period { position: 64 }),
        ("otpauth://totp/a?secret=KEY&period=", Period { position: 64 }),
        ("otpauth://hotp/a?secret=KEY", NoCounter),
        ("otpauth://hotp/a?secret=KEY&counter=", Counter { position: 65 }),
        ("otpauth://hotp/a?secret=KEY&counter=-5", Counter { position: 65 }),
        ("otpauth://hotp/a?secret=KEY&counter=18446744073709551616", Counter { position: 65 }),
    ] {
        assert_eq!(read(uri).map(|_| "accepted").err(), Some(why), "{uri}");
        assert_eq!(read_leniently(uri).map(|_| "accepted").err(), Some(why), "{uri}, leniently");
    }
    let long = format!("otpauth://totp/a?secret={KEY}&x={}", "x".repeat(KeyUri::MAX_LEN));
    assert_eq!(KeyUri::parse(&long).err(), Some(TooLong));
    assert_eq!(KeyUri::parse_lenient(&long).err(), Some(TooLong));
    assert!(KeyUri::parse(&long[..KeyUri::MAX_LEN]).is_ok());
}

#[test]
fn only_the_lenient_reader_tolerates_these() {
    use InvalidKeyUri::*;
    let short = InvalidSecret::TooShort;
    for (uri, why, tolerated) in [
        ("otpauth://totp/a b?secret=KEY", Character { position: 16 }, Tolerated::Unencoded),
        ("otpauth://totp/é?secret=KEY", Character { position: 15 }, Tolerated::Unencoded),
        ("otpauth://totp/a?secret=KEY&issuer=<é>", Character { position: 64 }, Tolerated::Unencoded),
        ("otpauth://totp/:a?secret=KEY", Issuer { position: 15, source: InvalidName::Empty }, Tolerated::EmptyIssuer),
        (
            "otpauth://totp/%20:a?secret=KEY",
            Issuer { position: 15, source: InvalidName::Empty },
            Tolerated::EmptyIssuer,
        ),
        (
            "otpauth://totp/a?secret=KEY&issuer=",
            Issuer { position: 64, source: InvalidName::Empty },
            Tolerated::EmptyIssuer,
        ),
        ("otpauth://totp/a?secret=KEY%20", Character { position: 56 }, Tolerated::SecretSeparators),
        ("otpauth://totp/a?secret=%4BA%2DKEY", Character { position: 28 }, Tolerated::SecretSeparators),
        ("otpauth://totp/a?secret=JBSWY3DPEHPK3PXP", Secret { position: 24, source: short }, Tolerated::ShortSecret),
        (
            "otpauth://totp/a?secret=KEYAB",
            Secret { position: 57, source: InvalidSecret::TrailingBits { position: 33 } },
            Tolerated::TrailingBits,
        ),
    ] {
        assert_eq!(read(uri).map(|_| "accepted").err(), Some(why), "{uri}");
        let read = read_leniently(uri).unwrap_or_else(|why| panic!("{uri}: {why}"));
        assert!(read.tolerated().contains(&tolerated), "{uri}: {:?}", read.tolerated());
    }
}

#[test]
fn what_both_readers_tolerate_is_reported() {
    use Tolerated::*;
    for (uri, expected) in [
        ("otpauth://totp/A:b?secret=KEY&issuer=A", &[][..]),
        ("otpauth://hotp/A:b?secret=KEY&issuer=A&algorithm=SHA256&digits=8&counter=0", &[]),
        ("otpauth://totp/A:b?secret=KEY&issuer=A&algorithm=sha1", &[AlgorithmSpelling]),
        ("otpauth://totp/A:b?secret=KEY&issuer=A&algorithm=SHA-1", &[AlgorithmSpelling]),
        ("otpauth://totp/A:b?secret=KEY&issuer=A&counter=x", &[Counter]),
        ("otpauth://totp/A%3Ab?secret=KEY&issuer=A", &[EscapedColon]),
        ("otpauth://totp/A:b?secret=KEY&issuer=B", &[IssuerMismatch]),
        ("otpauth://totp/A:b?secret=KEY&issuer=A&digits=06", &[LeadingZero]),
        ("otpauth://hotp/A:b?secret=KEY&issuer=A&counter=00", &[LeadingZero]),
        ("otpauth://totp/A:b?secret=kEY&issuer=A", &[LowerCase]),
        ("otpauth://totp/A:%20b?secret=KEY&issuer=A", &[NameSpace]),
        ("otpauth://totp/A%20:b?secret=KEY&issuer=A", &[NameSpace]),
        ("otpauth://totp/A:b?secret=KEYAA%3d=====&issuer=A", &[Padding]),
        ("otpauth://totp/A:b?Secret=KEY&issuer=A", &[ParameterName]),
        ("otpauth://totp/A:b?%73ecret=KEY&issuer=A", &[ParameterName]),
        ("otpauth://hotp/A:b?secret=KEY&issuer=A&counter=0&period=x", &[Period]),
        ("otpauth://totp/A+B:b?secret=KEY&issuer=A+B", &[Plus]),
        ("otpauth://TOTP/A:b?secret=KEY&issuer=A", &[SchemeOrType]),
        ("Otpauth://totp/A:b?secret=KEY&issuer=A", &[SchemeOrType]),
        ("otpauth://totp/A:b?secret=KEY&issuer=A&x=1&y&x=2&image=", &[UnknownParameter]),
        (
            "OTPAUTH://TOTP/A%3A%20b?SECRET=kEY&issuer=B+C&algorithm=sha256&period=030&counter&z",
            &[
                AlgorithmSpelling,
                Counter,
                EscapedColon,
                IssuerMismatch,
                LeadingZero,
                LowerCase,
                NameSpace,
                ParameterName,
                Plus,
                SchemeOrType,
                UnknownParameter,
            ],
        ),
    ] {
        // A key that begins with a small letter stands for one.
        let uri = uri.replace("kEY", &KEY.to_lowercase());
        assert_eq!(read(&uri).unwrap_or_else(|why| panic!("{uri}: {why}")).tolerated(), expected, "{uri}");
        assert_eq!(read_leniently(&uri).unwrap().tolerated(), expected, "{uri}, leniently");
    }
}

#[test]
fn plus_is_a_space_for_the_lenient_reader_only() {
    for (uri, strict, lenient) in [
        ("otpauth://totp/a?secret=KEY&issuer=A+Co", "A+Co", "A Co"),
        ("otpauth://totp/A%20Co:a?secret=KEY&issuer=A+Co", "A+Co", "A Co"),
        ("otpauth://totp/A+Co:a?secret=KEY&issuer=A+Co", "A+Co", "A+Co"),
        ("otpauth://totp/A%2BCo:a?secret=KEY&issuer=A+Co", "A+Co", "A+Co"),
        ("otpauth://totp/A+Co:a?secret=KEY", "A+Co", "A+Co"),
        ("otpauth://totp/a?secret=KEY&issuer=A%2BCo", "A+Co", "A+Co"),
        ("otpauth://totp/a?secret=KEY&issuer=A+%2B+B", "A+++B", "A + B"),
    ] {
        assert_eq!(issuer(&read(uri).unwrap()), Some(strict), "{uri}");
        assert_eq!(issuer(&read_leniently(uri).unwrap()), Some(lenient), "{uri}");
    }
}

#[test]
fn errors_name_the_place_and_not_the_secret() {
    let shown = |uri: &str| {
        let why = read(uri).unwrap_err();
        let source = std::error::Error::source(&why).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{why}{source}")
    };
    for (uri, expected) in [
        ("otpauth://totp/a?secret=KEY&secret=KEY", "the Key URI repeats a parameter at position 57"),
        ("otpauth://totp/a b", "the Key URI has a character at position 16 that may not stand there"),
        (
            "otpauth://totp/a?secret=KEY&digits=5",
            "the digits of the Key URI, at position 64, are no number from 6 to 10",
        ),
        (
            "otpauth://totp/a?secret=KEY1",
            "the secret of the Key URI is invalid at position 56: \
             the secret key has a character at position 32 that is none of A-Z and 2-7",
        ),
        (
            "otpauth://totp/A:b:c?secret=KEY",
            "the account of the Key URI, at position 17, is invalid: a name in a Key URI may hold no colon",
        ),
    ] {
        assert_eq!(shown(uri), expected);
    }
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

    /// D22, P1.
    #[test]
    fn written_uri_is_read_back((issuer, account, bytes, parameters) in key_uri()) {
        let uri = write(&issuer, &account, &Secret::from_bytes(&bytes).unwrap(), parameters);
        for read in [KeyUri::parse(uri.expose_secret()).unwrap(), KeyUri::parse_lenient(uri.expose_secret()).unwrap()] {
            prop_assert_eq!(read.issuer(), Some(&issuer));
            prop_assert_eq!(read.label_issuer(), Some(&issuer));
            prop_assert_eq!(read.account(), &account);
            prop_assert_eq!(read.parameters(), parameters);
            prop_assert_eq!(read.secret().expose_secret(), bytes.as_slice());
            prop_assert!(!read.has_two_issuers());
            prop_assert_eq!(read.tolerated(), &[]);
            prop_assert_eq!(read.compatibility(), uri.compatibility());
            let again = write(read.issuer().unwrap(), read.account(), read.secret(), read.parameters());
            prop_assert_eq!(again.expose_secret(), uri.expose_secret());
        }
        prop_assert!(uri.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()));
        let (shown, base32) = (uri.secret_base32(), Secret::from_bytes(&bytes).unwrap().to_base32());
        prop_assert_eq!(shown.expose_secret(), base32.expose_secret());
    }

    #[test]
    fn legacy_secret_is_read_leniently(
        (issuer, account, _, parameters) in key_uri(),
        bytes in proptest::collection::vec(any::<u8>(), 1..16),
    ) {
        let uri = write(&issuer, &account, &Secret::from_legacy_bytes(&bytes).unwrap(), parameters);
        let refusal = KeyUri::parse(uri.expose_secret()).err();
        let is_too_short = matches!(refusal, Some(InvalidKeyUri::Secret { source: InvalidSecret::TooShort, .. }));
        prop_assert!(is_too_short, "{:?}", refusal);
        let read = KeyUri::parse_lenient(uri.expose_secret()).unwrap();
        prop_assert_eq!(read.tolerated(), [Tolerated::ShortSecret]);
        prop_assert_eq!(read.secret().expose_secret(), bytes.as_slice());
        prop_assert!(uri.compatibility().contains(&CompatibilityWarning::SecretShort));
    }

    #[test]
    fn read_uri_keeps_its_meaning_when_written(
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
        let (strict, lenient) = (KeyUri::parse(&text), KeyUri::parse_lenient(&text));
        for read in [&strict, &lenient].into_iter().flatten() {
            let Some(issuer) = read.issuer() else { continue };
            let again = write(issuer, read.account(), read.secret(), read.parameters());
            let again = KeyUri::parse_lenient(again.expose_secret()).unwrap();
            prop_assert_eq!(again.account(), read.account());
            prop_assert_eq!(again.parameters(), read.parameters());
            prop_assert_eq!(again.secret().expose_secret(), read.secret().expose_secret());
        }
        // What the strict reader takes, the lenient one takes for the same, but for a plus in the issuer.
        if let Ok(strict) = strict {
            let lenient = lenient.unwrap();
            prop_assert_eq!(lenient.account(), strict.account());
            prop_assert_eq!(lenient.parameters(), strict.parameters());
            prop_assert_eq!(lenient.secret().expose_secret(), strict.secret().expose_secret());
            if lenient.issuer() != strict.issuer() {
                prop_assert!(lenient.tolerated().contains(&Tolerated::Plus));
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![
        any::<String>(),
        "otpauth://[th]otp/.{0,40}",
        "otpauth://[th]otp/([a:%é +]|%[0-9A-F]{2}){1,9}\\?secret=[A-Za-z2-9 =-]{0,40}(&[a-z]{1,9}=.{0,9}){0,3}",
    ]) {
        for refusal in [KeyUri::parse(&text).err(), KeyUri::parse_lenient(&text).err()].into_iter().flatten() {
            // A place that is named is one within the text, and at the beginning of a character.
            let shown = refusal.to_string();
            if let Some((_, place)) = shown.split_once("position ") {
                let digits = place.split(|c: char| !c.is_ascii_digit()).next().unwrap();
                prop_assert!(text.is_char_boundary(digits.parse().unwrap()), "{}", shown);
            }
        }
    }
}
