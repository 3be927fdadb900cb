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
        check_len(bytes.len())?;
        Ok(Self::copy_of(bytes))
    }

    /// Reads base32 (RFC 4648 section 6) as people type it: either case, grouped by spaces or hyphens,
    /// with or without padding at the end. Everything else is refused, for a character that is guessed or
    /// dropped gives another key and wrong codes for ever.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`] says what is wrong and where, never what stood there.
    pub fn from_base32(text: &str) -> Result<Self, InvalidSecret> {
        // Two thirds of the room are for separators.
        if text.len() > 3 * Self::MAX_LEN * 8 / 5 {
            return Err(InvalidSecret::TooLong);
        }
        let mut letters = Zeroizing::new(String::with_capacity(text.len()));
        let mut padded = false;
        for (position, c) in text.char_indices() {
            match c {
                ' ' | '-' => {}
                '=' => padded = true,
                _ if padded => return Err(InvalidSecret::Padding { position }),
                'A'..='Z' | 'a'..='z' | '2'..='7' => letters.push(c.to_ascii_uppercase()),
                _ => return Err(InvalidSecret::Character { position }),
            }
        }
        if matches!(letters.len() % 8, 1 | 3 | 6) {
            return Err(InvalidSecret::Length);
        }
        // The crate's decoder is lenient; with its padding off and the way back compared, none of it shows.
        let bytes = Zeroizing::new(base32::decode(ALPHABET, &letters).ok_or(InvalidSecret::Length)?);
        check_len(bytes.len())?;
        if *Zeroizing::new(encode(&bytes)) != *letters {
            return Err(InvalidSecret::TrailingBits);
        }
        Ok(Self::copy_of(&bytes))
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

fn check_len(len: usize) -> Result<(), InvalidSecret> {
    match len {
        0..Secret::MIN_LEN => Err(InvalidSecret::TooShort),
        Secret::MIN_LEN..=Secret::MAX_LEN => Ok(()),
        _ => Err(InvalidSecret::TooLong),
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
    /// A number of letters that no byte string encodes to: one is missing or too many.
    #[error("the secret key has an impossible number of letters: one is missing or too many")]
    Length,
    /// A letter after the padding.
    #[error("the secret key goes on at position {position}, after its padding")]
    Padding {
        /// Where it goes on.
        position: usize,
    },
    /// More than [`Secret::MAX_LEN`] bytes.
    #[error("the secret key is longer than 512 bytes")]
    TooLong,
    /// Fewer than [`Secret::MIN_LEN`] bytes.
    #[error("the secret key is shorter than 16 bytes")]
    TooShort,
    /// Bits are left over in the last letter and are not zero: it was mistyped.
    #[error("the last letter of the secret key is mistyped")]
    TrailingBits,
}

/// A text that carries a secret: a Key URI, a base32 key, a token for a cookie. Wiped on drop, hidden in
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
            " GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====",
        ] {
            let secret = Secret::from_base32(text).unwrap();
            assert_eq!(secret.expose_secret(), b"12345678901234567890", "{text}");
            assert_eq!(secret.to_base32().expose_secret(), RFC_KEY);
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_place() {
        use InvalidSecret::*;
        for (text, why) in [
            ("", TooShort),
            ("GEZDGNBVGY3TQOJQ", TooShort),
            ("GEZDGNBVGY3TQOJQGEZDGNBVG1", Character { position: 25 }),
            ("0EZDGNBVGY3TQOJQGEZDGNBVGY", Character { position: 0 }),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGÄ", Character { position: 25 }),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY\n", Character { position: 26 }),
            ("GEZDGNBVGY3TQOJQ=EZDGNBVGY", Padding { position: 17 }),
            ("GEZDGNBVGY3TQOJQGEZDGNBVG", Length),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3", Length),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQO", Length),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGZ", TrailingBits),
        ] {
            assert_eq!(Secret::from_base32(text).err(), Some(why), "{text}");
        }
        assert_eq!(Secret::from_base32(&"A".repeat(1 << 20)).err(), Some(TooLong));
        assert_eq!(Secret::from_base32(&"A".repeat(1024)).err(), Some(TooLong));
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
