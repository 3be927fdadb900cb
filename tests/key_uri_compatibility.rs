//! What authenticator apps make of a Key URI, a test for each warning.

use std::collections::HashSet;

use factorgate::otp::{Algorithm, Digits, Hotp, Secret, Totp};
use factorgate::otpauth::CompatibilityWarning::*;
use factorgate::otpauth::{AccountName, CompatibilityLevel, CompatibilityWarning, Issuer, KeyUri};

fn totp(algorithm: Algorithm, digits: u8, period: u64) -> Totp {
    let digits = Digits::new(digits).unwrap();
    Totp::builder().algorithm(algorithm).digits(digits).period_secs(period).build().unwrap()
}

fn written(issuer: &str, account: &str, secret_len: usize, totp: &Totp) -> KeyUri {
    let (issuer, account) = (Issuer::new(issuer).unwrap(), AccountName::new(account).unwrap());
    let secret = Secret::from_legacy_bytes(&vec![0x5a; secret_len]).unwrap();
    KeyUri::totp(&issuer, &account, &secret, totp).unwrap()
}

fn counting(hotp: Hotp, counter: u64) -> Vec<CompatibilityWarning> {
    let (issuer, account) = (Issuer::new("ACME").unwrap(), AccountName::new("alice").unwrap());
    KeyUri::hotp(&issuer, &account, &Secret::from_bytes(&[7; 20]).unwrap(), &hotp, counter).compatibility()
}

#[test]
fn unusual_parameters_are_reported() {
    for (algorithm, digits, period, expected) in [
        (Algorithm::Sha1, 6, 30, &[][..]),
        (Algorithm::Sha256, 6, 30, &[AlgorithmNotSha1]),
        (Algorithm::Sha512, 6, 30, &[AlgorithmNotSha1]),
        (Algorithm::Sha1, 7, 30, &[UnusualDigits]),
        (Algorithm::Sha1, 8, 30, &[EightDigits]),
        (Algorithm::Sha1, 9, 30, &[UnusualDigits]),
        (Algorithm::Sha1, 10, 30, &[UnusualDigits]),
        (Algorithm::Sha1, 6, 10, &[PeriodNotThirty]),
        (Algorithm::Sha1, 6, 60, &[PeriodNotThirty]),
        (Algorithm::Sha1, 6, 90, &[PeriodNotThirty]),
        (Algorithm::Sha1, 6, 1, &[PeriodUnusual]),
        (Algorithm::Sha1, 6, 29, &[PeriodUnusual]),
        (Algorithm::Sha1, 6, 31, &[PeriodUnusual]),
        (Algorithm::Sha1, 6, 86_400, &[PeriodUnusual]),
        (Algorithm::Sha512, 8, 60, &[AlgorithmNotSha1, EightDigits, PeriodNotThirty]),
    ] {
        let uri = written("ACME Co", "alice@example.com", 20, &totp(algorithm, digits, period));
        assert_eq!(uri.compatibility(), expected, "{algorithm} {digits} {period}");
    }
}

#[test]
fn counters_are_reported() {
    let sha256 = Hotp::new(Algorithm::Sha256, Digits::EIGHT);
    assert_eq!(counting(Hotp::default(), 0), [Hotp]);
    assert_eq!(counting(Hotp::default(), (1 << 31) - 1), [Hotp]);
    assert_eq!(counting(Hotp::default(), 1 << 31), [Hotp, HotpCounterOver31Bits]);
    assert_eq!(counting(sha256, u64::MAX), [AlgorithmNotSha1, EightDigits, Hotp, HotpCounterOver31Bits]);
}

#[test]
fn unusual_secrets_are_reported() {
    for len in 1..=80 {
        let mut expected = Vec::new();
        expected.extend((len < 16).then_some(SecretShort));
        expected.extend((len > 64).then_some(SecretOver64Bytes));
        expected.extend((16..20).contains(&len).then_some(SecretNot20Bytes));
        expected.extend((len % 5 != 0).then_some(SecretTrailingBits));
        assert_eq!(written("ACME", "alice", len, &Totp::default()).compatibility(), expected, "{len} bytes");
    }
}

#[test]
fn unusual_names_are_reported() {
    let a = |len| "a".repeat(len);
    let e = |len| "é".repeat(len);
    for (issuer, account, expected) in [
        (a(30), a(33), &[][..]),
        (a(30), a(34), &[LabelTooLong]),
        (a(31), a(5), &[IssuerCut]),
        (a(5), a(40), &[]),
        (a(5), a(41), &[AccountCut]),
        (e(15), a(33), &[NonAscii]),
        (e(15), a(34), &[LabelTooLong, NonAscii]),
        (e(29), a(4), &[UriLong, NonAscii]),
        (a(5), e(5), &[NonAscii]),
        ("A&B".into(), a(5), &[NameWholeUriDecode]),
        (a(5), "a#b".into(), &[NameWholeUriDecode]),
        (a(5), "a%b".into(), &[NameWholeUriDecode]),
        ("A?".into(), a(5), &[NameWholeUriDecode]),
        ("A+B".into(), a(5), &[NameWholeUriDecode, NamePlus]),
        (a(5), "alice+work@example.com".into(), &[NameWholeUriDecode, NamePlus]),
    ] {
        let uri = written(&issuer, &account, 20, &Totp::default());
        assert_eq!(uri.compatibility(), expected, "{issuer} {account}");
    }
    // A security key keeps `60/` before the names.
    let minute = totp(Algorithm::Sha1, 6, 60);
    assert_eq!(written(&a(30), &a(30), 20, &minute).compatibility(), [PeriodNotThirty]);
    assert_eq!(written(&a(30), &a(31), 20, &minute).compatibility(), [PeriodNotThirty, LabelTooLong]);
}

#[test]
fn long_uris_and_large_qr_codes_are_reported() {
    let mut seen = HashSet::new();
    for len in 2..=254 {
        let uri = written("ACME", &"é".repeat(len / 2), 20, &Totp::default());
        let long = uri.compatibility().contains(&UriLong);
        assert_eq!(long, uri.expose_secret().len() > 412);
        // Version 15 has 77 modules on each side.
        assert!(long || uri.qr().unwrap().width() <= 77, "{len}");
        seen.insert(long);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn uris_of_other_libraries_are_reported() {
    const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    for (uri, expected) in [
        ("otpauth://totp/alice?secret=KEY", &[IssuerMissing][..]),
        ("otpauth://totp/ACME:alice?secret=KEY", &[]),
        ("otpauth://totp/alice?secret=KEY&issuer=ACME", &[]),
        ("otpauth://totp/ACME:alice?secret=KEY&image=https://example.com/a.png", &[ImageParam]),
        ("otpauth://totp/ACME:alice?secret=KEY&IMAGE=", &[ImageParam]),
    ] {
        let uri = uri.replace("KEY", KEY);
        assert_eq!(KeyUri::parse(&uri).unwrap().compatibility(), expected, "{uri}");
    }
    let long = format!("otpauth://totp/ACME:alice?secret={KEY}&x={}", "x".repeat(400));
    assert_eq!(KeyUri::parse(&long).unwrap().compatibility(), [UriLong]);
}

#[test]
fn each_warning_has_a_level_a_text_and_its_apps() {
    let all = [
        (AccountCut, CompatibilityLevel::Note),
        (AlgorithmNotSha1, CompatibilityLevel::Break),
        (EightDigits, CompatibilityLevel::Break),
        (Hotp, CompatibilityLevel::Break),
        (HotpCounterOver31Bits, CompatibilityLevel::Warn),
        (ImageParam, CompatibilityLevel::Note),
        (IssuerCut, CompatibilityLevel::Note),
        (IssuerMissing, CompatibilityLevel::Warn),
        (LabelTooLong, CompatibilityLevel::Warn),
        (NamePlus, CompatibilityLevel::Warn),
        (NameWholeUriDecode, CompatibilityLevel::Warn),
        (NonAscii, CompatibilityLevel::Note),
        (PeriodNotThirty, CompatibilityLevel::Break),
        (PeriodUnusual, CompatibilityLevel::Break),
        (SecretNot20Bytes, CompatibilityLevel::Note),
        (SecretOver64Bytes, CompatibilityLevel::Warn),
        (SecretShort, CompatibilityLevel::Break),
        (SecretTrailingBits, CompatibilityLevel::Note),
        (UnusualDigits, CompatibilityLevel::Break),
        (UriLong, CompatibilityLevel::Warn),
    ];
    let texts: HashSet<String> = all.iter().map(|(warning, _)| warning.to_string()).collect();
    assert_eq!(texts.len(), all.len());
    for (warning, level) in all {
        assert_eq!(warning.level(), level, "{warning:?}");
        assert_eq!(warning.apps().is_empty(), matches!(warning, NonAscii | UriLong), "{warning:?}");
    }
    assert!(
        CompatibilityLevel::Break > CompatibilityLevel::Warn && CompatibilityLevel::Warn > CompatibilityLevel::Note
    );
}
