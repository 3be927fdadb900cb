//! What a host stores with a session: who, how, when, and for which row.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::str::FromStr;

use super::Evidence;
use super::row::RowDigest;
use crate::browser::BrowserId;
use crate::device::DeviceId;
use crate::keys::KeyId;
use crate::mac::TAG_LEN;
use crate::policy::{AuthenticationMethod, ExternalEvidence, ExternalFactor, Strength};
use crate::time::Timestamp;
use crate::user::{EmailAddress, UserId};

/// What the host stores with a session, on the server or in an encrypted cookie.
///
/// Claims are data, not a proof: a program that can write them can write anything. They contain the address whose code was
/// verified, and no secret. [`Mfa::check_session`](crate::Mfa::check_session) compares them with the record of the user,
/// with the row as it is now and with the policy. With the feature `serde` they serialize as the one line of
/// [`SessionClaims::to_text`].
///
/// ```
/// # fn keep(passed: factorgate::Authenticated, row: &factorgate::UserRow) -> Result<(), Box<dyn std::error::Error>> {
/// use factorgate::SessionClaims;
///
/// let claims = passed.into_session(row)?;
/// assert_eq!(SessionClaims::from_text(&claims.to_text())?, claims);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionClaims {
    pub(crate) user: UserId,
    pub(crate) epoch: u64,
    /// Names the session among those of the user.
    pub(crate) number: u64,
    pub(crate) auth_time: Timestamp,
    pub(crate) evidence: Evidence,
    /// The row that was proved.
    pub(crate) row: RowDigest,
}

/// The version of the text: one that is written otherwise is another version.
const VERSION: &str = "fgs1";

impl SessionClaims {
    /// Returns whose session it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Returns when the user last proved something: the `auth_time` claim (OpenID Connect Core 1.0 section 2). `max_age`
    /// is measured from it (RFC 9470 section 6).
    #[must_use]
    pub fn auth_time(&self) -> Timestamp {
        self.auth_time
    }

    /// Returns the random number that names this session among those of the user, for a list of sessions. It stays the
    /// same when the claims are replaced.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns what was proved in the session besides the first factor.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The claims after `new` was proved in this session, in the epoch of now.
    pub(crate) fn raised(&self, new: &Evidence, epoch: u64) -> Self {
        let evidence = self.evidence.raised_by(new);
        let auth_time = new.last_proof().map_or(self.auth_time, |at| at.max(self.auth_time));
        Self { auth_time, epoch, evidence, ..self.clone() }
    }

    /// Returns the claims as one line of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Evidence { app_code, email_code, external, recovery_code, registered, ticket, trusted_browser } =
            &self.evidence;
        let mut text = String::new();
        let device = |used: (DeviceId, Timestamp)| (Some(used.0.get()), used.1);
        let browser = |used: (BrowserId, Timestamp)| (Some(used.0.get()), used.1);
        let fields = [
            ("app", app_code.map(device)),
            ("registered", registered.map(device)),
            ("recovery", recovery_code.map(|at| (None, at))),
            ("ticket", ticket.map(|at| (None, at))),
            ("browser", trusted_browser.map(browser)),
        ];
        let RowDigest { key, credential, address } = &self.row;
        // Writing to a string does not fail.
        let _ = write!(text, "{VERSION};epoch={};at={};number={}", self.epoch, self.auth_time.as_secs(), self.number);
        let _ = write!(text, ";row={key}");
        for part in [credential, address] {
            let _ = write!(text, ".{:032x}", u128::from_be_bytes(*part));
        }
        for (key, value) in fields {
            let _ = match value {
                Some((Some(id), at)) => write!(text, ";{key}={id}@{}", at.as_secs()),
                Some((None, at)) => write!(text, ";{key}={}", at.as_secs()),
                None => Ok(()),
            };
        }
        for checked in external {
            let _ = write!(text, ";external={}", Checked(checked));
        }
        // An address has neither a semicolon nor white space.
        if let Some((address, at)) = email_code {
            let _ = write!(text, ";email={}@{}", address.as_str(), at.as_secs());
        }
        // Last, because it can hold any character.
        let _ = write!(text, ";user={}", self.user);
        text
    }

    /// Reads what [`SessionClaims::to_text`] wrote, and nothing else.
    ///
    /// # Errors
    ///
    /// [`InvalidClaims`] if the text is anything else: treat the session as ended.
    pub fn from_text(text: &str) -> Result<Self, InvalidClaims> {
        let (fields, user) = text.split_once(";user=").ok_or(InvalidClaims)?;
        let fields: Vec<&str> = fields.split(';').collect();
        let [VERSION, fields @ ..] = fields.as_slice() else { return Err(InvalidClaims) };
        let mut claims = Self {
            user: UserId::new(user).map_err(|_| InvalidClaims)?,
            epoch: 0,
            number: 0,
            auth_time: Timestamp::from_secs(0),
            evidence: Evidence::default(),
            row: RowDigest { key: KeyId([0; 8]), credential: [0; TAG_LEN], address: [0; TAG_LEN] },
        };
        for field in fields {
            let (key, value) = field.split_once('=').ok_or(InvalidClaims)?;
            let evidence = &mut claims.evidence;
            match key {
                "epoch" => claims.epoch = number(value)?,
                "at" => claims.auth_time = time(value)?,
                "number" => claims.number = number(value)?,
                "row" => claims.row = row(value)?,
                "app" => evidence.app_code = Some(used(value, DeviceId::new)?),
                "email" => evidence.email_code = Some(address(value)?),
                "registered" => evidence.registered = Some(used(value, DeviceId::new)?),
                "recovery" => evidence.recovery_code = Some(time(value)?),
                "ticket" => evidence.ticket = Some(time(value)?),
                "browser" => evidence.trusted_browser = Some(used(value, BrowserId::new)?),
                "external" => evidence.take_external(checked(value)?),
                _ => return Err(InvalidClaims),
            }
        }
        // One text for the same claims: the order, a repetition, a sign or a leading zero would show here.
        if claims.to_text() == text { Ok(claims) } else { Err(InvalidClaims) }
    }
}

fn number(text: &str) -> Result<u64, InvalidClaims> {
    text.parse().map_err(|_| InvalidClaims)
}

fn time(text: &str) -> Result<Timestamp, InvalidClaims> {
    number(text).map(Timestamp::from_secs)
}

fn used<T>(text: &str, id: fn(u64) -> T) -> Result<(T, Timestamp), InvalidClaims> {
    let (of, at) = text.split_once('@').ok_or(InvalidClaims)?;
    Ok((id(number(of)?), time(at)?))
}

fn address(text: &str) -> Result<(EmailAddress, Timestamp), InvalidClaims> {
    let (address, at) = text.rsplit_once('@').ok_or(InvalidClaims)?;
    Ok((EmailAddress::new(address).map_err(|_| InvalidClaims)?, time(at)?))
}

fn row(text: &str) -> Result<RowDigest, InvalidClaims> {
    let mut parts = text.split('.').map(|part| u128::from_str_radix(part, 16));
    let (Some(Ok(key)), Some(Ok(credential)), Some(Ok(address)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(InvalidClaims);
    };
    let key = u64::try_from(key).map_err(|_| InvalidClaims)?;
    Ok(RowDigest {
        key: KeyId(key.to_be_bytes()),
        credential: credential.to_be_bytes(),
        address: address.to_be_bytes(),
    })
}

/// What the host has checked, as text: the strength, the name, the methods, the time.
struct Checked<'a>(&'a ExternalEvidence);

impl fmt::Display for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factor = self.0.factor();
        write!(f, "{}:{factor}", strength(factor.strength()))?;
        for (place, amr) in self.0.amr().enumerate() {
            write!(f, "{}{amr}", if place == 0 { ':' } else { '+' })?;
        }
        write!(f, "@{}", self.0.at().as_secs())
    }
}

fn strength(strength: Strength) -> &'static str {
    match strength {
        Strength::Possession => "possession",
        Strength::PhishingResistant => "phishing-resistant",
    }
}

fn checked(text: &str) -> Result<ExternalEvidence, InvalidClaims> {
    let (rest, at) = text.split_once('@').ok_or(InvalidClaims)?;
    let (place, rest) = rest.split_once(':').ok_or(InvalidClaims)?;
    let (name, methods) = rest.split_once(':').ok_or(InvalidClaims)?;
    let factor = [ExternalFactor::possession(name), ExternalFactor::phishing_resistant(name)];
    let factor = factor.into_iter().flatten().find(|factor| strength(factor.strength()) == place);
    let methods: Option<Vec<_>> = methods.split('+').map(AuthenticationMethod::from_amr).collect();
    let (factor, methods) = factor.zip(methods).ok_or(InvalidClaims)?;
    ExternalEvidence::assertion(factor, methods, time(at)?).map_err(|_| InvalidClaims)
}

impl FromStr for SessionClaims {
    type Err = InvalidClaims;

    fn from_str(text: &str) -> Result<Self, InvalidClaims> {
        Self::from_text(text)
    }
}

impl fmt::Display for SessionClaims {
    /// As [`SessionClaims::to_text`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// With the feature `serde`: as [`SessionClaims::to_text`].
#[cfg(feature = "serde")]
impl serde::Serialize for SessionClaims {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// With the feature `serde`: as [`SessionClaims::from_text`].
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for SessionClaims {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).map_err(serde::de::Error::custom)
    }
}

/// The text holds no claims that this version can read; treat the session as ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session claims are malformed; sign in again")]
pub struct InvalidClaims;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn claims() -> SessionClaims {
        let at = Timestamp::from_secs;
        SessionClaims {
            user: UserId::new("a;user=b").unwrap(),
            epoch: 5,
            number: 77,
            auth_time: at(9),
            evidence: Evidence {
                app_code: Some((DeviceId::new(1), at(2))),
                email_code: Some((EmailAddress::new("a=b@example.com").unwrap(), at(3))),
                registered: Some((DeviceId::new(4), at(5))),
                external: Vec::from([
                    checked("possession:push:otp+sms@11").unwrap(),
                    checked("phishing-resistant:passkey:hwk+user@12").unwrap(),
                ]),
                recovery_code: Some(at(10)),
                ticket: Some(at(6)),
                trusted_browser: Some((BrowserId::new(7), at(8))),
            },
            row: RowDigest { key: KeyId([0xab; 8]), credential: [0; TAG_LEN], address: [0xff; TAG_LEN] },
        }
    }

    const ROW: &str = ";row=abababababababab.00000000000000000000000000000000.ffffffffffffffffffffffffffffffff";

    #[test]
    fn claims_are_read_back_as_they_were_written() {
        let text = format!(
            "fgs1;epoch=5;at=9;number=77{ROW};app=1@2;registered=4@5;recovery=10;ticket=6;browser=7@8;\
             external=possession:push:otp+sms@11;external=phishing-resistant:passkey:hwk+user@12;\
             email=a=b@example.com@3;user=a;user=b"
        );
        assert_eq!(claims().to_text(), text);
        assert_eq!(SessionClaims::from_text(&text), Ok(claims()));
        let bare = SessionClaims { evidence: Evidence::default(), ..claims() };
        assert_eq!(bare.to_text(), format!("fgs1;epoch=5;at=9;number=77{ROW};user=a;user=b"));
        assert_eq!(bare.to_text().parse(), Ok(bare));
    }
}
