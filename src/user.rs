//! Who logs in: the host's identifier of a user, and the address on record.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;

/// The host's identifier of a user, as text. It names the user's record in the store, for ever:
/// an identifier that is given to a second person gives that person the first one's factors.
///
/// ```
/// use factorgate::UserId;
///
/// let user = UserId::new("4711")?;
/// assert_eq!(user.as_str(), "4711");
/// # Ok::<_, factorgate::login::InvalidUserId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Box<str>);

impl UserId {
    /// The longest identifier, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Takes an identifier of 1 to [`UserId::MAX_LEN`] bytes without control characters.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`] says which of these it breaks.
    pub fn new(id: &str) -> Result<Self, InvalidUserId> {
        if id.is_empty() {
            return Err(InvalidUserId::Empty);
        }
        if id.len() > Self::MAX_LEN {
            return Err(InvalidUserId::TooLong);
        }
        if id.chars().any(char::is_control) {
            return Err(InvalidUserId::ControlCharacter);
        }
        Ok(Self(id.into()))
    }

    /// The identifier as the host gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({:?})", self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no [`UserId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUserId {
    /// It holds a control character.
    #[error("a user id may hold no control character")]
    ControlCharacter,
    /// It is empty.
    #[error("a user id may not be empty")]
    Empty,
    /// It is longer than [`UserId::MAX_LEN`].
    #[error("a user id may be at most 128 bytes long")]
    TooLong,
}

/// An e-mail address on record: the dot-atom form of RFC 5321 that mail systems deliver to.
///
/// The check is made so that an address can be put into a header as it is: no white space, no control
/// character, no quoting, one `@`. `Debug` shows it masked: logs are no place for addresses.
///
/// ```
/// use factorgate::EmailAddress;
///
/// let address = EmailAddress::new("alice@example.com")?;
/// assert_eq!(address.masked(), "a•••@example.com");
/// assert!(EmailAddress::new("alice@example.com\r\nBcc: mallory@example.net").is_err());
/// # Ok::<_, factorgate::login::InvalidEmailAddress>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(Box<str>);

impl EmailAddress {
    /// The longest address, in bytes (RFC 5321 section 4.5.3.1.3).
    pub const MAX_LEN: usize = 254;

    /// Takes an address of the form `local@domain`.
    ///
    /// # Errors
    ///
    /// [`InvalidEmailAddress`] names the part that is wrong.
    pub fn new(address: &str) -> Result<Self, InvalidEmailAddress> {
        if address.len() > Self::MAX_LEN {
            return Err(InvalidEmailAddress::TooLong);
        }
        let (local, domain) = address.split_once('@').ok_or(InvalidEmailAddress::NoAt)?;
        if !is_dot_atom(local, |c| "!#$%&'*+-/=?^_`{|}~".contains(c)) || local.len() > 64 {
            return Err(InvalidEmailAddress::Local);
        }
        if !is_dot_atom(domain, |c| c == '-') {
            return Err(InvalidEmailAddress::Domain);
        }
        Ok(Self(address.into()))
    }

    /// The address as the host gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with all but the first character of its local part hidden, for a page that anyone
    /// with the password can see.
    #[must_use]
    pub fn masked(&self) -> String {
        match self.0.split_once('@') {
            Some((local, domain)) => {
                let first: String = local.chars().take(1).collect();
                format!("{first}•••@{domain}")
            }
            None => "•••".to_owned(),
        }
    }
}

fn is_dot_atom(text: &str, is_special: impl Fn(char) -> bool) -> bool {
    // Letters outside ASCII are allowed (RFC 6531).
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(|c| c.is_alphanumeric() || is_special(c)))
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({})", self.masked())
    }
}

/// Why a text is no [`EmailAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEmailAddress {
    /// What follows the `@` is no domain.
    #[error("the domain of the e-mail address is malformed")]
    Domain,
    /// What precedes the `@` is no local part.
    #[error("the part of the e-mail address before the @ is malformed")]
    Local,
    /// There is no `@`.
    #[error("the e-mail address has no @")]
    NoAt,
    /// It is longer than [`EmailAddress::MAX_LEN`].
    #[error("the e-mail address is longer than 254 bytes")]
    TooLong,
}
