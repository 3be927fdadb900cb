//! What a host keeps with a session: who, how and when, and whether it still holds.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::str::FromStr;

use super::{Assurance, Authenticated, Elevated, Evidence, SignedIn};
use crate::browser::BrowserId;
use crate::device::DeviceId;
use crate::policy::{AuthenticationMethod, ExternalEvidence, ExternalFactor, Strength};
use crate::time::Timestamp;
use crate::user::UserId;

/// What a host keeps with a session, to ask later whether it still holds, and how fresh its proofs are.
///
/// Claims are data, not a proof: whoever can write them can write anything. Keep them on the server with the
/// session, or in a signed and encrypted cookie. Given back, they are the host's word, as [`SignedIn::assertion`] is;
/// [`Mfa::check_session`](crate::Mfa::check_session) holds them against the record of the user.
///
/// ```
/// # fn keep(passed: factorgate::Authenticated) -> Result<(), Box<dyn std::error::Error>> {
/// use factorgate::SessionClaims;
///
/// let text = passed.session().rotated().to_text();
/// let claims = SessionClaims::from_text(&text)?;
/// assert_eq!(claims.auth_time(), passed.at());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionClaims {
    pub(crate) user: UserId,
    pub(crate) epoch: u64,
    pub(crate) auth_time: Timestamp,
    pub(crate) evidence: Evidence,
}

/// The version of the text: one that is written otherwise is another version.
const VERSION: &str = "fgs1";

impl SessionClaims {
    /// Whose session it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The `auth_time` claim (OpenID Connect Core 1.0 section 2): when the user last proved something. `max_age` is
    /// measured from it (RFC 9470 section 6).
    #[must_use]
    pub fn auth_time(&self) -> Timestamp {
        self.auth_time
    }

    /// What was proved in the session, beside the first factor.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The values of the `amr` claim (RFC 8176), as [`Evidence::amr`].
    #[must_use]
    pub fn amr(&self) -> Vec<&'static str> {
        self.evidence.amr()
    }

    /// How much the proofs are worth. The value of the `acr` claim is [`Assurance::acr`].
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        self.evidence.assurance()
    }

    /// The claims with what a step-up has proved; `None` if it is another user's, or one of the two was ended.
    ///
    /// A step-up is an authentication: the session gets a new id (OWASP ASVS 5.0, 7.2.4).
    #[must_use]
    pub fn raised_by(&self, elevated: &Elevated) -> Option<MustRotateSession> {
        if self.user != elevated.user || self.epoch != elevated.epoch {
            return None;
        }
        let (own, new) = (self.evidence.clone(), &elevated.evidence);
        let app_code = new.app_code.or(own.app_code);
        let mut evidence = Evidence {
            app_code,
            email_code: new.email_code.or(own.email_code),
            enrolled: new.enrolled.or(own.enrolled),
            // What the trust stood for has now been proved: the session does not rest on it any more.
            trusted_browser: own.trusted_browser.filter(|_| app_code.is_none() && new.external.is_empty()),
            ..own
        };
        for checked in &new.external {
            evidence.take_external(*checked);
        }
        let proved = [new.app_code.map(|(_, at)| at), new.email_code].into_iter().flatten();
        let proved = proved.chain(new.external.iter().map(ExternalEvidence::at)).max();
        let auth_time = proved.map_or(self.auth_time, |at| at.max(self.auth_time));
        Some(MustRotateSession(Self { user: self.user.clone(), epoch: self.epoch, auth_time, evidence }))
    }

    /// The claims after a change that this session itself has made, and that ended every other one. Claims that did
    /// not hold before the change do not hold after it.
    #[must_use]
    pub fn after(mut self, change: &EpochChange) -> Self {
        if self.user == change.user && self.epoch.checked_add(1) == Some(change.epoch) {
            self.epoch = change.epoch;
        }
        self
    }

    /// The claims as one line of text, for a host that keeps a string. It holds no secret.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Evidence { app_code, email_code, enrolled, ref external, recovery_code, ticket, trusted_browser } =
            self.evidence;
        let mut text = String::new();
        let device = |used: (DeviceId, Timestamp)| (Some(used.0.get()), used.1);
        let browser = |used: (BrowserId, Timestamp)| (Some(used.0.get()), used.1);
        let fields = [
            ("app", app_code.map(device)),
            ("email", email_code.map(|at| (None, at))),
            ("enrolled", enrolled.map(device)),
            ("recovery", recovery_code.map(|at| (None, at))),
            ("ticket", ticket.map(|at| (None, at))),
            ("browser", trusted_browser.map(browser)),
        ];
        // Writing to a string does not fail.
        let _ = write!(text, "{VERSION};epoch={};at={}", self.epoch, self.auth_time.as_secs());
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
        // Last, for it may hold any character.
        let _ = write!(text, ";user={}", self.user);
        text
    }

    /// Reads what [`SessionClaims::to_text`] wrote, and nothing else.
    ///
    /// # Errors
    ///
    /// [`InvalidClaims`] if it is anything else: treat the session as one that has ended.
    pub fn from_text(text: &str) -> Result<Self, InvalidClaims> {
        let (fields, user) = text.split_once(";user=").ok_or(InvalidClaims)?;
        let fields: Vec<&str> = fields.split(';').collect();
        let [VERSION, fields @ ..] = fields.as_slice() else { return Err(InvalidClaims) };
        let mut claims = Self {
            user: UserId::new(user).map_err(|_| InvalidClaims)?,
            epoch: 0,
            auth_time: Timestamp::from_secs(0),
            evidence: Evidence::default(),
        };
        for field in fields {
            let (key, value) = field.split_once('=').ok_or(InvalidClaims)?;
            let evidence = &mut claims.evidence;
            match key {
                "epoch" => claims.epoch = number(value)?,
                "at" => claims.auth_time = time(value)?,
                "app" => evidence.app_code = Some(used(value, DeviceId::new)?),
                "email" => evidence.email_code = Some(time(value)?),
                "enrolled" => evidence.enrolled = Some(used(value, DeviceId::new)?),
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

/// The text is no claims that this version of the library has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is no claims of a session; log in again")]
pub struct InvalidClaims;

/// Claims that the host takes only by saying that the session has a new id.
///
/// An id that was known before the login, to whoever planted it, must not name the session after it (session
/// fixation; OWASP ASVS 5.0, 7.2.4). Search a host for `rotated` to review each place.
#[derive(Debug)]
#[must_use = "give the session a new id, then take the claims"]
pub struct MustRotateSession(SessionClaims);

impl MustRotateSession {
    /// The claims, on the host's word that they are kept under a session id that was made just now.
    #[must_use]
    pub fn rotated(self) -> SessionClaims {
        self.0
    }
}

impl Authenticated {
    /// What to keep with the session that is opened for this value.
    pub fn session(&self) -> MustRotateSession {
        MustRotateSession(SessionClaims {
            user: self.user.clone(),
            epoch: self.epoch,
            auth_time: self.at,
            evidence: self.evidence.clone(),
        })
    }
}

/// A change that ended every session of a user. The one that made it goes on with [`SessionClaims::after`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochChange {
    pub(crate) user: UserId,
    /// The epoch after it: a change raises it by one.
    pub(crate) epoch: u64,
}

/// Whether the claims of a session still hold. Exhaustive on purpose, as [`Login`](super::Login) is.
#[derive(Debug)]
#[must_use = "a session that has ended is closed"]
pub enum Session {
    /// They do not: a factor or the password was changed, the user was reset, all sessions were revoked, or the
    /// trust in the browser that the session rests on has ended. The user has to log in.
    Ended,
    /// They hold.
    Valid(SignedIn),
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn claims() -> SessionClaims {
        let at = Timestamp::from_secs;
        SessionClaims {
            user: UserId::new("a;user=b").unwrap(),
            epoch: 5,
            auth_time: at(9),
            evidence: Evidence {
                app_code: Some((DeviceId::new(1), at(2))),
                email_code: Some(at(3)),
                enrolled: Some((DeviceId::new(4), at(5))),
                external: Vec::from([
                    checked("possession:push:otp+sms@11").unwrap(),
                    checked("phishing-resistant:passkey:hwk+user@12").unwrap(),
                ]),
                recovery_code: Some(at(10)),
                ticket: Some(at(6)),
                trusted_browser: Some((BrowserId::new(7), at(8))),
            },
        }
    }

    #[test]
    fn claims_are_read_back_as_they_were_written() {
        let text = "fgs1;epoch=5;at=9;app=1@2;email=3;enrolled=4@5;recovery=10;ticket=6;browser=7@8;\
                    external=possession:push:otp+sms@11;external=phishing-resistant:passkey:hwk+user@12;user=a;user=b";
        assert_eq!(claims().to_text(), text);
        assert_eq!(SessionClaims::from_text(text), Ok(claims()));
        let bare = SessionClaims { evidence: Evidence::default(), ..claims() };
        assert_eq!(bare.to_text(), "fgs1;epoch=5;at=9;user=a;user=b");
        assert_eq!(bare.to_text().parse(), Ok(bare));
    }

    #[test]
    fn what_was_written_by_nobody_is_not_read() {
        for text in [
            "",
            "fgs1",
            "fgs1;user=a",
            "fgs1;epoch=5;user=a",
            "fgs1;at=9;epoch=5;user=a",
            "fgs1;epoch=5;epoch=5;at=9;user=a",
            "fgs1;epoch=05;at=9;user=a",
            "fgs1;epoch=+5;at=9;user=a",
            "fgs1;epoch=-5;at=9;user=a",
            "fgs1;epoch=18446744073709551616;at=9;user=a",
            "fgs1;epoch=5;at=9;app=1;user=a",
            "fgs1;epoch=5;at=9;email=1@1;user=a",
            "fgs1;epoch=5;at=9;admin=1;user=a",
            "fgs1;epoch=5;at=9;external=possession:push:sms+otp@1;user=a",
            "fgs1;epoch=5;at=9;external=possession:push:otp@1;external=possession:push:otp@1;user=a",
            "fgs1;epoch=5;at=9;external=possession:push:otp;user=a",
            "fgs1;epoch=5;at=9;external=possession:push:pin@1;user=a",
            "fgs1;epoch=5;at=9;external=possession:Push:otp@1;user=a",
            "fgs1;epoch=5;at=9;external=phishing-resistant:passkey:otp@1;user=a",
            "fgs1;epoch=5;at=9;external=phishing-resistant:a:hwk@1;external=possession:a:otp@1;user=a",
            "fgs1;epoch=5;at=9;;user=a",
            "fgs1;epoch=5;at=9;user=",
            "fgs2;epoch=5;at=9;user=a",
        ] {
            assert_eq!(SessionClaims::from_text(text), Err(InvalidClaims), "{text}");
        }
        assert!(SessionClaims::from_text(&format!("fgs1;epoch=5;at=9;user={}", "a".repeat(256))).is_err());
    }
}
