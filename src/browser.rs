//! Trusted browsers: their tokens, names and facts.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

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

/// The token of a browser that has signed in: it makes the browser known, so that nobody else spends its guesses, and may
/// stand for the challenge if the user trusts the browser. Each sign-in replaces it.
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

    /// For how long the browser keeps it: a year. The next sign-in replaces it.
    pub const LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    pub(crate) fn new(user: UserId, series: &[u8], bearer: &[u8; 32], issued_at: Timestamp) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; SERIES_LEN + 32]));
        for (to, from) in bytes.iter_mut().zip(series.iter().chain(bearer)) {
            *to = *from;
        }
        Self { user, bytes, expires_at: Some(issued_at.saturating_add(Self::LIFETIME)) }
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

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
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
