//! The reference of an open flow, which the browser keeps.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use zeroize::Zeroizing;

use super::Flow;
use crate::bearer::{self, Kind, MAX_COOKIE_LEN};
use crate::user::UserId;

/// The 256-bit bearer token of a flow, and whose flow it is.
pub(crate) struct Token {
    pub(crate) user: UserId,
    pub(crate) bytes: Box<Zeroizing<[u8; 32]>>,
}

impl Token {
    pub(crate) fn duplicate(&self) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; 32]));
        bytes.copy_from_slice(self.bytes.as_slice());
        Self { user: self.user.clone(), bytes }
    }
}

/// The reference of one open flow of the kind `F`, kept by the browser.
///
/// It is a bearer token of 256 bits: no `Clone`, no `PartialEq`, hidden in `Debug`, wiped on drop. The record keeps a
/// keyed digest of it. A browser that has it can continue the flow, but must still complete every step that the flow owes.
///
/// ```
/// # fn next(outcome: &factorgate::Outcome<factorgate::Login>, cookie: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use factorgate::{FlowRef, Login};
///
/// // The answer sets or removes the cookie …
/// let set_cookie = outcome.flow().map(|flow| flow.to_cookie());
/// // … and the next request brings it back.
/// let flow = FlowRef::<Login>::from_cookie(cookie)?;
/// # Ok(())
/// # }
/// ```
pub struct FlowRef<F> {
    token: Token,
    kind: PhantomData<fn() -> F>,
}

impl<F: Flow> FlowRef<F> {
    /// How long a flow stays open: 10 minutes.
    pub const LIFETIME: Duration = Duration::from_secs(10 * 60);
    /// The longest text that [`FlowRef::to_cookie`] returns, in bytes.
    pub const MAX_COOKIE_LEN: usize = MAX_COOKIE_LEN;

    /// Returns the reference as a cookie value: only letters, digits, `-` and `_`. Set the cookie `HttpOnly`, `Secure`
    /// and `SameSite=Lax` or stricter.
    #[must_use]
    pub fn to_cookie(&self) -> String {
        bearer::write(Kind::Flow, self.token.bytes.as_slice(), &self.token.user)
    }

    /// Reads the reference from the value of a cookie.
    ///
    /// # Errors
    ///
    /// [`InvalidFlowRef`] if the text was cut or forged: begin the flow again.
    pub fn from_cookie(text: &str) -> Result<Self, InvalidFlowRef> {
        let (user, bytes) = bearer::read(Kind::Flow, text).ok_or(InvalidFlowRef)?;
        Ok(Self::new(Token { user, bytes }))
    }

    /// Returns the user that the cookie names; nothing is proved by this.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.token.user
    }

    pub(crate) fn new(token: Token) -> Self {
        Self { token, kind: PhantomData }
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }
}

impl<F> fmt::Debug for FlowRef<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowRef({:?}, ..)", self.token.user)
    }
}

/// The cookie holds no reference of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reference of the flow is malformed; begin the flow again")]
pub struct InvalidFlowRef;
