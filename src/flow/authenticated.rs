//! The proof that every step was completed.

use alloc::sync::Arc;
use core::fmt;

use super::claims::SessionClaims;
use super::row::UserRow;
use super::{Evidence, Refusal};
use crate::browser::BrowserToken;
use crate::keys::KeySet;
use crate::time::Timestamp;
use crate::user::{EmailAddress, UserId};

/// The proof that a user has completed every step: the only value that a session is opened for, or continues with.
///
/// Every flow ends in one, and so does every operation that ends the user's other sessions. A host needs one function
/// that takes it, and no other function that writes a session. Only the engine makes it: it has no public constructor,
/// no `Clone` and no `Default`, and it opens one session.
///
/// ```compile_fail,E0451
/// # fn forge(passed: factorgate::Authenticated) {
/// let forged = factorgate::Authenticated { browser: None, ..passed };
/// # }
/// ```
/// ```compile_fail,E0599
/// fn twice(once: factorgate::Authenticated) { let again = once.clone(); }
/// ```
/// ```compile_fail,E0382
/// fn two(passed: factorgate::Authenticated, row: &factorgate::UserRow) {
///     let first = passed.into_session(row);
///     let second = passed.into_session(row);
/// }
/// ```
/// ```compile_fail,E0277
/// let forged: factorgate::Authenticated = Default::default();
/// ```
#[must_use = "open a session for it, or store its claims in the session that made the request"]
pub struct Authenticated {
    pub(crate) claims: SessionClaims,
    /// The key that made the digests of the row.
    pub(crate) key: Arc<KeySet>,
    pub(crate) browser: Option<BrowserToken>,
    pub(crate) grace_until: Option<Timestamp>,
    pub(crate) verified: Option<EmailAddress>,
}

impl Authenticated {
    pub(crate) fn new(claims: SessionClaims, key: Arc<KeySet>) -> Self {
        Self { claims, key, browser: None, grace_until: None, verified: None }
    }

    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> &UserId {
        self.claims.user()
    }

    /// Returns what was proved besides the first factor.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        self.claims.evidence()
    }

    /// Returns the address that was verified just now, if it was unverified: mark it as verified where it is still on
    /// record.
    #[must_use]
    pub fn verified_address(&self) -> Option<&EmailAddress> {
        self.verified.as_ref()
    }

    /// Returns the new token of this browser, for its cookie. `None`: the cookie stays as it is.
    ///
    /// The browser is known by it: at the next login, nobody else spends its guesses or shuts it out. Keep it for a year, one
    /// for each user: `__Host-`, `Secure`, `HttpOnly`, `SameSite=Lax`. Do not clear it at sign-out; it opens nothing.
    #[must_use]
    pub fn browser(&self) -> Option<&BrowserToken> {
        self.browser.as_ref()
    }

    /// Returns until when the registration that the policy requires can be put off, if it is put off.
    #[must_use]
    pub fn grace_until(&self) -> Option<Timestamp> {
        self.grace_until
    }

    /// Returns the claims of the session, once. Store them under a session id that was created just now (OWASP ASVS 5.0,
    /// 7.2.4).
    ///
    /// `row` is the user's row as it is now: read it after the flow was completed.
    ///
    /// # Errors
    ///
    /// [`Refusal::AccountChanged`] if the row is not the one that was proved. The user must sign in again.
    pub fn into_session(self, row: &UserRow) -> Result<SessionClaims, Refusal> {
        let same = row.user == self.claims.user && self.claims.row.is_of(&self.key, row);
        if same { Ok(self.claims) } else { Err(Refusal::AccountChanged) }
    }
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated").field("claims", &self.claims).finish_non_exhaustive()
    }
}
