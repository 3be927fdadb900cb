//! Secrets as base32, as people type them.

use factorgate::otp::{InvalidSecret, Secret};

const RFC_KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[test]
fn what_people_type_is_read() {
    for text in [
        RFC_KEY,
        "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
        "GEZD-GNBV-GY3T-QOJQ GEZD GNBV GY3T QOJQ",
        " GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ-",
    ] {
        let secret = Secret::from_base32(text).unwrap();
        assert_eq!(secret.expose_secret(), b"12345678901234567890", "{text}");
        assert_eq!(secret.to_base32().expose_secret(), RFC_KEY);
    }
}

#[test]
fn padding_is_that_of_rfc4648_or_none() {
    let mut accepted = 0;
    for letters in 26..=32 {
        let text = "GEZDGNBVGY3TQOJQGEZDGNBVGA7A2AAA";
        let text = format!("{}A", &text[..letters - 1]);
        for padding in 0..=8 {
            let padded = format!("{text}{}", "=".repeat(padding));
            let right = matches!((letters % 8, padding), (2, 6) | (4, 4) | (5, 3) | (7, 1));
            match Secret::from_base32(&padded) {
                Ok(secret) => {
                    accepted += 1;
                    assert!(right || padding == 0, "{padded}");
                    assert_eq!(secret.to_base32().expose_secret(), text);
                }
                Err(InvalidSecret::PaddingLength { position }) => {
                    assert_eq!(position, letters);
                    assert!(!right, "{padded}");
                }
                Err(why) => assert_eq!(why, InvalidSecret::Length { position: letters - 1 }, "{padded}"),
            }
        }
    }
    assert_eq!(accepted, 5 + 4, "26, 28, 29, 31 and 32 letters; the first four also with padding");
}

#[test]
fn anything_else_is_refused_with_its_place() {
    use InvalidSecret::*;
    for (text, why) in [
        ("", Empty),
        (" - ", Empty),
        ("======", PaddingLength { position: 0 }),
        ("GEZDGNBVGY3TQOJQ", TooShort),
        ("GEZDGNBVGY3TQOJQGEZDGNBVG1", Character { position: 25 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVG8", Character { position: 25 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVG9", Character { position: 25 }),
        ("0EZDGNBVGY3TQOJQGEZDGNBVGY", Character { position: 0 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVGÄ", Character { position: 25 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVGY\n", Character { position: 26 }),
        ("GEZDGNBVGY3TQOJQ\u{a0}GEZDGNBVGY", Character { position: 16 }),
        ("GEZDGNBVGY3TQOJQ=EZDGNBVGY", Padding { position: 17 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVGY======A", Padding { position: 32 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVGY =====", PaddingLength { position: 27 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVG", Length { position: 24 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVGY3", Length { position: 26 }),
        ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQO ", Length { position: 29 }),
        ("GEZD GNBVGY3TQOJQGEZDGNBVGZ ", TrailingBits { position: 26 }),
    ] {
        assert_eq!(Secret::from_base32(text).err(), Some(why), "{text}");
    }
    assert_eq!(Secret::from_base32(&"A".repeat(1 << 20)).err(), Some(TooLong));
    assert_eq!(Secret::from_base32(&"A".repeat(1024)).err(), Some(TooLong));
}

#[test]
fn a_legacy_secret_may_be_short_and_is_checked_all_the_same() {
    use InvalidSecret::*;
    for len in 1..=Secret::MAX_LEN {
        let secret = Secret::from_legacy_bytes(&vec![0x5a; len]).unwrap();
        assert_eq!(secret.is_short(), len < Secret::MIN_LEN);
        let read = Secret::from_legacy_base32(secret.to_base32().expose_secret()).unwrap();
        assert_eq!(read.expose_secret(), secret.expose_secret());
    }
    assert_eq!(Secret::from_legacy_bytes(&[]).err(), Some(Empty));
    assert_eq!(Secret::from_legacy_bytes(&[1; 513]).err(), Some(TooLong));
    for (text, why) in [
        ("", Empty),
        ("A", Length { position: 0 }),
        ("ABC", Length { position: 2 }),
        ("AB", TrailingBits { position: 1 }),
        ("AA=====", PaddingLength { position: 2 }),
        ("AA=A", Padding { position: 3 }),
        ("A8", Character { position: 1 }),
    ] {
        assert_eq!(Secret::from_legacy_base32(text).err(), Some(why), "{text}");
    }
    assert_eq!(Secret::from_legacy_base32("aa======").unwrap().expose_secret(), [0]);
}

#[test]
fn refusals_name_the_place_and_never_what_stood_there() {
    for (text, shown) in [
        ("GEZD1", "the secret key has a character at position 4 that is none of A-Z and 2-7"),
        ("GEZDG", "the secret key is shorter than 16 bytes"),
        ("GEZ", "the secret key, which ends at position 2, has an impossible number of letters"),
        ("GE=D", "the secret key goes on at position 3, after its padding"),
        ("GE=", "the padding of the secret key, at position 2, does not fit its letters: some are missing or too many"),
        ("GEZDGNBVGY3TQOJQGEZDGNBVGZ", "the last letter of the secret key, at position 25, is mistyped"),
    ] {
        assert_eq!(format!("{}", Secret::from_base32(text).unwrap_err()), shown);
    }
}

#[test]
fn u04_text_is_that_of_rfc4648_for_every_length() {
    for len in 16..=512 {
        let bytes: Vec<u8> = (0..len).map(|i: usize| (i * 37 + len) as u8).collect();
        let text = Secret::from_bytes(&bytes).unwrap().to_base32();
        assert_eq!(text.expose_secret(), base32::encode(base32::Alphabet::Rfc4648 { padding: false }, &bytes));
        assert_eq!(Secret::from_base32(text.expose_secret()).unwrap().expose_secret(), bytes);
    }
}
