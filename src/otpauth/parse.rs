//! Reading Key URIs that other systems wrote.

use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{AccountName, InvalidName, Issuer, KeyUri};
use crate::otp::{Algorithm, Digits, Hotp, Totp};
use crate::secret::{InvalidSecret, Secret};

/// What a Key URI says.
#[derive(Debug)]
pub struct ParsedKeyUri {
    account: AccountName,
    issuer: Option<Issuer>,
    label_issuer: Option<Issuer>,
    parameters: KeyParameters,
    secret: Secret,
}

impl ParsedKeyUri {
    /// Whose code it is.
    #[must_use]
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// Who asks for the code: the parameter `issuer`, or else the issuer before the account.
    #[must_use]
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref().or(self.label_issuer.as_ref())
    }

    /// Whether the issuer before the account and the parameter are both there and differ, so that apps
    /// disagree about which to show.
    #[must_use]
    pub fn has_two_issuers(&self) -> bool {
        matches!((&self.issuer, &self.label_issuer), (Some(one), Some(other)) if one != other)
    }

    /// What kind of code it is, and its parameters.
    #[must_use]
    pub fn parameters(&self) -> KeyParameters {
        self.parameters
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The secret, to be kept.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.secret
    }
}

/// The two kinds of codes that a Key URI can describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyParameters {
    /// A counter-based code.
    Hotp {
        /// Its parameters.
        hotp: Hotp,
        /// The counter of the next code.
        counter: u64,
    },
    /// A time-based code.
    Totp(Totp),
}

/// Why a text is no Key URI that [`KeyUri::parse`] takes. Positions are byte offsets into the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyUri {
    /// The account name is not valid.
    #[error("the account of the Key URI is invalid")]
    Account(#[source] InvalidName),
    /// The algorithm is none that is known.
    #[error("the algorithm of the Key URI is none of SHA1, SHA256 and SHA512")]
    Algorithm,
    /// A character that may not stand there unencoded.
    #[error("the Key URI has a character at position {position} that may not stand there")]
    Character {
        /// Where it stands.
        position: usize,
    },
    /// The counter is missing or no number of 64 bits.
    #[error("the counter of the Key URI is missing or no number below 2^64")]
    Counter,
    /// The number of digits is not 6 to 10.
    #[error("the digits of the Key URI are no number from 6 to 10")]
    Digits,
    /// A known parameter stands twice.
    #[error("the Key URI repeats a parameter at position {position}")]
    Duplicate {
        /// Where the second one begins.
        position: usize,
    },
    /// A percent sign that is not followed by two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the Key URI has a broken escape in the part that begins at position {position}")]
    Escape {
        /// Where the part begins.
        position: usize,
    },
    /// The issuer, before the account or as a parameter, is not valid.
    #[error("the issuer of the Key URI is invalid")]
    Issuer(#[source] InvalidName),
    /// There is no secret.
    #[error("the Key URI has no secret")]
    NoSecret,
    /// The period is not 1 to 86400.
    #[error("the period of the Key URI is no number from 1 to 86400")]
    Period,
    /// It does not begin with `otpauth://`.
    #[error("a Key URI begins with otpauth://")]
    Scheme,
    /// The secret is not valid.
    #[error("the secret of the Key URI is invalid")]
    Secret(#[source] InvalidSecret),
    /// It is longer than [`KeyUri::MAX_LEN`]; none of it was read.
    #[error("the Key URI is longer than 2048 bytes")]
    TooLong,
    /// Its type is neither `totp` nor `hotp`, or something stands beside it.
    #[error("the type of the Key URI is neither totp nor hotp")]
    Type,
}

pub(super) fn parse(uri: &str) -> Result<ParsedKeyUri, InvalidKeyUri> {
    if uri.len() > KeyUri::MAX_LEN {
        return Err(InvalidKeyUri::TooLong);
    }
    const SCHEME: &str = "otpauth://";
    let rest = match uri.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => Part { text: rest, position: SCHEME.len() },
        _ => return Err(InvalidKeyUri::Scheme),
    };
    let (kind, rest) = rest.split_at("/").ok_or(InvalidKeyUri::Type)?;
    let counts = match kind.text {
        kind if kind.eq_ignore_ascii_case("hotp") => true,
        kind if kind.eq_ignore_ascii_case("totp") => false,
        _ => return Err(InvalidKeyUri::Type),
    };
    let (label, query) = rest.split_at("?").unwrap_or((rest, Part { text: "", position: uri.len() }));
    label.check("")?;
    query.check("/?")?;

    let (label_issuer, account) = match ["%3A", "%3a", ":"]
        .into_iter()
        .filter_map(|c| label.split_at(c))
        .min_by_key(|(issuer, _)| issuer.text.len())
    {
        Some((issuer, account)) => (Some(issuer.decode()?), account.decode()?),
        None => (None, label.decode()?),
    };
    let account = AccountName::new(&account).map_err(InvalidKeyUri::Account)?;
    let label_issuer = label_issuer.map(|name| Issuer::new(&name)).transpose().map_err(InvalidKeyUri::Issuer)?;

    let query = Query::read(query)?;
    let issuer = query.issuer.map(|name| Issuer::new(&name.decode()?).map_err(InvalidKeyUri::Issuer)).transpose()?;
    let secret = query.secret.map(read_secret).transpose()?.ok_or(InvalidKeyUri::NoSecret)?;
    let algorithm = query.algorithm.map(read_algorithm).transpose()?.unwrap_or_default();
    let digits = query
        .digits
        .map(|part| part.number().and_then(|n| Digits::new(u8::try_from(n).ok()?).ok()).ok_or(InvalidKeyUri::Digits))
        .transpose()?
        .unwrap_or_default();
    let parameters = if counts {
        let counter = query.counter.and_then(|part| part.number()).ok_or(InvalidKeyUri::Counter)?;
        KeyParameters::Hotp { hotp: Hotp::new(algorithm, digits), counter }
    } else {
        let period = match query.period {
            Some(part) => part.number().ok_or(InvalidKeyUri::Period)?,
            None => Totp::DEFAULT_PERIOD_SECS,
        };
        let totp = Totp::builder().algorithm(algorithm).digits(digits).period_secs(period).build();
        KeyParameters::Totp(totp.map_err(|_| InvalidKeyUri::Period)?)
    };
    Ok(ParsedKeyUri { account, issuer, label_issuer, parameters, secret })
}

/// The known parameters, each at most once.
#[derive(Default)]
struct Query<'a> {
    algorithm: Option<Part<'a>>,
    counter: Option<Part<'a>>,
    digits: Option<Part<'a>>,
    issuer: Option<Part<'a>>,
    period: Option<Part<'a>>,
    secret: Option<Part<'a>>,
}

impl<'a> Query<'a> {
    fn read(query: Part<'a>) -> Result<Self, InvalidKeyUri> {
        let (mut known, mut rest) = (Self::default(), Some(query));
        while let Some(unread) = rest {
            let (parameter, after) = match unread.split_at("&") {
                Some((parameter, after)) => (parameter, Some(after)),
                None => (unread, None),
            };
            rest = after;
            let end = Part { text: "", position: parameter.position + parameter.text.len() };
            let (name, value) = parameter.split_at("=").unwrap_or((parameter, end));
            // Decoded, so that an escaped letter hides no second `secret`.
            let slot = match name.decode()?.to_ascii_lowercase().as_str() {
                "algorithm" => &mut known.algorithm,
                "counter" => &mut known.counter,
                "digits" => &mut known.digits,
                "issuer" => &mut known.issuer,
                "period" => &mut known.period,
                "secret" => &mut known.secret,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(InvalidKeyUri::Duplicate { position: parameter.position });
            }
        }
        Ok(known)
    }
}

fn read_secret(part: Part<'_>) -> Result<Secret, InvalidKeyUri> {
    let text = part.decode()?;
    // The separators are for people; in a Key URI, readers disagree about them.
    match text.find([' ', '-']) {
        Some(_) => Err(InvalidKeyUri::Character { position: part.position }),
        None => Secret::from_base32(&text).map_err(InvalidKeyUri::Secret),
    }
}

fn read_algorithm(part: Part<'_>) -> Result<Algorithm, InvalidKeyUri> {
    match part.decode()?.to_ascii_uppercase().as_str() {
        "SHA1" | "SHA-1" => Ok(Algorithm::Sha1),
        "SHA256" | "SHA-256" => Ok(Algorithm::Sha256),
        "SHA512" | "SHA-512" => Ok(Algorithm::Sha512),
        _ => Err(InvalidKeyUri::Algorithm),
    }
}

/// A part of the URI, still encoded, and where it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Part<'a> {
    /// What precedes and what follows the first `separator`.
    fn split_at(self, separator: &str) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let position = self.position + before.len() + separator.len();
        Some((Self { text: before, ..self }, Self { text: after, position }))
    }

    /// Refuses what may not stand in a path segment, or be `more` (RFC 3986 sections 3.3 and 3.4).
    fn check(self, more: &str) -> Result<(), InvalidKeyUri> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c) || more.contains(c);
        match self.text.find(|c| !is_allowed(c)) {
            Some(offset) => Err(InvalidKeyUri::Character { position: self.position + offset }),
            None => Ok(()),
        }
    }

    /// The text with its escapes resolved.
    fn decode(self) -> Result<Zeroizing<String>, InvalidKeyUri> {
        let broken = InvalidKeyUri::Escape { position: self.position };
        // Decoded text is never longer: nothing is copied to a larger place and left behind.
        let mut decoded = Zeroizing::new(Vec::with_capacity(self.text.len()));
        let mut bytes = self.text.bytes();
        while let Some(byte) = bytes.next() {
            decoded.push(match byte {
                b'%' => {
                    let mut nibble = || char::from(bytes.next()?).to_digit(16);
                    let (Some(high), Some(low)) = (nibble(), nibble()) else { return Err(broken) };
                    (high << 4 | low) as u8
                }
                _ => byte,
            });
        }
        core::str::from_utf8(&decoded).map(|text| Zeroizing::new(text.into())).map_err(|_| broken)
    }

    /// A number of ASCII digits and nothing else.
    fn number(self) -> Option<u64> {
        self.text.bytes().all(|byte| byte.is_ascii_digit()).then(|| self.text.parse().ok())?
    }
}
