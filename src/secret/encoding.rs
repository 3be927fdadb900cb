//! Base32 (RFC 4648 section 6), both ways.

use alloc::string::String;

use zeroize::Zeroizing;

use super::{InvalidSecret, Secret, check_len};

impl Secret {
    /// Reads base32 of at least `min_len` bytes, and tells how it was spelled.
    pub(crate) fn read_base32(
        text: &str,
        min_len: usize,
        trailing_bits: TrailingBits,
    ) -> Result<(Self, Spelling), InvalidSecret> {
        // Two thirds of the room are for separators.
        if text.len() > 3 * Self::MAX_LEN * 8 / 5 {
            return Err(InvalidSecret::TooLong);
        }
        let mut spelling = Spelling::default();
        let (mut count, mut last, mut padding, mut padding_len) = (0, 0, None, 0);
        for (position, byte) in text.bytes().enumerate() {
            match byte {
                b' ' | b'-' => spelling.separators = true,
                b'=' => {
                    padding.get_or_insert(position);
                    padding_len += 1;
                }
                _ if padding.is_some() => return Err(InvalidSecret::Padding { position }),
                b'A'..=b'Z' | b'a'..=b'z' | b'2'..=b'7' => {
                    spelling.lower_case |= byte.is_ascii_lowercase();
                    count += 1;
                    last = position;
                }
                _ => return Err(InvalidSecret::Character { position }),
            }
        }
        // RFC 4648 section 6: the letters of a last group that is not full, and the padding that fills it.
        let full = match count % 8 {
            0 => 0,
            2 => 6,
            4 => 4,
            5 => 3,
            7 => 1,
            _ => return Err(InvalidSecret::Length { position: last }),
        };
        if let Some(position) = padding {
            spelling.padding = true;
            if padding_len != full {
                return Err(InvalidSecret::PaddingLength { position });
            }
        }
        let mut copy;
        let letters = if spelling.is_plain() {
            text
        } else {
            copy = Zeroizing::new(String::with_capacity(count));
            copy.extend(text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()));
            &copy
        };
        let bytes = base32::decode(ALPHABET, letters).ok_or(InvalidSecret::Length { position: last })?;
        let bytes = Zeroizing::new(bytes);
        check_len(bytes.len(), min_len)?;
        // The crate's decoder drops what bits are left over in the last letter. On the way back it shows, for which the
        // last group is enough: five bytes and eight letters say the same.
        let groups = bytes.chunks_exact(5);
        if !groups.remainder().is_empty() {
            let again = Zeroizing::new(encode(groups.remainder()));
            spelling.trailing_bits = letters.get(groups.len() * 8..) != Some(again.as_str());
        }
        if spelling.trailing_bits && trailing_bits == TrailingBits::Refuse {
            return Err(InvalidSecret::TrailingBits { position: last });
        }
        Ok((Self::copy_of(&bytes), spelling))
    }
}

/// What becomes of bits in the last letter that are left over and not zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrailingBits {
    Drop,
    Refuse,
}

/// In which ways a base32 text differs from the one that [`Secret::to_base32`] writes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spelling {
    pub(crate) lower_case: bool,
    pub(crate) padding: bool,
    pub(crate) separators: bool,
    pub(crate) trailing_bits: bool,
}

impl Spelling {
    /// Whether the text is made of the letters that count and no other.
    fn is_plain(self) -> bool {
        !self.lower_case && !self.padding && !self.separators
    }
}

const ALPHABET: base32::Alphabet = base32::Alphabet::Rfc4648 { padding: false };

/// Base32 without padding. Block by block, for the crate's encoder grows its output on the way and leaves
/// what it had so far in the memory that it gave back.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = Zeroizing::new([0; 5]);
        block.iter_mut().zip(chunk).for_each(|(place, byte)| *place = *byte);
        let letters = Zeroizing::new(base32::encode(ALPHABET, block.as_slice()));
        text.extend(letters.chars().take((chunk.len() * 8).div_ceil(5)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;

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
            (
                "GE=",
                "the padding of the secret key, at position 2, does not fit its letters: some are missing or too many",
            ),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGZ", "the last letter of the secret key, at position 25, is mistyped"),
        ] {
            assert_eq!(format!("{}", Secret::from_base32(text).unwrap_err()), shown);
        }
    }

    #[test]
    fn u04_text_is_that_of_rfc4648_for_every_length() {
        for len in 16..=512 {
            let bytes: alloc::vec::Vec<u8> = (0..len).map(|i: usize| (i * 37 + len) as u8).collect();
            let text = Secret::copy_of(&bytes).to_base32();
            assert_eq!(text.expose_secret(), base32::encode(ALPHABET, &bytes));
            assert_eq!(Secret::from_base32(text.expose_secret()).unwrap().expose_secret(), bytes);
        }
    }
}
