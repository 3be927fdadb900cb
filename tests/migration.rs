//! Exports of Google Authenticator: messages that are written here byte by byte are read, broken ones refused.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use factorgate::otp::{Algorithm, Digits, Hotp, InvalidSecret, Totp};
use factorgate::otpauth::{
    InvalidMigration, InvalidMigrationEntry, InvalidName, Issuer, KeyParameters, Migration, ParsedKeyUri, Tolerated,
};
use proptest::prelude::*;

/// Field 1, of 46 bytes: an entry. Then the version, the size, the index and the id of the batch.
const ONE_ENTRY: &[u8] = b"\x0a\x2e\
    \x0a\x1412345678901234567890\
    \x12\x0aACME:alice\
    \x1a\x04ACME\
    \x20\x01\
    \x28\x01\
    \x30\x02\
    \x10\x02\
    \x18\x03\
    \x20\x01\
    \x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";

fn uri(payload: &[u8]) -> String {
    let data = STANDARD.encode(payload).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("otpauth-migration://offline?data={data}")
}

fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    field.extend(varint(value.len() as u64));
    field.extend(value);
    field
}

fn number(number: u8, value: u64) -> Vec<u8> {
    let mut field = vec![number << 3];
    field.extend(varint(value));
    field
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut written = Vec::new();
    while value >= 0x80 {
        written.push(value as u8 | 0x80);
        value >>= 7;
    }
    written.push(value as u8);
    written
}

/// An entry as the app writes it.
fn entry(secret: &[u8], name: &str, issuer: &str, rest: [u64; 4]) -> Vec<u8> {
    let [algorithm, digits, kind, counter] = rest;
    let mut fields = [bytes(1, secret), bytes(2, name.as_bytes()), bytes(3, issuer.as_bytes())].concat();
    // A number that is zero is not written.
    for (field, value) in [(4, algorithm), (5, digits), (6, kind), (7, counter)] {
        if value != 0 {
            fields.extend(number(field, value));
        }
    }
    fields
}

fn read(entries: &[Vec<u8>]) -> Result<Vec<ParsedKeyUri>, InvalidMigration> {
    let payload: Vec<u8> = entries.iter().flat_map(|entry| bytes(1, entry)).collect();
    Migration::parse(&uri(&payload)).map(Migration::into_entries)
}

const KEY: &[u8] = b"12345678901234567890";

#[test]
fn export_is_read() {
    let migration = Migration::parse(&uri(ONE_ENTRY)).unwrap();
    assert_eq!((migration.batch_id(), migration.batch_index(), migration.batch_size()), (-1, 1, 3));
    let [entry] = migration.entries() else { panic!("{migration:?}") };
    assert_eq!(entry.secret().expose_secret(), KEY);
    assert_eq!((entry.account().as_str(), entry.issuer().map(Issuer::as_str)), ("alice", Some("ACME")));
    assert_eq!(entry.parameters(), KeyParameters::Totp(Totp::default()));
    assert_eq!(entry.tolerated(), []);
    assert_eq!(entry.compatibility(), []);
    assert!(!format!("{migration:?}").contains("123456"));
}

#[test]
fn base64_of_every_alphabet_is_read() {
    // All of these characters are in it: `+`, `/` and `=`.
    let payload = bytes(1, &entry(&[0xfb, 0xef, 0xbe, 0xff, 0xfb, 0xef, 0xbe, 0xff, 0xfb], "alice", "", [1, 1, 2, 0]));
    let (padded, bare) = (STANDARD.encode(&payload), STANDARD_NO_PAD.encode(&payload));
    assert!(padded.contains('+') && padded.contains('/') && padded.contains('='));
    for text in [
        uri(&payload),
        format!("otpauth-migration://offline?data={padded}"),
        format!("OTPAUTH-MIGRATION://OFFLINE?x=1&data={bare}&y"),
        format!("otpauth-migration://offline?d%61ta={bare}"),
    ] {
        assert_eq!(Migration::parse(&text).map(|read| read.entries().len()), Ok(1), "{text}");
    }
}

#[test]
fn parameters_are_read_and_tolerances_reported() {
    use Tolerated::*;
    let totp =
        |algorithm, digits| KeyParameters::Totp(Totp::builder().algorithm(algorithm).digits(digits).build().unwrap());
    let hotp = |counter| KeyParameters::Hotp { hotp: Hotp::default(), counter };
    for (rest, parameters, tolerated) in [
        ([1, 1, 2, 0], totp(Algorithm::Sha1, Digits::SIX), &[][..]),
        ([2, 2, 2, 0], totp(Algorithm::Sha256, Digits::EIGHT), &[]),
        ([3, 1, 2, 0], totp(Algorithm::Sha512, Digits::SIX), &[]),
        ([0, 1, 2, 0], totp(Algorithm::Sha1, Digits::SIX), &[UnspecifiedAlgorithm]),
        ([1, 0, 2, 0], totp(Algorithm::Sha1, Digits::SIX), &[UnspecifiedDigits]),
        ([1, 1, 2, 7], totp(Algorithm::Sha1, Digits::SIX), &[Counter]),
        ([1, 1, 1, 0], hotp(0), &[]),
        ([1, 1, 1, i64::MAX as u64], hotp(i64::MAX as u64), &[]),
    ] {
        let read = read(&[entry(KEY, "ACME:alice", "ACME", rest)]).unwrap();
        assert_eq!((read[0].parameters(), read[0].tolerated()), (parameters, tolerated), "{rest:?}");
    }
    for (secret, name, issuer, read_as, tolerated) in [
        (KEY, "alice", "", (None, "alice"), &[][..]),
        (KEY, "alice", "ACME", (Some("ACME"), "alice"), &[]),
        (KEY, "ACME:alice", "", (Some("ACME"), "alice"), &[]),
        (KEY, "ACME%20Co:a+b", "ACME%20Co", (Some("ACME%20Co"), "a+b"), &[]),
        (KEY, "ACME: alice", "ACME", (Some("ACME"), "alice"), &[NameSpace]),
        (KEY, ":alice", " ", (None, "alice"), &[EmptyIssuer]),
        (KEY, "A:alice", "B", (Some("B"), "alice"), &[IssuerMismatch]),
        (&KEY[..10], "é", "", (None, "é"), &[ShortSecret]),
        (&KEY[..1], "a", "", (None, "a"), &[ShortSecret]),
    ] {
        let read = &read(&[entry(secret, name, issuer, [1, 1, 2, 0])]).unwrap()[0];
        assert_eq!((read.issuer().map(Issuer::as_str), read.account().as_str()), read_as);
        assert_eq!((read.secret().expose_secret(), read.tolerated()), (secret, tolerated));
    }
}

#[test]
fn broken_entry_is_refused_and_named() {
    use InvalidMigrationEntry::*;
    let good = entry(KEY, "alice", "", [1, 1, 2, 0]);
    let with = |more: Vec<u8>| [good.clone(), more].concat();
    for (bad, why) in [
        (entry(&[], "alice", "", [1, 1, 2, 0]), Secret(InvalidSecret::Empty)),
        (entry(&[7; 513], "alice", "", [1, 1, 2, 0]), Secret(InvalidSecret::TooLong)),
        (vec![], Account(InvalidName::Empty)),
        (entry(KEY, "", "ACME", [1, 1, 2, 0]), Account(InvalidName::Empty)),
        (entry(KEY, "ACME:", "ACME", [1, 1, 2, 0]), Account(InvalidName::Empty)),
        (entry(KEY, "A:b:c", "", [1, 1, 2, 0]), Account(InvalidName::Colon)),
        (entry(KEY, "a\n", "", [1, 1, 2, 0]), Account(InvalidName::ControlCharacter)),
        (entry(KEY, "a", "A:B", [1, 1, 2, 0]), Issuer(InvalidName::Colon)),
        (entry(KEY, "alice", "", [4, 1, 2, 0]), Algorithm),
        (entry(KEY, "alice", "", [5, 1, 2, 0]), Algorithm),
        (entry(KEY, "alice", "", [1 << 32 | 1, 1, 2, 0]), Algorithm),
        (entry(KEY, "alice", "", [1, 3, 2, 0]), Digits),
        (entry(KEY, "alice", "", [1, 1, 0, 0]), Type),
        (entry(KEY, "alice", "", [1, 1, 3, 0]), Type),
        (entry(KEY, "alice", "", [1, 1, 1, -1_i64 as u64]), Counter),
        (with(bytes(1, &[8; 20])), Duplicate { number: 1 }),
        (with(number(6, 1)), Duplicate { number: 6 }),
        (with(bytes(4, &[1])), Encoding),
        ([bytes(2, b"\xff"), number(6, 2)].concat(), Encoding),
        (number(1, 7), Encoding),
        (with(vec![0x0a]), Encoding),
        (with(vec![0x0a, 0x7f, 1]), Encoding),
        (with(vec![0x82, 0x82, 0x82, 0x82, 0x82, 0x82]), Encoding),
        (with(vec![0x00, 0x01]), Encoding),
        (with(vec![0x0b, 0x0c]), Encoding),
        (with(vec![0x0f]), Encoding),
    ] {
        let expected = InvalidMigration::Entry { index: 2, source: why };
        assert_eq!(read(&[good.clone(), good.clone(), bad]).err(), Some(expected));
    }
    // Fields that are not known, of each kind that there is.
    let unknown = [number(8, 1), bytes(9, b"x"), vec![0x51; 9], vec![0x5d; 5]].concat();
    assert_eq!(read(&[with(unknown)]).unwrap().len(), 1);
}

#[test]
fn impossible_batch_is_refused() {
    let one = bytes(1, &entry(KEY, "alice", "", [1, 1, 2, 0]));
    let parsed = |more: Vec<u8>| Migration::parse(&uri(&[one.clone(), more].concat()));
    for (more, why) in [
        (number(4, 1), InvalidMigration::Batch),
        ([number(3, 2), number(4, 2)].concat(), InvalidMigration::Batch),
        (number(3, -1_i64 as u64), InvalidMigration::Batch),
        (number(5, 1 << 31), InvalidMigration::Batch),
        (bytes(3, b"2"), InvalidMigration::Encoding),
        (number(1, 2), InvalidMigration::Encoding),
        (vec![0x18], InvalidMigration::Encoding),
    ] {
        assert_eq!(parsed(more.clone()).err(), Some(why), "{more:?}");
    }
    let first = parsed(vec![]).unwrap();
    assert_eq!((first.batch_id(), first.batch_index(), first.batch_size()), (0, 0, 1));
    assert_eq!(Migration::parse(&uri(&number(3, 1))).err(), Some(InvalidMigration::NoEntry));
}

#[test]
fn text_that_is_no_uri_is_refused() {
    use InvalidMigration::*;
    for (text, why) in [
        ("", Scheme),
        ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Scheme),
        ("otpauth-migration://online?data=", Scheme),
        ("otpauth-migration://offline:1?data=", Scheme),
        ("otpauth-migration://me@offline?data=", Scheme),
        ("otpauth-migration://offline", Scheme),
        ("otpauth-migration://offline?", NoData),
        ("otpauth-migration://offline?date=Q2Fy", NoData),
        ("otpauth-migration://offline?data=", NoEntry),
        ("otpauth-migration://offline?data=CgA&data=CgA", Duplicate { position: 37 }),
        ("otpauth-migration://offline?data=CgA&%64ata=CgA", Duplicate { position: 37 }),
        ("otpauth-migration://offline?data=Cg%", Escape { position: 35 }),
        ("otpauth-migration://offline?data=Cg%FF", Escape { position: 35 }),
        ("otpauth-migration://offline?data=Cg%2B-", Base64 { position: 38 }),
        ("otpauth-migration://offline?data=Cg_A", Base64 { position: 35 }),
        ("otpauth-migration://offline?data=Cg A", Base64 { position: 35 }),
        ("otpauth-migration://offline?data=CgAAC", Base64 { position: 38 }),
        ("otpauth-migration://offline?data=CgB", Base64 { position: 35 }),
        ("otpauth-migration://offline?data=CgA#", Base64 { position: 36 }),
    ] {
        assert_eq!(Migration::parse(text).map(|_| "accepted").err(), Some(why), "{text}");
    }
    let long = format!("otpauth-migration://offline?data={}", "A".repeat(Migration::MAX_LEN));
    assert_eq!(Migration::parse(&long).err(), Some(TooLong));
}

#[test]
fn errors_name_the_entry_and_not_its_content() {
    let why = read(&[entry(KEY, "alice", "", [4, 1, 2, 0])]).unwrap_err();
    assert_eq!(why.to_string(), "entry 0 of the migration is invalid");
    let source = std::error::Error::source(&why).unwrap();
    assert_eq!(source.to_string(), "the algorithm is none of SHA1, SHA256 and SHA512");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn written_export_is_read_back(
        entries in proptest::collection::vec((
            proptest::collection::vec(any::<u8>(), 1..=40),
            "[^:\\p{C}\\p{Z}]{1,12}",
            "[^:\\p{C}\\p{Z}]{0,12}",
            1..=3_u64,
            1..=2_u64,
            proptest::option::of(0..=i64::MAX as u64),
        ), 1..10),
    ) {
        let written: Vec<Vec<u8>> = entries
            .iter()
            .map(|(secret, name, issuer, algorithm, digits, counter)| {
                let kind = if counter.is_some() { 1 } else { 2 };
                entry(secret, name, issuer, [*algorithm, *digits, kind, counter.unwrap_or(0)])
            })
            .collect();
        let read = read(&written).unwrap();
        prop_assert_eq!(read.len(), entries.len());
        for (read, (secret, name, issuer, algorithm, digits, counter)) in read.iter().zip(&entries) {
            prop_assert_eq!(read.secret().expose_secret(), secret.as_slice());
            prop_assert_eq!(read.account().as_str(), name);
            prop_assert_eq!(read.issuer().map_or("", Issuer::as_str), issuer);
            let algorithm = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512][*algorithm as usize - 1];
            let digits = [Digits::SIX, Digits::EIGHT][*digits as usize - 1];
            prop_assert_eq!(read.parameters(), match *counter {
                Some(counter) => KeyParameters::Hotp { hotp: Hotp::new(algorithm, digits), counter },
                None => KeyParameters::Totp(Totp::builder().algorithm(algorithm).digits(digits).build().unwrap()),
            });
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        text in any::<String>(),
    ) {
        let _ = Migration::parse(&uri(&payload));
        let _ = Migration::parse(&uri(&bytes(1, &payload)));
        let _ = Migration::parse(&format!("otpauth-migration://offline?data={text}"));
        let mut edited = ONE_ENTRY.to_vec();
        for (at, byte) in edits {
            let at = at.index(edited.len());
            edited[at] = byte;
        }
        let _ = Migration::parse(&uri(&edited));
        for len in 0..ONE_ENTRY.len() {
            let _ = Migration::parse(&uri(&ONE_ENTRY[..len]));
        }
    }
}
