//! What an administrator does for a user, and what the host does for a user without a session.

use super::Mfa;
use crate::audit::SessionsEnd;
use crate::error::MfaError;
use crate::flow::{Contact, Refusal, UserRow, UserStatus};
use crate::mail::Mailer;
use crate::migrate::Import;
use crate::policy::{Exemption, ExternalFactor};
use crate::store::Store;
use crate::ticket::Ticket;
use crate::user::{InvalidUserId, UserId};

/// The host's statement that the request comes from this administrator, or from the host itself. It goes into the events.
///
/// ```
/// # async fn reset<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, row: &factorgate::UserRow,
/// # ) -> Result<(), Box<dyn std::error::Error>> where factorgate::MfaError<S, M>: std::error::Error + 'static {
/// use factorgate::UserId;
/// use factorgate::admin::Administrator;
///
/// // After the host has checked that this session may administer users.
/// let by = Administrator::assertion(UserId::new("root")?);
/// let ticket = mfa.admin(&by).reset(row.user(), row.contact()).await?;
/// println!("{}", ticket.expose_secret().expose_secret());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator(UserId);

impl Administrator {
    /// Asserts that the administrator `id` is signed in and may act for other users.
    #[must_use]
    pub fn assertion(id: UserId) -> Self {
        Self(id)
    }

    /// Stands for the host itself, under the name of a job: a password reset by mail, an import.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`] if the name is empty, too long or contains control characters.
    ///
    /// ```
    /// use factorgate::admin::Administrator;
    ///
    /// assert_eq!(Administrator::host("password-reset")?.id().as_str(), "host:password-reset");
    /// # Ok::<_, factorgate::login::InvalidUserId>(())
    /// ```
    pub fn host(job: &str) -> Result<Self, InvalidUserId> {
        UserId::new(&alloc::format!("host:{job}")).map(Self)
    }

    /// Returns who it is.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.0
    }
}

/// The operations of an administrator. See [`Mfa::admin`].
///
/// ```
/// # async fn help<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, user: &factorgate::UserId, contact: factorgate::Contact,
/// # ) -> Result<factorgate::admin::Ticket, Box<dyn std::error::Error>>
/// # where factorgate::MfaError<S, M>: std::error::Error + 'static {
/// use factorgate::UserId;
/// use factorgate::admin::Administrator;
///
/// let by = Administrator::assertion(UserId::new("root")?);
/// Ok(mfa.admin(&by).reset(user, &contact).await?)
/// # }
/// ```
#[derive(Debug)]
pub struct Admin<'a, S, M> {
    pub(super) mfa: &'a Mfa<S, M>,
    pub(super) by: &'a Administrator,
}

impl<S: Store, M: Mailer> Admin<'_, S, M> {
    /// Returns what may be seen of a user.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn status(self, user: &UserId) -> Result<UserStatus, MfaError<S, M>> {
        self.mfa.read(user, |account, cx| account.status(cx)).await
    }

    /// Issues a ticket for a first registration, to be handed to the user in person. It is valid once, for 24 hours; an
    /// earlier one ends. A ticket for an erased user opens nothing.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn issue_ticket(self, user: &UserId) -> Result<Ticket, MfaError<S, M>> {
        let by = self.by.id();
        let (ticket, _) = self.mfa.transact(user, |account, cx, fresh| account.issue_ticket(&cx, fresh, by)).await?;
        Ok(ticket)
    }

    /// Removes every factor of a user and issues a ticket, by which the user registers again. Every session ends, and a
    /// notice is sent.
    ///
    /// It re-enables what time does not: disabled devices, disabled recovery codes, and the e-mail channel after
    /// [`Guessing::CONSECUTIVE_CAP`](crate::limits::Guessing::CONSECUTIVE_CAP) wrong codes. For the latter the
    /// administrator vouches that `contact` is the user's own address. Identify the user as carefully as at the first
    /// registration (OWASP ASVS 5.0, 6.4.4).
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn reset(self, user: &UserId, contact: &Contact) -> Result<Ticket, MfaError<S, M>> {
        let by = self.by.id();
        let (ticket, _) = self.mfa.transact(user, |account, cx, fresh| account.reset(&cx, fresh, by, contact)).await?;
        Ok(ticket)
    }

    /// Ends every session after the host has stored a new password or address of the user. Call it after the write, with the
    /// row as it is then. A sign-in with the row before is refused from then on. The host tells the user.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed; the old sessions end all the same, because the row has changed.
    pub async fn account_changed(self, row: &UserRow) -> Result<(), MfaError<S, M>> {
        let cause = SessionsEnd::AccountChanged;
        self.mfa.transact(row.user(), |account, cx, _| account.account_changed(&cx, row, cause)).await
    }

    /// Restores the guesses of unknown browsers and lifts every lock, for a user who signs in from a new browser while somebody
    /// else guesses. Identify the user first, and let the password be changed: it is in wrong hands. A notice is sent.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn unblock(self, user: &UserId, contact: &Contact) -> Result<(), MfaError<S, M>> {
        let by = self.by.id();
        self.mfa.transact(user, |account, _, _| account.unblock(by, contact)).await
    }

    /// Ends every session, every open flow and the trust in every browser of a user, for example when the user is disabled.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn end_sessions(self, user: &UserId) -> Result<(), MfaError<S, M>> {
        self.mfa.transact(user, |account, _, _| account.end_all(SessionsEnd::Administrator)).await
    }

    /// Erases what is stored of a user after the host has deleted its row. A tombstone remains, so that old sessions stay
    /// invalid and the id opens nothing.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn erase_user(self, user: &UserId) -> Result<(), MfaError<S, M>> {
        let by = self.by.id();
        self.mfa.transact(user, |account, _, _| account.erase(Some(by))).await
    }

    /// Exempts a user from what the policy enforces until the exemption ends; `None` withdraws it. An earlier exemption ends.
    /// It does not apply to users who have ever had a factor.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::ExemptionOver`], or
    /// [`Refusal::AccountChanged`] if the user was erased.
    pub async fn exempt(
        self,
        user: &UserId,
        exemption: Option<&Exemption>,
    ) -> Result<Result<(), Refusal>, MfaError<S, M>> {
        let by = self.by.id();
        self.mfa.transact(user, |account, cx, _| account.exempt(&cx, exemption, by)).await
    }

    /// Registers an external factor for a user who has no factor. The administrator has identified the user and hands the
    /// factor over. Every session of the user ends, and a notice is sent.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::HasFactor`], or
    /// [`Refusal::AccountChanged`] if the user was erased.
    pub async fn register_external(
        self,
        user: &UserId,
        factor: ExternalFactor,
        contact: &Contact,
    ) -> Result<Result<(), Refusal>, MfaError<S, M>> {
        let by = self.by.id();
        self.mfa.transact(user, |account, cx, _| account.register_external_by(&cx, factor, by, contact)).await
    }

    /// Imports the factors of a user from another system: see [`migrate`](crate::migrate). A user who has, or ever had, a
    /// factor here is left as they are, so that it can be run again. No mail is sent; every session ends.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::HasFactor`], [`Refusal::ImportInFuture`],
    /// [`Refusal::NoHashChecker`], or [`Refusal::AccountChanged`] if the user was erased.
    pub async fn import(self, user: &UserId, import: &Import) -> Result<Result<(), Refusal>, MfaError<S, M>> {
        let (by, checks_hashes) = (self.by.id(), self.mfa.hash_checker.is_some());
        self.mfa.transact(user, |account, cx, _| account.import(&cx, import, by, checks_hashes)).await
    }
}
