//! Keys that a user and the server share, and texts that carry them.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::random::{RandomUnavailable, SecureRandom};

/// A key that an authenticator app and the server share.
///
/// It lives in one heap block that is filled in place and wiped on drop. It has no `Clone`, no `PartialEq`
/// and no `Serialize`: each of them makes copies that nobody wipes, or leaks through its timing.
///
/// ```
/// use factorgate::{OsRandom, Secret};
///
/// let secret = Secret::generate(&OsRandom)?;
/// assert_eq!(secret.expose_secret().len(), 20);
/// assert_eq!(format!("{secret:?}"), "Secret(20 bytes)");
///
/// let typed = Secret::from_base32("gezd gnbv gy3t qojq gezd gnbv gy3t qojq")?;
/// assert_eq!(typed.expose_secret(), b"12345678901234567890");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// The length of a generated secret in bytes: 160 bits (RFC 4226 section 4, R6), the output of SHA-1.
    pub const DEFAULT_LEN: usize = 20;
    /// The shortest secret in bytes: 128 bits (RFC 4226 section 4, R6).
    pub const MIN_LEN: usize = 16;
    /// The longest secret in bytes.
    pub const MAX_LEN: usize = 512;
    /// The shortest secret that is imported in bytes.
    pub(crate) const LEGACY_MIN_LEN: usize = 1;

    /// A new secret of [`Secret::DEFAULT_LEN`] bytes.
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if `random` is.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        Self::generate_with_len(Self::DEFAULT_LEN, random)
    }

    /// A new secret of `len` bytes, held between [`Secret::MIN_LEN`] and [`Secret::MAX_LEN`].
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if `random` is.
    pub fn generate_with_len(len: usize, random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        Self::fill_in_place(len.clamp(Self::MIN_LEN, Self::MAX_LEN), |bytes| random.fill(bytes))
    }

    /// Copies a secret that another system made.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret::TooShort`] and [`InvalidSecret::TooLong`] outside of [`Secret::MIN_LEN`] to
    /// [`Secret::MAX_LEN`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSecret> {
        check_len(bytes.len(), Self::MIN_LEN)?;
        Ok(Self::copy_of(bytes))
    }

    /// Copies a secret that another system made **and that may be shorter than any that is safe**: of 1 byte and more.
    ///
    /// It is for taking over what users have registered elsewhere, and for nothing else: several systems made secrets of
    /// 80 bits, below the 128 that RFC 4226 section 4, R6 requires. The shorter a key, the sooner it is found by trying
    /// all of them on a few codes that were seen, so let its user register anew soon. A new secret is never short:
    /// [`Secret::generate`].
    ///
    /// # Errors
    ///
    /// [`InvalidSecret::Empty`] and [`InvalidSecret::TooLong`] outside of 1 to [`Secret::MAX_LEN`] bytes.
    ///
    /// ```
    /// use factorgate::{InvalidSecret, Secret};
    ///
    /// assert_eq!(Secret::from_bytes(b"0123456789").err(), Some(InvalidSecret::TooShort));
    /// let imported = Secret::from_legacy_bytes(b"0123456789")?;
    /// assert!(imported.is_short());
    /// # Ok::<_, InvalidSecret>(())
    /// ```
    pub fn from_legacy_bytes(bytes: &[u8]) -> Result<Self, InvalidSecret> {
        check_len(bytes.len(), Self::LEGACY_MIN_LEN)?;
        Ok(Self::copy_of(bytes))
    }

    /// Reads base32 (RFC 4648 section 6) as people type it: either case, grouped by spaces or hyphens, with or without
    /// padding at the end. Everything else is refused, for a character that is guessed or dropped gives another key and
    /// wrong codes for ever; and so is padding of another length than the letters before it ask for, for then letters
    /// got lost.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`] says what is wrong and where, never what stood there.
    pub fn from_base32(text: &str) -> Result<Self, InvalidSecret> {
        Self::read_base32(text, Self::MIN_LEN, TrailingBits::Refuse).map(|(secret, _)| secret)
    }

    /// Reads base32 as [`Secret::from_base32`] does, of a secret that **may be shorter than any that is safe**:
    /// [`Secret::from_legacy_bytes`] says when to use it. Every other check is kept.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`] says what is wrong and where, never what stood there.
    ///
    /// ```
    /// use factorgate::{InvalidSecret, Secret};
    ///
    /// assert_eq!(Secret::from_base32("JBSWY3DPEHPK3PXP").err(), Some(InvalidSecret::TooShort));
    /// assert_eq!(Secret::from_legacy_base32("JBSWY3DPEHPK3PXP")?.expose_secret().len(), 10);
    /// # Ok::<_, InvalidSecret>(())
    /// ```
    pub fn from_legacy_base32(text: &str) -> Result<Self, InvalidSecret> {
        Self::read_base32(text, Self::LEGACY_MIN_LEN, TrailingBits::Refuse).map(|(secret, _)| secret)
    }

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

    /// Whether it is shorter than [`Secret::MIN_LEN`], which only the constructors for legacy secrets let pass.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.0.len() < Self::MIN_LEN
    }

    /// The bytes of the secret. Whoever holds them can compute every code.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }

    /// The secret as it is typed into an app: upper-case base32 without padding.
    #[must_use]
    pub fn to_base32(&self) -> SecretText {
        SecretText::new(encode(&self.0))
    }

    pub(crate) fn fill_in_place<E>(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Zeroizing::new(vec![0; len].into_boxed_slice()));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }
}

const ALPHABET: base32::Alphabet = base32::Alphabet::Rfc4648 { padding: false };

/// Base32 without padding. Block by block, for the crate's encoder grows its output on the way and leaves
/// what it had so far in the memory that it gave back.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = Zeroizing::new([0; 5]);
        block.iter_mut().zip(chunk).for_each(|(place, byte)| *place = *byte);
        let letters = Zeroizing::new(base32::encode(ALPHABET, block.as_slice()));
        text.extend(letters.chars().take((chunk.len() * 8).div_ceil(5)));
    }
    text
}

fn check_len(len: usize, min: usize) -> Result<(), InvalidSecret> {
    match len {
        0 => Err(InvalidSecret::Empty),
        _ if len < min => Err(InvalidSecret::TooShort),
        1..=Secret::MAX_LEN => Ok(()),
        _ => Err(InvalidSecret::TooLong),
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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Why a text or a byte string is no [`Secret`]. Positions are byte offsets into the text as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSecret {
    /// A character outside of the base32 alphabet.
    #[error("the secret key has a character at position {position} that is none of A-Z and 2-7")]
    Character {
        /// Where it stands.
        position: usize,
    },
    /// There is no letter, or no byte.
    #[error("the secret key is empty")]
    Empty,
    /// A number of letters that no byte string encodes to: one is missing or too many.
    #[error("the secret key, which ends at position {position}, has an impossible number of letters")]
    Length {
        /// Where the last letter stands.
        position: usize,
    },
    /// A letter after the padding.
    #[error("the secret key goes on at position {position}, after its padding")]
    Padding {
        /// Where it goes on.
        position: usize,
    },
    /// More or less padding than the number of letters asks for (RFC 4648 section 6): letters got lost.
    #[error(
        "the padding of the secret key, at position {position}, does not fit its letters: some are missing or too many"
    )]
    PaddingLength {
        /// Where the padding begins.
        position: usize,
    },
    /// More than [`Secret::MAX_LEN`] bytes.
    #[error("the secret key is longer than 512 bytes")]
    TooLong,
    /// Fewer than [`Secret::MIN_LEN`] bytes.
    #[error("the secret key is shorter than 16 bytes")]
    TooShort,
    /// Bits are left over in the last letter and are not zero: it was mistyped.
    #[error("the last letter of the secret key, at position {position}, is mistyped")]
    TrailingBits {
        /// Where it stands.
        position: usize,
    },
}

impl InvalidSecret {
    /// Where it is wrong; `None` if it is wrong as a whole.
    #[must_use]
    pub const fn position(self) -> Option<usize> {
        match self {
            Self::Character { position }
            | Self::Length { position }
            | Self::Padding { position }
            | Self::PaddingLength { position }
            | Self::TrailingBits { position } => Some(position),
            Self::Empty | Self::TooLong | Self::TooShort => None,
        }
    }
}

/// A text that carries a secret: a Key URI, a base32 key, a picture, a token for a cookie. Wiped on drop, hidden in
/// `Debug`.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, to be shown to the one person whose secret it is.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// The text in groups of four characters, as it is easiest to type.
    #[must_use]
    pub fn grouped(&self) -> Self {
        let mut grouped = String::with_capacity(self.0.len() + self.0.len() / 4);
        for (i, c) in self.0.chars().enumerate() {
            if i > 0 && i % 4 == 0 {
                grouped.push(' ');
            }
            grouped.push(c);
        }
        Self::new(grouped)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Overwrites the stack below the caller's frame, where the last call had its own. HMAC leaves the whole key
/// there, and so may a cipher: every function that sets one up is never inlined and is followed by this.
#[inline(always)]
pub(crate) fn wipe_stack() {
    /// How deep the stack is overwritten, in bytes. A scan of a process from outside (`tests/stack_wipe.rs`)
    /// shows for the three hash functions and the cipher that 3 KiB are enough with optimization, and 16 KiB without,
    /// where a hash function made of processor instructions has a slot for each of them.
    const DEPTH: usize = if cfg!(debug_assertions) { 32 * 1024 } else { 16 * 1024 };
    zeroize::zeroize_stack::<DEPTH>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

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
    fn h05_lengths() {
        assert_eq!(Secret::from_bytes(&[1; 15]).err(), Some(InvalidSecret::TooShort));
        assert!(Secret::from_bytes(&[1; 16]).is_ok());
        assert_eq!(Secret::from_bytes(&[1; 513]).err(), Some(InvalidSecret::TooLong));
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

    #[test]
    fn groups_of_four() {
        let text = Secret::from_base32(RFC_KEY).unwrap().to_base32().grouped();
        assert_eq!(text.expose_secret(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::from_base32(RFC_KEY).unwrap();
        assert_eq!(format!("{secret:?} {:?}", secret.to_base32()), "Secret(20 bytes) SecretText(..)");
    }
}
