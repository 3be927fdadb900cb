//! What the host asserts, and what a client holds of an open flow.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use zeroize::Zeroizing;

use super::{Challenge, Denied, Enroll, Finished, Login, Registration};
use crate::event::Event;
use crate::otpauth::AccountName;
use crate::policy::EmailStanding;
use crate::secret::SecretText;
use crate::user::{EmailAddress, UserId};

/// The host's word that this user has just passed the first factor: that the password was right.
///
/// Nothing in this library can check it. Search a host for `PrimaryVerified::assertion` to review each place
/// where it is given; every path into a session (password, magic link, social login, API) leads through it.
#[derive(Debug)]
pub struct PrimaryVerified(UserId);

impl PrimaryVerified {
    /// Asserts that the first factor of `user` was checked, just now.
    #[must_use]
    pub fn assertion(user: UserId) -> Self {
        Self(user)
    }

    /// Whose first factor it was.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.0
    }
}

/// That a request belongs to a session of this user, which a whole login opened.
///
/// [`Mfa::check_session`](crate::Mfa::check_session) makes it of the claims that the host keeps with a session, where
/// they still hold; an operation then refuses it if the session was ended in between. A host that keeps no claims
/// gives its word by [`SignedIn::assertion`], and has to end the sessions itself.
#[derive(Debug)]
pub struct SignedIn {
    pub(crate) user: UserId,
    /// The epoch of the session; `None` for the host's word alone.
    pub(crate) epoch: Option<u64>,
}

impl SignedIn {
    /// Asserts that the request comes from a session that [`Login::Authenticated`] opened for `user`, and that has
    /// not been ended since: by a changed password, a changed device, or an administrator.
    #[must_use]
    pub fn assertion(user: UserId) -> Self {
        Self { user, epoch: None }
    }

    /// Whose session it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }
}

/// The host's word that this request comes from an administrator who may act for other users.
///
/// It goes into the events: whoever resets a user's factors or hands out a ticket is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator(UserId);

impl Administrator {
    /// Asserts that the request comes from the administrator `id`, who was let in by a whole login and may do this.
    #[must_use]
    pub fn assertion(id: UserId) -> Self {
        Self(id)
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.0
    }
}

/// The address on record of a user, and the name by which an app lists the account.
///
/// It is read from the host's database when a flow begins and fixed until the flow ends: a code never goes
/// to an address that came with a request, nor to one that was changed half-way.
///
/// ```
/// use factorgate::policy::EmailStanding;
/// use factorgate::{Contact, EmailAddress};
///
/// let contact = Contact::verified(EmailAddress::new("alice@example.com")?);
/// # Ok::<_, factorgate::InvalidEmailAddress>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub(crate) account: AccountName,
    pub(crate) email: Option<(EmailAddress, EmailStanding)>,
}

impl Contact {
    /// An address of which the user has shown before that its mail is read.
    #[must_use]
    pub fn verified(address: EmailAddress) -> Self {
        Self::email(address, EmailStanding { tainted: false, verified: true })
    }

    /// An address that was never verified: a code that is sent there verifies it.
    #[must_use]
    pub fn unverified(address: EmailAddress) -> Self {
        Self::email(address, EmailStanding { tainted: false, verified: false })
    }

    /// An address with the given standing. It is tainted if it was changed in a session that lacked the
    /// assurance which the policy requires; then no code is sent there.
    #[must_use]
    pub fn email(address: EmailAddress, standing: EmailStanding) -> Self {
        Self { account: AccountName::from(&address), email: Some((address, standing)) }
    }

    /// A user without an address, listed by an app as `account`.
    #[must_use]
    pub fn without_email(account: AccountName) -> Self {
        Self { account, email: None }
    }

    /// Lists the account as `account` in an app, rather than by the address.
    #[must_use]
    pub fn listed_as(mut self, account: AccountName) -> Self {
        self.account = account;
        self
    }
}

/// What a flow is for. It is part of every digest, so that a code or a reference of one is nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Login,
    Registration,
    StepUp,
}

impl Purpose {
    pub(crate) fn label(self) -> &'static [u8] {
        match self {
            Self::Login => b"login",
            Self::Registration => b"registration",
            Self::StepUp => b"step-up",
        }
    }
}

/// The 256-bit bearer token of a flow, and whose flow it is.
pub struct Token {
    pub(crate) user: UserId,
    pub(crate) bytes: Box<Zeroizing<[u8; 32]>>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, ..)", self.user)
    }
}

impl Token {
    pub(crate) fn duplicate(&self) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; 32]));
        bytes.copy_from_slice(self.bytes.as_slice());
        Self { user: self.user.clone(), bytes }
    }

    fn to_text(&self) -> SecretText {
        write_bearer(self.bytes.as_slice(), &self.user)
    }

    fn parse(text: &str) -> Result<Self, InvalidReference> {
        let (user, bytes) = parse_bearer(text).ok_or(InvalidReference)?;
        Ok(Self { user, bytes })
    }
}

/// A bearer token as text: its bytes in hexadecimal, and whose it is.
pub(super) fn write_bearer(bytes: &[u8], user: &UserId) -> SecretText {
    // With room for the whole, so that no piece of it stays behind.
    let mut text = String::with_capacity(2 * bytes.len() + 1 + user.as_str().len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text.push('.');
    text.push_str(user.as_str());
    SecretText::new(text)
}

/// What [`write_bearer`] wrote of `N` bytes, and nothing else.
pub(super) fn parse_bearer<const N: usize>(text: &str) -> Option<(UserId, Box<Zeroizing<[u8; N]>>)> {
    let (token, user) = text.split_once('.')?;
    if token.len() != 2 * N {
        return None;
    }
    let mut bytes = Box::new(Zeroizing::new([0_u8; N]));
    for (byte, pair) in bytes.iter_mut().zip(token.as_bytes().chunks_exact(2)) {
        for &digit in pair {
            let value = match digit {
                b'0'..=b'9' | b'a'..=b'f' => char::from(digit).to_digit(16)?,
                _ => return None,
            };
            *byte = *byte << 4 | value as u8;
        }
    }
    Some((UserId::new(user).ok()?, bytes))
}

/// The text is no reference of a flow: the cookie was cut or forged. The user has to begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reference of the login is malformed; begin the login again")]
pub struct InvalidReference;

/// A flow that is open for a user: a [`LoginRef`], a [`RegistrationRef`] or a [`StepUpRef`]. It is implemented for
/// no other.
pub trait Flow: sealed::Reference {
    /// What an operation on the flow comes to: [`Login`], [`Registration`] or [`StepUp`](super::StepUp).
    type Outcome: fmt::Debug + Send;

    #[doc(hidden)]
    fn outcome(revealed: sealed::Revealed<Self>) -> Self::Outcome;
}

pub(crate) mod sealed {
    use alloc::vec::Vec;

    use super::{Challenge, Denied, Enroll, Event, Finished, Purpose, Token};

    pub trait Reference: Sized + Send + Sync {
        const PURPOSE: Purpose;
        fn token(&self) -> &Token;
        fn from_token(token: Token) -> Self;
    }

    #[derive(Debug)]
    pub enum Revealed<R> {
        Challenge(Challenge<R>),
        Denied(Denied),
        Enroll(Enroll<R>),
        Finished(Finished, Vec<Event>),
    }
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident, $purpose:ident) => {
        $(#[$doc])*
        ///
        /// It is a bearer token of 256 bits: no `Clone`, no `PartialEq`, hidden in `Debug`, wiped on drop. The
        /// record keeps a keyed digest of it.
        pub struct $name(Token);

        impl $name {
            /// The text that the client holds, in a cookie that is `HttpOnly`, `Secure` and `SameSite`. Whoever
            /// has it can go on with the flow, but still has to prove every step that is owed.
            #[must_use]
            pub fn to_cookie(&self) -> SecretText {
                self.0.to_text()
            }

            /// Reads what [`Self::to_cookie`] gave.
            ///
            /// # Errors
            ///
            /// [`InvalidReference`] if it is anything else.
            pub fn from_cookie(text: &str) -> Result<Self, InvalidReference> {
                Token::parse(text).map(Self)
            }

            /// Whose flow it is, as the text says: nothing is proved by it.
            #[must_use]
            pub fn user(&self) -> &UserId {
                &self.0.user
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?}, ..)"), self.0.user)
            }
        }

        impl sealed::Reference for $name {
            const PURPOSE: Purpose = Purpose::$purpose;

            fn token(&self) -> &Token {
                &self.0
            }

            fn from_token(token: Token) -> Self {
                Self(token)
            }
        }
    };
}

reference! {
    /// Names an open login.
    LoginRef, Login
}

reference! {
    /// Names an open registration of a device from the profile.
    RegistrationRef, Registration
}

reference! {
    /// Names an open step-up of a session.
    StepUpRef, StepUp
}

impl Flow for LoginRef {
    type Outcome = Login;

    fn outcome(revealed: sealed::Revealed<Self>) -> Login {
        match revealed {
            sealed::Revealed::Challenge(challenge) => Login::Challenge(challenge),
            sealed::Revealed::Denied(denied) => Login::Denied(denied),
            sealed::Revealed::Enroll(enroll) => Login::Enroll(enroll),
            sealed::Revealed::Finished(finished, events) => Login::Authenticated(finished.authenticated(events)),
        }
    }
}

impl Flow for RegistrationRef {
    type Outcome = Registration;

    fn outcome(revealed: sealed::Revealed<Self>) -> Registration {
        match revealed {
            sealed::Revealed::Challenge(challenge) => Registration::Challenge(challenge),
            sealed::Revealed::Denied(denied) => Registration::Denied(denied),
            sealed::Revealed::Enroll(enroll) => Registration::Enroll(enroll),
            sealed::Revealed::Finished(finished, events) => Registration::Registered(finished.registered(events)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;

    use super::*;

    fn reference() -> LoginRef {
        LoginRef(Token { user: UserId::new("a.b").unwrap(), bytes: Box::new(Zeroizing::new([0xa7; 32])) })
    }

    #[test]
    fn a_cookie_is_read_back_and_debug_hides_it() {
        let text = reference().to_cookie();
        let read = LoginRef::from_cookie(text.expose_secret()).unwrap();
        assert_eq!(read.user().as_str(), "a.b");
        assert_eq!(read.0.bytes, reference().0.bytes);
        assert_eq!(format!("{read:?}"), "LoginRef(UserId(\"a.b\"), ..)");
    }

    #[test]
    fn g04_a_forged_cookie_is_refused() {
        let good = reference().to_cookie().expose_secret().to_owned();
        for bad in
            ["", ".", "a7.b", &good[1..], &good[..64], &good[..65], &good.to_uppercase(), &good.replacen('a', "g", 1)]
        {
            assert_eq!(LoginRef::from_cookie(bad).err(), Some(InvalidReference), "{bad}");
        }
        assert!(LoginRef::from_cookie(&"a7".repeat(1 << 19)).is_err());
    }
}
