//! One-time passwords: HOTP (RFC 4226) and TOTP (RFC 6238).
//!
//! ```
//! use factorgate::otp::{Code, Secret, Totp, Window};
//! use factorgate::{Timestamp, env::OsRandom};
//!
//! let totp = Totp::default(); // SHA-1, 6 digits, 30 seconds: what every app supports
//! let secret = Secret::generate(&OsRandom)?;
//! let now = Timestamp::from_secs(1_900_000_000);
//!
//! // The app shows a code, the user types it.
//! let shown = totp.generate(&secret, now).ok_or("before T0")?;
//! let typed = Code::parse(shown.expose_secret().expose_secret())?;
//!
//! // A step that was accepted is remembered, and then neither it nor an earlier one is accepted again.
//! let step = totp.verify(&secret, &typed, now, Window::default(), None).ok_or("wrong code")?;
//! assert_eq!(totp.verify(&secret, &typed, now, Window::default(), Some(step)), None);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised of the secret
//!
//! Verification computes every code of the window and compares each of them, whether or not one has matched.
//! On the way from the key to the comparison nothing branches on a secret value, indexes by one or divides
//! one, and nothing is put on the heap. When it is over, the part of the stack that it used is overwritten
//! (16 KiB, or 32 with debug assertions): the key, the key as HMAC pads it and the states of the hash function
//! are gone from it. What the processor's registers, a swapped page or a core dump hold is beyond a library.

mod drift;
mod hmac;
mod hotp;
mod totp;
mod truncate;
mod window;

use core::fmt;

pub use self::{
    drift::{ClockSkew, Drift, InvalidDrift},
    hotp::Hotp,
    totp::{InvalidTotp, TimeStep, Totp, TotpBuilder, Verdict},
    window::{InvalidWindow, Window},
};
pub use crate::code::{Code, Digits, InvalidCode, InvalidDigits};
use crate::random::{RandomUnavailable, SecureRandom};
pub use crate::secret::{InvalidSecret, Secret, SecretText};

/// The hash function under the HMAC of a code.
///
/// SHA-1 is the default of both RFCs and the only one that every authenticator app computes. What has broken
/// SHA-1 are collisions, on which HMAC does not rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA-1 (RFC 4226).
    #[default]
    Sha1,
    /// HMAC-SHA-256 (RFC 6238 section 1.2). Several apps ignore it and show wrong codes.
    Sha256,
    /// HMAC-SHA-512 (RFC 6238 section 1.2). Several apps ignore it and show wrong codes.
    Sha512,
}

impl Algorithm {
    /// The length in bytes of the secret that suits it: that of its output, 20, 32 or 64 (RFC 6238 section 5.1). A
    /// shorter key makes HMAC weaker, a longer one hardly stronger (RFC 2104 section 3).
    #[must_use]
    pub const fn secret_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// A new secret of [`Algorithm::secret_len`] bytes.
    ///
    /// # Errors
    ///
    /// [`RandomUnavailable`] if `random` is.
    ///
    /// ```
    /// use factorgate::env::OsRandom;
    /// use factorgate::otp::Algorithm;
    ///
    /// assert_eq!(Algorithm::Sha256.generate_secret(&OsRandom)?.expose_secret().len(), 32);
    /// # Ok::<_, factorgate::env::RandomUnavailable>(())
    /// ```
    pub fn generate_secret(self, random: &dyn SecureRandom) -> Result<Secret, RandomUnavailable> {
        Secret::generate_with_len(self.secret_len(), random)
    }

    /// Its name as a Key URI spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

impl fmt::Display for Algorithm {
    /// As a Key URI spells it: `SHA1`, `SHA256`, `SHA512`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
