//! Key URIs (`otpauth://`): how a secret gets into an authenticator app.
//!
//! The reference is Google's Key URI format; where it leaves a choice, what is written is what every known app
//! reads: the issuer both before the account and as a parameter, a literal `:` between the two, `%20` for a
//! space, an upper-case secret without padding, and no parameter that has its default value.
//!
//! ```
//! use factorgate::otp::Totp;
//! use factorgate::otpauth::{AccountName, Issuer, KeyUri};
//! use factorgate::otp::Secret;
//!
//! let secret = Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")?;
//! let (issuer, account) = (Issuer::new("ACME Co")?, AccountName::new("alice@example.com")?);
//! let uri = KeyUri::totp(&issuer, &account, &secret, &Totp::default())?;
//!
//! assert_eq!(
//!     uri.expose_secret(),
//!     "otpauth://totp/ACME%20Co:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME%20Co"
//! );
//! assert_eq!(uri.secret_base32().grouped().expose_secret(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! What an app makes of unusual parameters and names is told by [`KeyUri::compatibility`]. What users have registered with
//! another system is read by [`KeyUri::parse`] or [`KeyUri::parse_lenient`], and what Google Authenticator exports by
//! `Migration` (feature `migration`).
//!
//! A Key URI *is* the secret. Show it to the one user whose secret it is, over TLS, on a page that is not
//! cached; keep it out of logs, of URLs and of any service that draws QR codes. In HTML, leave its escaping to
//! the template.

mod compatibility;
mod error;
#[cfg(feature = "migration")]
mod migration;
mod name;
mod parse;
mod parsed;
mod part;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use self::parse::Profile;
#[cfg(feature = "std")]
pub use crate::qr::{QrCode, QrTooLong};

pub use self::{
    compatibility::{CompatibilityLevel, CompatibilityWarning},
    error::InvalidKeyUri,
    name::{AccountName, InvalidName, Issuer},
    parsed::{KeyParameters, ParsedKeyUri, Tolerated},
};
use crate::otp::{Algorithm, Digits, Hotp, Totp};
use crate::secret::{Secret, SecretText};
use crate::time::Timestamp;

#[cfg(feature = "migration")]
pub use self::migration::{InvalidMigration, InvalidMigrationEntry, Migration};

/// A Key URI, to be shown to the user whose secret it carries.
///
/// It is wiped on drop and hidden in `Debug`, and has no `Display`, so that it gets into no log by accident.
///
/// ```
/// use factorgate::otp::{Secret, Totp};
/// use factorgate::otpauth::{AccountName, Issuer, KeyUri};
///
/// let secret = Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")?;
/// let uri = KeyUri::totp(&Issuer::new("ACME")?, &AccountName::new("alice")?, &secret, &Totp::default())?;
/// assert!(uri.expose_secret().starts_with("otpauth://totp/ACME:alice?secret="));
/// assert_eq!(KeyUri::parse(uri.expose_secret())?.account().as_str(), "alice");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct KeyUri {
    uri: SecretText,
    /// Where the secret stands in it.
    secret: Range<usize>,
}

impl KeyUri {
    /// The longest Key URI, in bytes. None that is built here is longer, and none that is longer is parsed.
    pub const MAX_LEN: usize = 2048;

    /// The Key URI of a time-based code.
    ///
    /// # Errors
    ///
    /// [`UnsupportedT0`] if the T0 of `totp` is not the Unix epoch, which is the only one that apps know.
    pub fn totp(issuer: &Issuer, account: &AccountName, secret: &Secret, totp: &Totp) -> Result<Self, UnsupportedT0> {
        if totp.t0() != Timestamp::from_secs(0) {
            return Err(UnsupportedT0);
        }
        let mut writer = Writer::new("totp", issuer, account, secret, totp.algorithm(), totp.digits());
        if totp.period_secs() != Totp::DEFAULT_PERIOD_SECS {
            writer.number("&period=", totp.period_secs());
        }
        Ok(writer.finish())
    }

    /// The Key URI of a counter-based code, whose next counter is `counter`. Many apps support no such codes.
    #[must_use]
    pub fn hotp(issuer: &Issuer, account: &AccountName, secret: &Secret, hotp: &Hotp, counter: u64) -> Self {
        let mut writer = Writer::new("hotp", issuer, account, secret, hotp.algorithm(), hotp.digits());
        writer.number("&counter=", counter);
        writer.finish()
    }

    /// Reads a Key URI of another system, by strict rules: two readers that understand a Key URI differently show and
    /// expect different codes. [`KeyUri::parse_lenient`] overlooks more.
    ///
    /// * At most [`KeyUri::MAX_LEN`] bytes, of the characters that RFC 3986 allows where they stand; no user
    ///   information, port, fragment or second path segment.
    /// * The scheme, the type, the names of parameters and the algorithm are read in either case.
    /// * The label is split at its first `:` or `%3A` and then decoded; spaces around either part are dropped;
    ///   a second colon is refused, and so is an empty part.
    /// * `+` is a plus sign, not a space; `%` must introduce two hexadecimal digits, and UTF-8 come out.
    /// * A known parameter stands at most once. Unknown ones are ignored, and so are `period` of a
    ///   counter-based and `counter` of a time-based code; but `encoder` and `steam`, which ask for codes that are no
    ///   decimal numbers, are refused.
    /// * `secret` is required, in base32 as [`Secret::from_base32`] reads it, but without separators, of at least
    ///   [`Secret::MIN_LEN`] bytes; `counter` is required for a counter-based code; `algorithm` is one of SHA1, SHA256,
    ///   SHA512 (or with a hyphen). None of them may be there and empty.
    /// * Numbers are ASCII digits, within the ranges of [`Digits`] and [`Totp`].
    /// * An issuer before the account and another one as a parameter are both kept; the parameter counts.
    ///
    /// [`ParsedKeyUri::tolerated`] lists in what the URI differs from one that a careful writer writes.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyUri`] names the part that is wrong and its place, never what stood there.
    ///
    /// ```
    /// use factorgate::otpauth::{InvalidKeyUri, KeyUri, Tolerated};
    ///
    /// let read = KeyUri::parse("otpauth://totp/ACME:alice?secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq&digits=8")?;
    /// assert_eq!(read.account().as_str(), "alice");
    /// assert_eq!(read.tolerated(), [Tolerated::LowerCase]);
    /// assert!(KeyUri::parse("otpauth://totp/ACME:alice").is_err());
    /// # Ok::<_, InvalidKeyUri>(())
    /// ```
    pub fn parse(uri: &str) -> Result<ParsedKeyUri, InvalidKeyUri> {
        parse::parse(uri, Profile::Strict)
    }

    /// Reads a Key URI of another system, by the rules of [`KeyUri::parse`], and overlooks what all readers that do not
    /// refuse it understand alike, or what concerns the names alone. It is for taking over what users have registered
    /// elsewhere.
    ///
    /// * Spaces, characters outside of ASCII and others that RFC 3986 wants encoded may stand as they are in the label
    ///   and in values; a control character, a second path segment and a fragment are still refused.
    /// * An empty issuer, before the account or as a parameter, is none.
    /// * `+` in the parameter `issuer` is a space, as in a form, unless the issuer before the account has the plus.
    /// * Spaces and hyphens in the secret are dropped, and so are bits that are left over in its last letter.
    /// * A secret may be shorter than [`Secret::MIN_LEN`]: see [`Secret::from_legacy_bytes`].
    ///
    /// All of it is listed in [`ParsedKeyUri::tolerated`]. Nothing on which readers disagree about the secret, the
    /// algorithm, the digits, the period or the counter is overlooked.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyUri`] names the part that is wrong and its place, never what stood there.
    ///
    /// ```
    /// use factorgate::otpauth::{InvalidKeyUri, KeyUri, Tolerated};
    ///
    /// let uri = "otpauth://totp/Some Issuer:alice?secret=JBSWY3DPEHPK3PXP&issuer=Some+Issuer";
    /// assert!(KeyUri::parse(uri).is_err());
    /// let read = KeyUri::parse_lenient(uri)?;
    /// assert_eq!(read.issuer().map(|issuer| issuer.as_str()), Some("Some Issuer"));
    /// assert_eq!(read.tolerated(), [Tolerated::Plus, Tolerated::ShortSecret, Tolerated::Unencoded]);
    /// # Ok::<_, InvalidKeyUri>(())
    /// ```
    pub fn parse_lenient(uri: &str) -> Result<ParsedKeyUri, InvalidKeyUri> {
        parse::parse(uri, Profile::Lenient)
    }

    /// What authenticator apps make of it that the user should not be surprised by, the most serious first. For the
    /// default parameters, a secret of 20 bytes and names of plain letters there is nothing.
    #[must_use]
    pub fn compatibility(&self) -> Vec<CompatibilityWarning> {
        // What is written here is always read, if leniently, for the secret may be short.
        Self::parse_lenient(self.expose_secret()).map_or_else(|_| Vec::new(), |read| read.compatibility())
    }

    /// The URI itself.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.uri.expose_secret()
    }

    /// The secret alone, for users who type it in; [`SecretText::grouped`] makes that easier.
    #[must_use]
    pub fn secret_base32(&self) -> SecretText {
        SecretText::new(self.expose_secret().get(self.secret.clone()).unwrap_or_default().into())
    }

    /// The URI as a QR code, for users who scan it.
    ///
    /// # Errors
    ///
    /// [`QrTooLong`] if it is too long for a QR code, which no Key URI is.
    #[cfg(feature = "std")]
    pub fn qr(&self) -> Result<QrCode, QrTooLong> {
        QrCode::encode(self.expose_secret())
    }
}

impl fmt::Debug for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyUri(..)")
    }
}

/// A T0 that no Key URI can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Key URI cannot express a T0 other than the Unix epoch")]
pub struct UnsupportedT0;

/// Writes a Key URI into one string that never grows, for a string that grows leaves its old text behind.
struct Writer {
    uri: String,
    secret: Range<usize>,
}

impl Writer {
    fn new(
        kind: &str,
        issuer: &Issuer,
        account: &AccountName,
        secret: &Secret,
        algorithm: Algorithm,
        digits: Digits,
    ) -> Self {
        let secret = secret.to_base32();
        let mut writer = Self { uri: String::with_capacity(KeyUri::MAX_LEN), secret: 0..0 };
        writer.uri.push_str("otpauth://");
        writer.uri.push_str(kind);
        writer.uri.push('/');
        writer.encoded(issuer.as_str());
        writer.uri.push(':');
        writer.encoded(account.as_str());
        writer.uri.push_str("?secret=");
        let begin = writer.uri.len();
        writer.uri.push_str(secret.expose_secret());
        writer.secret = begin..writer.uri.len();
        writer.uri.push_str("&issuer=");
        writer.encoded(issuer.as_str());
        if algorithm != Algorithm::default() {
            writer.uri.push_str("&algorithm=");
            writer.uri.push_str(algorithm.name());
        }
        if digits != Digits::default() {
            writer.number("&digits=", digits.get().into());
        }
        writer
    }

    /// Percent-encodes all but the unreserved characters (RFC 3986 section 2.3).
    fn encoded(&mut self, text: &str) {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.uri.push(char::from(byte));
            } else {
                self.uri.push('%');
                for nibble in [byte >> 4, byte & 0x0f] {
                    self.uri.extend(char::from_digit(nibble.into(), 16).map(|c| c.to_ascii_uppercase()));
                }
            }
        }
    }

    fn number(&mut self, name: &str, number: u64) {
        use fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = write!(self.uri, "{name}{number}");
    }

    fn finish(self) -> KeyUri {
        KeyUri { uri: SecretText::new(self.uri), secret: self.secret }
    }
}
