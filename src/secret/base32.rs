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
