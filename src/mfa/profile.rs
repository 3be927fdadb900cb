//! The operations of the signed-in user that need no fresh proof.

use core::time::Duration;

use super::Mfa;
use crate::browser::{BrowserId, BrowserName, BrowserToken};
use crate::device::DeviceId;
use crate::error::MfaError;
use crate::flow::{Authenticated, Outcome, Refusal, Registration, Session, StepUp, Typed, UserRow, UserStatus};
use crate::mail::Mailer;
use crate::recovery_code::{RecoveryCode, RecoveryCodes};
use crate::secret::SecretText;
use crate::store::Store;
use crate::time::Timestamp;

/// The operations of the signed-in user that need no fresh proof. See [`Mfa::profile`].
///
/// ```
/// # async fn page<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, session: &factorgate::Session,
/// # ) -> Result<(), factorgate::MfaError<S, M>> {
/// let status = mfa.profile(session).status().await?;
/// for device in &status.devices {
///     println!("{} since {}", device.name, device.added_at.as_secs());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Profile<'a, S, M> {
    pub(super) mfa: &'a Mfa<S, M>,
    pub(super) session: &'a Session,
}

impl<S: Store, M: Mailer> Profile<'_, S, M> {
    /// Returns the user's devices, browsers, recovery codes and recent security events.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn status(self) -> Result<UserStatus, MfaError<S, M>> {
        self.mfa.read(self.session.user(), |account, cx| account.status(cx)).await
    }

    /// Begins to register a device, or an external factor by [`Mfa::assert_external`].
    ///
    /// A user with a device verifies it first, or a phishing-resistant external factor, or uses a recovery code; a user with
    /// an external factor alone verifies that; a user without a factor proves what the policy asks for before a first
    /// registration. An e-mail code that this session has verified in the last 5 minutes is not asked for again. Nothing
    /// changes until a code of the new device has confirmed it; then every other session ends.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn begin_registration(self) -> Result<Outcome<Registration>, MfaError<S, M>> {
        self.mfa.begin_in_session(self.session, self.session, Duration::ZERO).await
    }

    /// Asks for the strongest factor that the user has, unless this session proved it at most `freshness` ago: a code of a
    /// device, or a phishing-resistant external factor; without either, any external factor; without one, an e-mail code.
    /// Zero asks always.
    ///
    /// Nothing weaker is accepted, whatever the policy allows at a login. Guesses spend the same attempts.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn begin_step_up(self, freshness: Duration) -> Result<Outcome<StepUp>, MfaError<S, M>> {
        self.mfa.begin_in_session(self.session, self.session, freshness).await
    }

    /// Activates new recovery codes with any one of them, which stays valid: a user who can type it has kept it. The codes
    /// before end at once, and a notice is sent.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::Malformed`], [`Refusal::WrongCode`],
    /// [`Refusal::NothingToConfirm`], [`Refusal::Locked`] or [`Refusal::SessionEnded`].
    pub async fn confirm_recovery_codes(self, code: &Typed) -> Result<Result<(), Refusal>, MfaError<S, M>> {
        let Ok(code) = RecoveryCode::parse(code.as_str()) else { return Ok(Err(Refusal::Malformed)) };
        let session = self.session;
        self.mfa.transact(session.user(), |account, cx, _| account.confirm_recovery_codes(&cx, session, &code)).await
    }

    /// Returns whether a device could be removed now, without which the user must still be able to sign in. Nothing is
    /// written.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::Unknown`] or [`Refusal::LastFactor`]: replace
    /// the device, or register another one first.
    pub async fn can_remove(self, device: DeviceId) -> Result<Result<(), Refusal>, MfaError<S, M>> {
        let session = self.session;
        self.mfa.read(session.user(), |account, cx| account.can_remove(cx.now, session, device)).await
    }

    /// Makes this browser a trusted one, and returns the token for its cookie. A notice is sent.
    ///
    /// The policy must allow it, and the session must have verified a device or an external factor in the last 10 minutes.
    /// The trust ends after 30 days by default; when a factor, the password or the address changes; and when the policy
    /// becomes stricter. A user trusts at most 5 browsers; the oldest makes way.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::TrustNotAllowed`] or
    /// [`Refusal::SessionEnded`].
    pub async fn trust_browser(self, name: &BrowserName) -> Result<Result<BrowserToken, Refusal>, MfaError<S, M>> {
        let session = self.session;
        self.mfa.transact(session.user(), |account, cx, fresh| account.trust_browser(&cx, &fresh, session, name)).await
    }

    /// Ends the trust in one browser, and the sessions that rest on it.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::Unknown`] or [`Refusal::SessionEnded`].
    pub async fn revoke_browser(self, browser: BrowserId) -> Result<Result<(), Refusal>, MfaError<S, M>> {
        let session = self.session;
        self.mfa.transact(session.user(), |account, cx, _| account.revoke_browser(&cx, session, browser)).await
    }

    /// Forgets every browser of the user, trusted or known only, for example because somebody else uses one of them. A login in
    /// any of them comes from an unknown browser then, with the guesses that all of those share.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::SessionEnded`].
    pub async fn forget_browsers(self) -> Result<Result<(), Refusal>, MfaError<S, M>> {
        let session = self.session;
        self.mfa.transact(session.user(), |account, cx, _| account.forget_browsers(&cx, session)).await
    }

    /// Ends every other session, every open flow and the trust in every browser of the user. This session continues with the
    /// claims that it returns.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::SessionEnded`].
    pub async fn sign_out_elsewhere(self) -> Result<Result<Authenticated, Refusal>, MfaError<S, M>> {
        let session = self.session;
        self.mfa.change_session(session.user(), |account, cx, _| account.sign_out_elsewhere(&cx, session)).await
    }

    /// Ends every other session after the host has stored a new password (OWASP ASVS 5.0, 7.4.3). Call it after the write,
    /// with the row as it is then. A sign-in with the old row is refused from then on.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed; the old sessions end all the same, because the row has changed. The inner
    /// error is [`Refusal::SessionEnded`] if this session was ended meanwhile; the others end all the same. It is
    /// [`Refusal::AccountChanged`] if the row is another user's.
    pub async fn password_changed(self, new: &UserRow) -> Result<Result<Authenticated, Refusal>, MfaError<S, M>> {
        let session = self.session;
        if new.user() != session.user() {
            return Ok(Err(Refusal::AccountChanged));
        }
        self.mfa.change_session(session.user(), |account, cx, _| account.password_changed(&cx, session, new)).await
    }
}

/// Recovery codes that were generated and wait for their confirmation.
///
/// ```
/// # fn page(new: &factorgate::recovery::NewRecoveryCodes) {
/// for code in new.expose_secrets() {
///     println!("{}", code.expose_secret());
/// }
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct NewRecoveryCodes {
    /// The codes, to be shown once.
    pub codes: RecoveryCodes,
    /// When they can no longer be confirmed: 10 minutes after they were generated.
    pub expires_at: Timestamp,
}

impl NewRecoveryCodes {
    /// Returns the codes as text, for the page that shows them.
    #[must_use]
    pub fn expose_secrets(&self) -> alloc::vec::Vec<SecretText> {
        self.codes.iter().map(RecoveryCode::expose_secret).collect()
    }
}
