//! The operations that need a fresh proof.

use super::{Mfa, NewRecoveryCodes};
use crate::device::{DeviceId, DeviceName};
use crate::error::MfaError;
use crate::flow::{AddressPermit, Authenticated, Elevated, Refusal, RowDigest, UserRow};
use crate::mail::Mailer;
use crate::policy::ExternalFactor;
use crate::recovery_code::RecoveryCodes;
use crate::store::Store;

/// The operations that need a fresh proof (OWASP ASVS 5.0, 7.5.1). See [`Mfa::elevated`].
///
/// ```
/// # async fn remove<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, session: &factorgate::Session, device: factorgate::device::DeviceId,
/// # ) -> Result<Result<factorgate::Authenticated, factorgate::Outcome<factorgate::session::StepUp>>,
/// #     Box<dyn std::error::Error>>
/// # where factorgate::MfaError<S, M>: std::error::Error + 'static {
/// use core::time::Duration;
/// use factorgate::Outcome;
///
/// let elevated = match mfa.profile(session).begin_step_up(Duration::from_secs(300)).await? {
///     Outcome::Done(elevated) => elevated,
///     page => return Ok(Err(page)), // show it, and let the user try again
/// };
/// Ok(Ok(mfa.elevated(&elevated).remove_device(device).await??))
/// # }
/// ```
#[derive(Debug)]
pub struct Dangerous<'a, S, M> {
    pub(super) mfa: &'a Mfa<S, M>,
    pub(super) elevated: &'a Elevated,
}

impl<S: Store, M: Mailer> Dangerous<'_, S, M> {
    /// Generates recovery codes and shows them; they become active when one of them is confirmed, within 10 minutes:
    /// [`Profile::confirm_recovery_codes`](super::Profile::confirm_recovery_codes).
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::StepUpExpired`], or [`Refusal::Unknown`] if
    /// the user has no device that they could replace.
    pub async fn new_recovery_codes(self) -> Result<Result<NewRecoveryCodes, Refusal>, MfaError<S, M>> {
        let codes = RecoveryCodes::generate(&*self.mfa.random)?;
        let elevated = self.elevated;
        let begin = |account: &mut crate::account::Account, cx: crate::account::Context<'_>, _| {
            account.new_recovery_codes(&cx, elevated, &codes)
        };
        let result = self.mfa.transact(elevated.user(), begin).await?;
        Ok(result.map(|expires_at| NewRecoveryCodes { codes, expires_at }))
    }

    /// Renames a device.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::Unknown`] or [`Refusal::StepUpExpired`].
    pub async fn rename_device(
        self,
        device: DeviceId,
        name: &DeviceName,
    ) -> Result<Result<(), Refusal>, MfaError<S, M>> {
        let elevated = self.elevated;
        self.mfa.transact(elevated.user(), |account, cx, _| account.rename_device(&cx, elevated, device, name)).await
    }

    /// Removes a device and ends every other session of the user. With the last device the recovery codes go. A notice is
    /// sent.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::LastFactor`] if the user could not sign in
    /// without it, [`Refusal::Unknown`] or [`Refusal::StepUpExpired`].
    pub async fn remove_device(self, device: DeviceId) -> Result<Result<Authenticated, Refusal>, MfaError<S, M>> {
        let elevated = self.elevated;
        self.mfa.change_session(elevated.user(), |account, cx, _| account.remove_device(&cx, elevated, device)).await
    }

    /// Removes an external factor and ends every other session of the user. A notice is sent.
    ///
    /// # Errors
    ///
    /// As [`Dangerous::remove_device`].
    pub async fn remove_external(
        self,
        factor: ExternalFactor,
    ) -> Result<Result<Authenticated, Refusal>, MfaError<S, M>> {
        let elevated = self.elevated;
        self.mfa.change_session(elevated.user(), |account, cx, _| account.remove_external(&cx, elevated, factor)).await
    }

    /// Permits the host to write a new address. A notice goes to the old one, open flows end, and no code is mailed until the
    /// change is finished, for at most 5 minutes.
    ///
    /// Verify the new address before it is written, by a code of the host's own; or pass it as
    /// [`Contact::unverified`](crate::Contact::unverified) from then on, and the next e-mail code verifies it. A permit that
    /// is never finished leaves nothing open: sessions and flows are bound to the row that they were begun with.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. The inner error is [`Refusal::StepUpExpired`].
    ///
    /// ```
    /// # async fn change<S: factorgate::Store, M: factorgate::Mailer>(
    /// #     mfa: &factorgate::Mfa<S, M>, elevated: &factorgate::Elevated, write: impl Fn() -> factorgate::UserRow,
    /// # ) -> Result<factorgate::Authenticated, Box<dyn std::error::Error>>
    /// # where factorgate::MfaError<S, M>: std::error::Error + 'static {
    /// let permit = mfa.elevated(elevated).permit_address_change().await??;
    /// let row = write(); // UPDATE users SET email = …, and the row as it is then
    /// Ok(mfa.elevated(elevated).finish_address_change(permit, &row).await??)
    /// # }
    /// ```
    pub async fn permit_address_change(self) -> Result<Result<AddressPermit, Refusal>, MfaError<S, M>> {
        let elevated = self.elevated;
        self.mfa.transact(elevated.user(), |account, cx, _| account.permit_address_change(&cx, elevated)).await
    }

    /// Completes a change of the address. Call it after the write, with the row as it is then. Every other session ends, and
    /// this one no longer counts a code that went to the old address.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed; the old sessions end all the same, because the row has changed. The inner
    /// error is [`Refusal::SessionEnded`] if this session was ended meanwhile, or the permit is another session's; the others
    /// end all the same. It is [`Refusal::AccountChanged`] if the row or the permit is another user's.
    pub async fn finish_address_change(
        self,
        permit: AddressPermit,
        new: &UserRow,
    ) -> Result<Result<Authenticated, Refusal>, MfaError<S, M>> {
        let elevated = self.elevated;
        if new.user() != elevated.user() || permit.user() != elevated.user() {
            return Ok(Err(Refusal::AccountChanged));
        }
        let row = RowDigest::of(self.mfa.keys.current(), new);
        let finish = |account: &mut crate::account::Account, cx: crate::account::Context<'_>, _| {
            account.finish_address_change(&cx, elevated, &permit, row)
        };
        self.mfa.change_session(elevated.user(), finish).await
    }

    /// Erases what is stored of the user after the host has deleted its row. A tombstone remains, so that old sessions stay
    /// invalid and the id opens nothing: see
    /// [`Maintenance::forget_tombstone`](super::Maintenance::forget_tombstone).
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed: repeat it, or let an administrator's
    /// [`erase_user`](super::Admin::erase_user) do it.
    pub async fn erase_user(self) -> Result<(), MfaError<S, M>> {
        self.mfa.transact(self.elevated.user(), |account, _, _| account.erase(None)).await
    }
}
