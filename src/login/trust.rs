//! Trusted browsers: what a browser holds, and what the wish to trust one comes to.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::reference::{parse_bearer, write_bearer};
use crate::browser::BrowserInfo;
use crate::event::Event;
use crate::secret::SecretText;
use crate::user::UserId;

/// What a trusted browser holds: a name of 128 bits that nobody else knows, and a bearer token of 256 bits that
/// each use replaces.
///
/// It has no `Clone` and no `PartialEq`, is hidden in `Debug` and wiped on drop. The record keeps keyed digests
/// of it, bound to the user and to this purpose.
pub struct BrowserToken {
    pub(crate) user: UserId,
    bytes: Box<Zeroizing<[u8; SERIES_LEN + 32]>>,
}

const SERIES_LEN: usize = 16;

/// The name of a trusted browser, by which an old copy of its token is known as one.
pub(crate) type Series = [u8; SERIES_LEN];

impl BrowserToken {
    pub(crate) fn new(user: UserId, series: &[u8], bearer: &[u8; 32]) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; SERIES_LEN + 32]));
        for (to, from) in bytes.iter_mut().zip(series.iter().chain(bearer)) {
            *to = *from;
        }
        Self { user, bytes }
    }

    /// The text for a cookie that is `HttpOnly`, `Secure` and `SameSite`, and lives until the trust ends.
    #[must_use]
    pub fn to_cookie(&self) -> SecretText {
        write_bearer(self.bytes.as_slice(), &self.user)
    }

    /// Reads what [`BrowserToken::to_cookie`] gave.
    ///
    /// # Errors
    ///
    /// [`InvalidBrowserToken`] if it is anything else.
    pub fn from_cookie(text: &str) -> Result<Self, InvalidBrowserToken> {
        let (user, bytes) = parse_bearer(text).ok_or(InvalidBrowserToken)?;
        Ok(Self { user, bytes })
    }

    /// Whose browser it is, as the text says: nothing is proved by it.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    pub(crate) fn series(&self) -> &[u8] {
        self.bytes.split_at(SERIES_LEN).0
    }

    pub(crate) fn bearer(&self) -> &[u8] {
        self.bytes.split_at(SERIES_LEN).1
    }
}

impl fmt::Debug for BrowserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrowserToken({:?}, ..)", self.user)
    }
}

/// The text is no token of a browser: the cookie was cut or forged. The browser is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token of the browser is malformed; the browser is not trusted")]
pub struct InvalidBrowserToken;

/// What the wish to trust a browser came to. Exhaustive on purpose, as [`Login`](super::Login) is.
#[derive(Debug)]
#[must_use = "the token goes into a cookie, or the browser is not trusted"]
pub enum Trust {
    /// The browser is not trusted. The login that was completed is as good as it was.
    Refused {
        /// Why.
        reason: TrustRefused,
        /// What happened with this answer, for the audit log.
        events: Vec<Event>,
    },
    /// From now on the browser passes for a challenge.
    Trusted {
        /// The token, for a cookie of the browser.
        token: BrowserToken,
        /// The browser, as it is listed.
        browser: BrowserInfo,
        /// What happened with this answer, for the audit log.
        events: Vec<Event>,
    },
}

/// Why a browser was not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustRefused {
    /// The login proved nothing that the user holds, or leads to a new device first: trust would be worth more than
    /// what it rests on.
    #[error("only a login that proved a device, or a factor like it, makes a browser trusted")]
    Assurance,
    /// The login was completed too long ago, or the account has changed since.
    #[error("the login is over; log in again to trust this browser")]
    LoginEnded,
    /// The policy does not allow trusted browsers, or asks for more than the login has proved.
    #[error("the policy does not allow to trust this browser")]
    Policy,
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;

    use super::*;

    #[test]
    fn a_token_is_read_back_and_debug_hides_it() {
        let token = BrowserToken::new(UserId::new("a.b").unwrap(), &[0xa7; SERIES_LEN], &[0xb8; 32]);
        let read = BrowserToken::from_cookie(token.to_cookie().expose_secret()).unwrap();
        assert_eq!((read.user().as_str(), read.series(), read.bearer()), ("a.b", &[0xa7; 16][..], &[0xb8; 32][..]));
        assert_eq!(format!("{read:?}"), "BrowserToken(UserId(\"a.b\"), ..)");
    }

    #[test]
    fn h04_a_forged_cookie_is_refused() {
        let token = BrowserToken::new(UserId::new("alice").unwrap(), &[0xa7; SERIES_LEN], &[0xb8; 32]);
        let good = token.to_cookie().expose_secret().to_owned();
        for bad in ["", ".alice", "none.alice", &good[2..], &good[..96], &good[..97], &good.to_uppercase()] {
            assert_eq!(BrowserToken::from_cookie(bad).err(), Some(InvalidBrowserToken), "{bad}");
        }
        // The reference of a login is shorter: neither is read as the other.
        assert!(crate::login::LoginRef::from_cookie(&good).is_err());
        assert!(BrowserToken::from_cookie(&format!("{}.alice", "a7".repeat(32))).is_err());
    }
}
