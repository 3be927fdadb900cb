//! Why a text is no Key URI.

use super::InvalidName;
use crate::secret::InvalidSecret;

/// Why a text is no Key URI that [`KeyUri::parse`](super::KeyUri::parse) or
/// [`KeyUri::parse_lenient`](super::KeyUri::parse_lenient) takes.
///
/// Positions are byte offsets into the text. Nothing of what stood there is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyUri {
    /// The account name is not valid.
    #[error("the account of the Key URI, at position {position}, is invalid")]
    Account {
        /// Where it begins.
        position: usize,
        /// Which rule it breaks.
        source: InvalidName,
    },
    /// The algorithm is none that is known.
    #[error("the algorithm of the Key URI, at position {position}, is none of SHA1, SHA256 and SHA512")]
    Algorithm {
        /// Where it begins.
        position: usize,
    },
    /// A character that may not stand there unencoded.
    #[error("the Key URI has a character at position {position} that may not stand there")]
    Character {
        /// Where it stands.
        position: usize,
    },
    /// The counter is no number of 64 bits.
    #[error("the counter of the Key URI, at position {position}, is no number below 2^64")]
    Counter {
        /// Where it begins.
        position: usize,
    },
    /// The number of digits is not 6 to 10.
    #[error("the digits of the Key URI, at position {position}, are no number from 6 to 10")]
    Digits {
        /// Where it begins.
        position: usize,
    },
    /// A known parameter stands twice.
    #[error("the Key URI repeats a parameter at position {position}")]
    Duplicate {
        /// Where the second one begins.
        position: usize,
    },
    /// A parameter asks for codes that are no decimal numbers, as those of Steam are.
    #[error("the Key URI asks for codes of another kind at position {position}")]
    Encoder {
        /// Where the parameter begins.
        position: usize,
    },
    /// A percent sign that is not followed by two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the Key URI has a broken escape at position {position}")]
    Escape {
        /// Where it stands.
        position: usize,
    },
    /// Something follows a `#`.
    #[error("the Key URI has a fragment at position {position}")]
    Fragment {
        /// Where the `#` stands.
        position: usize,
    },
    /// The issuer, before the account or as a parameter, is not valid.
    #[error("the issuer of the Key URI, at position {position}, is invalid")]
    Issuer {
        /// Where it begins.
        position: usize,
        /// Which rule it breaks.
        source: InvalidName,
    },
    /// It is one of a counter-based code and has no counter.
    #[error("the Key URI has no counter")]
    NoCounter,
    /// There is no secret.
    #[error("the Key URI has no secret")]
    NoSecret,
    /// The period is not 1 to 86400.
    #[error("the period of the Key URI, at position {position}, is no number from 1 to 86400")]
    Period {
        /// Where it begins.
        position: usize,
    },
    /// A port stands beside the type.
    #[error("the Key URI has a port at position {position}")]
    Port {
        /// Where the colon before it stands.
        position: usize,
    },
    /// It does not begin with `otpauth://`.
    #[error("a Key URI begins with otpauth://")]
    Scheme,
    /// The secret is not valid.
    #[error("the secret of the Key URI is invalid at position {position}")]
    Secret {
        /// The place of which `source` speaks; where the secret begins if it speaks of the whole.
        position: usize,
        /// What is wrong; its positions count from where the secret begins, after escapes were resolved.
        source: InvalidSecret,
    },
    /// It is longer than [`KeyUri::MAX_LEN`](super::KeyUri::MAX_LEN); none of it was read.
    #[error("the Key URI is longer than 2048 bytes")]
    TooLong,
    /// Its type is neither `totp` nor `hotp`.
    #[error("the type of the Key URI, at position {position}, is neither totp nor hotp")]
    Type {
        /// Where it begins.
        position: usize,
    },
    /// User information stands beside the type.
    #[error("the Key URI has user information at position {position}")]
    UserInfo {
        /// Where it begins.
        position: usize,
    },
}
