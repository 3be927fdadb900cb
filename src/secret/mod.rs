//! Keys that a user and the server share, and texts that carry them.

mod base32;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use core::fmt;

use zeroize::Zeroizing;

pub(crate) use self::base32::TrailingBits;
use self::base32::encode;
use crate::random::{RandomUnavailable, SecureRandom};

/// A key that an authenticator app and the server share.
///
/// It lives in one heap block that is filled in place and wiped on drop. It has no `Clone`, no `PartialEq`
/// and no `Serialize`: each of them makes copies that nobody wipes, or leaks through its timing.
///
/// ```
/// use factorgate::{env::OsRandom, otp::Secret};
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
    /// all of them on a few codes that were seen, so let the user register again soon. A new secret is never short:
    /// [`Secret::generate`].
    ///
    /// # Errors
    ///
    /// [`InvalidSecret::Empty`] and [`InvalidSecret::TooLong`] outside of 1 to [`Secret::MAX_LEN`] bytes.
    ///
    /// ```
    /// use factorgate::otp::{InvalidSecret, Secret};
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
    /// use factorgate::otp::{InvalidSecret, Secret};
    ///
    /// assert_eq!(Secret::from_base32("JBSWY3DPEHPK3PXP").err(), Some(InvalidSecret::TooShort));
    /// assert_eq!(Secret::from_legacy_base32("JBSWY3DPEHPK3PXP")?.expose_secret().len(), 10);
    /// # Ok::<_, InvalidSecret>(())
    /// ```
    pub fn from_legacy_base32(text: &str) -> Result<Self, InvalidSecret> {
        Self::read_base32(text, Self::LEGACY_MIN_LEN, TrailingBits::Refuse).map(|(secret, _)| secret)
    }

    /// Whether it is shorter than [`Secret::MIN_LEN`], which only the constructors for legacy secrets let pass.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.0.len() < Self::MIN_LEN
    }

    /// The bytes of the secret. Anyone who has them can compute every code.
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

fn check_len(len: usize, min: usize) -> Result<(), InvalidSecret> {
    match len {
        0 => Err(InvalidSecret::Empty),
        _ if len < min => Err(InvalidSecret::TooShort),
        1..=Secret::MAX_LEN => Ok(()),
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

    /// Another copy, for the few places that need one.
    #[cfg(feature = "std")]
    pub(crate) fn duplicate(&self) -> Self {
        Self::new(self.expose_secret().into())
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
