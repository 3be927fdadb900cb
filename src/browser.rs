//! Trusted browsers: their tokens, names and facts.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use zeroize::Zeroizing;

use crate::bearer::{self, Kind, MAX_COOKIE_LEN};
use crate::name::{id, name};
use crate::time::Timestamp;
use crate::user::UserId;

id! {
    /// Names one trusted browser of one user. It is never given to another browser of the same user.
    BrowserId
}

name! {
    /// What a user calls a trusted browser.
    ///
    /// ```
    /// use factorgate::browser::BrowserName;
    ///
    /// assert_eq!(BrowserName::new(" Firefox at work ")?.as_str(), "Firefox at work");
    /// # Ok::<_, factorgate::browser::InvalidBrowserName>(())
    /// ```
    BrowserName, InvalidBrowserName, "browser"
}

/// A trusted browser, as it is listed.
///
/// ```
/// # fn list(status: &factorgate::session::UserStatus) {
/// for browser in &status.browsers {
///     println!("{}: trusted until {}, revoke with id {}", browser.name, browser.until.as_secs(), browser.id);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BrowserInfo {
    /// Which browser it is.
    pub id: BrowserId,
    /// What its user calls it.
    pub name: BrowserName,
    /// Since when it is trusted.
    pub since: Timestamp,
    /// When the trust expires. It was fixed when the browser was trusted; use does not
    /// put it off.
    pub until: Timestamp,
    /// When the trust last stood for a challenge.
    pub last_used_at: Option<Timestamp>,
}

/// The token of one trusted browser: a name of 128 bits and a bearer token of 256 bits that each use replaces.
///
/// It has no `Clone` and no `PartialEq`, is hidden in `Debug` and wiped on drop. The record keeps keyed digests of it,
/// bound to the user and to the user's row.
///
/// ```
/// # fn set_cookie(passed: &factorgate::Authenticated) -> Option<(String, Option<factorgate::Timestamp>)> {
/// // `__Host-browser=…; Secure; HttpOnly; SameSite=Lax; Path=/; Max-Age=…`
/// passed.browser().map(|token| (token.to_cookie(), token.expires_at()))
/// # }
/// ```
pub struct BrowserToken {
    user: UserId,
    bytes: Box<Zeroizing<[u8; SERIES_LEN + 32]>>,
    expires_at: Option<Timestamp>,
}

const SERIES_LEN: usize = 16;

/// The name of a trusted browser, by which an old copy of its token is recognized.
pub(crate) type Series = [u8; SERIES_LEN];

impl BrowserToken {
    /// The longest text that [`BrowserToken::to_cookie`] returns, in bytes.
    pub const MAX_COOKIE_LEN: usize = MAX_COOKIE_LEN;

    pub(crate) fn new(user: UserId, series: &[u8], bearer: &[u8; 32], expires_at: Timestamp) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; SERIES_LEN + 32]));
        for (to, from) in bytes.iter_mut().zip(series.iter().chain(bearer)) {
            *to = *from;
        }
        Self { user, bytes, expires_at: Some(expires_at) }
    }

    /// Returns the token as a cookie value: only letters, digits, `-` and `_`.
    #[must_use]
    pub fn to_cookie(&self) -> String {
        bearer::write(Kind::Browser, self.bytes.as_slice(), &self.user)
    }

    /// Returns when the token expires, for the cookie's `Max-Age`; `None` for a token that was read from a cookie.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Reads the token from the value of a cookie.
    ///
    /// # Errors
    ///
    /// [`InvalidBrowserToken`] if the text was cut or forged: treat the browser as unknown.
    pub fn from_cookie(text: &str) -> Result<Self, InvalidBrowserToken> {
        let (user, bytes) = bearer::read(Kind::Browser, text).ok_or(InvalidBrowserToken)?;
        Ok(Self { user, bytes, expires_at: None })
    }

    /// Returns the user that the cookie names; nothing is proved by this.
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

/// The cookie holds no token of a browser; treat the browser as unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the browser token is malformed; the browser is unknown")]
pub struct InvalidBrowserToken;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn token_is_read_back_and_debug_hides_it() {
        let user = UserId::new("a.b").unwrap();
        let token = BrowserToken::new(user, &[0xa7; SERIES_LEN], &[0xb8; 32], Timestamp::from_secs(9));
        let read = BrowserToken::from_cookie(&token.to_cookie()).unwrap();
        assert_eq!((read.user().as_str(), read.series(), read.bearer()), ("a.b", &[0xa7; 16][..], &[0xb8; 32][..]));
        assert_eq!(format!("{read:?}"), "BrowserToken(UserId(\"a.b\"), ..)");
        assert_eq!((token.expires_at(), read.expires_at()), (Some(Timestamp::from_secs(9)), None));
        assert_eq!(BrowserToken::from_cookie("forged").err(), Some(InvalidBrowserToken));
    }
}
