//! The two names that an app shows beside a code.

use alloc::boxed::Box;

use crate::user::EmailAddress;

/// Who asks for the code: the name of the service, as the app shows it. It is part of the configuration, never
/// of a request.
///
/// ```
/// use factorgate::otpauth::Issuer;
///
/// assert_eq!(Issuer::new(" ACME Co ")?.as_str(), "ACME Co");
/// assert!(Issuer::new("ACME: Co").is_err());
/// # Ok::<_, factorgate::otpauth::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer(Box<str>);

impl Issuer {
    /// The longest issuer, in bytes. Some apps cut it at 30 characters.
    pub const MAX_LEN: usize = 60;

    /// Takes a name of 1 to [`Issuer::MAX_LEN`] bytes, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        checked(name, Self::MAX_LEN).map(|name| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whose code it is: the name of the user's account, as the app shows it. An e-mail address is usual.
///
/// ```
/// use factorgate::otpauth::AccountName;
///
/// assert_eq!(AccountName::new("alice@example.com")?.as_str(), "alice@example.com");
/// assert!(AccountName::new("").is_err());
/// # Ok::<_, factorgate::otpauth::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Box<str>);

impl AccountName {
    /// The longest account name, in bytes: that of an e-mail address. Some apps cut it at 40 characters.
    pub const MAX_LEN: usize = 254;

    /// Takes a name of 1 to [`AccountName::MAX_LEN`] bytes, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        checked(name, Self::MAX_LEN).map(|name| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&EmailAddress> for AccountName {
    /// The usual name of an account. Every address is one: it is no longer, and holds neither a colon nor a
    /// control character.
    fn from(address: &EmailAddress) -> Self {
        Self(address.as_str().into())
    }
}

/// Why a text is no [`Issuer`] or [`AccountName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// It holds a colon, by which apps tell the issuer from the account.
    #[error("a name in a Key URI may hold no colon")]
    Colon,
    /// It holds a control character, a line separator, or one that turns the direction of the text.
    #[error("a name in a Key URI may hold no control character")]
    ControlCharacter,
    /// It is empty or white space.
    #[error("a name in a Key URI may not be empty")]
    Empty,
    /// It is longer than allowed.
    #[error("a name in a Key URI may be at most {max} bytes long")]
    TooLong {
        /// How long it may be, in bytes.
        max: usize,
    },
}

fn checked(name: &str, max: usize) -> Result<&str, InvalidName> {
    if name.len() > max {
        return Err(InvalidName::TooLong { max });
    }
    if name.contains(is_control) {
        return Err(InvalidName::ControlCharacter);
    }
    if name.contains(':') {
        return Err(InvalidName::Colon);
    }
    match name.trim() {
        "" => Err(InvalidName::Empty),
        name => Ok(name),
    }
}

/// Control characters, line and paragraph separators, and the characters that turn the direction of the text
/// and can so make one name look like another.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
