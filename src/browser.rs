//! What a user may know of a browser that is trusted: never its token.

use core::fmt;

use crate::device::{DeviceName, InvalidDeviceName};
use crate::time::Timestamp;

/// Names one trusted browser of one user. It is never given to another browser of the same user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrowserId(u64);

impl BrowserId {
    /// The browser as a form or an URL names it; an id that names no browser does nothing.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number, for a form or an URL.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for BrowserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a user calls a trusted browser. The rules are those of a [`DeviceName`].
///
/// ```
/// use factorgate::BrowserName;
///
/// assert_eq!(BrowserName::new(" Firefox at work ")?.as_str(), "Firefox at work");
/// # Ok::<_, factorgate::InvalidBrowserName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrowserName(DeviceName);

impl BrowserName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = DeviceName::MAX_LEN;

    /// Takes a name of 1 to [`BrowserName::MAX_LEN`] bytes, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`InvalidBrowserName`], whose source says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, InvalidBrowserName> {
        DeviceName::new(name).map(Self).map_err(InvalidBrowserName)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for BrowserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text names no browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a browser is named by the same rules as a device")]
pub struct InvalidBrowserName(#[source] InvalidDeviceName);

/// A trusted browser, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrowserInfo {
    /// Which browser it is.
    pub id: BrowserId,
    /// What its user calls it.
    pub name: BrowserName,
    /// Since when it is trusted.
    pub since: Timestamp,
    /// From this second on it is not trusted any more. It was fixed when the browser was trusted; use does not
    /// put it off.
    pub until: Timestamp,
    /// When the trust last stood for a challenge.
    pub last_used_at: Option<Timestamp>,
}
