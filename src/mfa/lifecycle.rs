//! What happens to factors after they are registered: recovery codes, renaming, replacement, and an administrator's
//! reset.

use alloc::vec::Vec;

use super::{IssuedTicket, Mfa, RemovalReason};
use crate::account::MAX_DEVICES;
use crate::code::Code;
use crate::device::{DeviceId, DeviceName};
use crate::error::MfaError;
use crate::login::{Administrator, Change, Contact, Flow, Registration, RegistrationRef, SignedIn};
use crate::mailer::Mailer;
use crate::policy::Policy;
use crate::recovery::{RecoveryCode, RecoveryCodes};
use crate::store::Store;
use crate::time::Timestamp;
use crate::user::UserId;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Verifies a code of one device, which the user has named. It is compared with that device alone, so that a
    /// wrong one costs one guess; [`Mfa::verify_app_code`] compares with each device and costs as many.
    ///
    /// A device that is disabled takes no code here either.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn verify_app_code_of<R: Flow>(
        &self,
        flow: &R,
        device: DeviceId,
        code: &Code,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.verify_app_code(rq, fresh, code, Some(device))).await
    }

    /// Verifies a recovery code in place of a code of the app, and spends it. The user is told by mail.
    ///
    /// A login that it completes is worth [`Assurance::Recovered`](crate::Assurance::Recovered), and
    /// [`Authenticated::recovery`](crate::Authenticated::recovery) leads to the registration of a device.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`]. If the mail cannot be sent the code is spent all the same, and a login that it
    /// would complete is not: the user takes the next one.
    pub async fn verify_recovery_code<R: Flow>(
        &self,
        flow: &R,
        code: &RecoveryCode,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        self.proceed(flow, policy, |account, rq, fresh| account.verify_recovery_code(rq, fresh, code)).await
    }

    /// Makes new recovery codes and shows them, on a fresh code of a device (OWASP ASVS 5.0, 7.5.1). They come into
    /// force by [`Mfa::confirm_recovery_codes`], within 10 minutes; until then the ones before are good.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn begin_recovery_codes(
        &self,
        session: &SignedIn,
        code: &Code,
    ) -> Result<Change<NewRecoveryCodes>, MfaError<S, M>> {
        let codes = RecoveryCodes::generate(&*self.random)?;
        let (result, events) = self
            .transact(session.user(), |account, cx, _| {
                account.in_session(session, |account| account.begin_recovery_codes(cx, code, &codes))
            })
            .await?;
        Ok(Change::new(result.map(|expires_at| NewRecoveryCodes { codes, expires_at }), events))
    }

    /// Puts the new recovery codes into force, on any one of them: who can type it has kept them, which no box that
    /// is ticked shows. It stays good. The ones before are dead at once, and the user is told by mail.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn confirm_recovery_codes(
        &self,
        session: &SignedIn,
        code: &RecoveryCode,
        contact: Contact,
    ) -> Result<Change<()>, MfaError<S, M>> {
        let (result, events) = self
            .transact(session.user(), |account, cx, _| {
                account.in_session(session, |account| account.confirm_recovery_codes(cx, code, &contact))
            })
            .await?;
        Ok(Change::new(result, events))
    }

    /// Gives a device another name, on a fresh code of any device that the user holds.
    ///
    /// # Errors
    ///
    /// As [`Mfa::verify_email_code`].
    pub async fn rename_device(
        &self,
        session: &SignedIn,
        device: DeviceId,
        name: &DeviceName,
        code: &Code,
    ) -> Result<Change<()>, MfaError<S, M>> {
        let (result, events) = self
            .transact(session.user(), |account, cx, _| {
                account.in_session(session, |account| account.rename_device(cx, device, name, code))
            })
            .await?;
        Ok(Change::new(result, events))
    }

    /// Lets the device that is being registered take the place of another one. That one works until the new one is
    /// confirmed, and is removed by the same change; the user gets one mail. A user at the limit of devices, or whose
    /// policy keeps the last one, changes it this way. End the user's other sessions then, or offer it (OWASP ASVS 5.0,
    /// 7.4.3).
    ///
    /// It is a part of the registration, whatever that has proved so far: from [`Mfa::begin_registration`], or from
    /// [`Authenticated::recovery`](crate::Authenticated::recovery).
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn replace_device(
        &self,
        registration: &RegistrationRef,
        device: DeviceId,
        policy: &Policy,
    ) -> Result<Registration, MfaError<S, M>> {
        self.proceed(registration, policy, |account, rq, fresh| account.replace_device(rq, fresh, device)).await
    }

    /// Whether a device could be removed now, on a fresh code; what else the user can do if not. Nothing is written
    /// or spent.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn can_remove(
        &self,
        user: &UserId,
        device: DeviceId,
        contact: &Contact,
        policy: &Policy,
    ) -> Result<Removable, MfaError<S, M>> {
        let (account, now) = self.look(user).await?;
        let Err(refusal) = account.can_remove(now, device, contact, policy) else { return Ok(Removable::Now) };
        let reason = RemovalReason::from(refusal);
        let instead = match reason {
            RemovalReason::DevicesDisabled if account.has_recovery_codes() => Vec::from([Alternative::RecoveryCode]),
            RemovalReason::DevicesDisabled => Vec::from([Alternative::AskAdministrator]),
            RemovalReason::Locked { until } => Vec::from([Alternative::Wait { until }]),
            RemovalReason::OthersDisabled => Vec::from([Alternative::Replace, Alternative::RemoveDisabled]),
            RemovalReason::Policy(_) if account.devices.len() < MAX_DEVICES => {
                Vec::from([Alternative::Replace, Alternative::RegisterAnother])
            }
            RemovalReason::Policy(_) => Vec::from([Alternative::Replace]),
            RemovalReason::Malformed
            | RemovalReason::SessionEnded
            | RemovalReason::StepUpEnded
            | RemovalReason::UnknownDevice
            | RemovalReason::UnknownFactor
            | RemovalReason::WrongCode => Vec::new(),
        };
        Ok(Removable::No { reason, instead })
    }

    /// Takes every factor from a user who has nothing left to prove: devices, factors of the host, recovery codes, open
    /// logins, trusted browsers. It begins no new grace period. Makes a ticket, by which the user registers anew; the
    /// user is told by mail.
    ///
    /// It is the way out of what time does not lift: disabled devices, disabled recovery codes, and the e-mail channel
    /// after [`FailureBudget::CONSECUTIVE_CAP`](crate::FailureBudget::CONSECUTIVE_CAP) wrong codes. For the latter the
    /// administrator vouches that `contact` is the user's own address. Make sure of who the user is as carefully as
    /// at the first registration (OWASP ASVS 5.0, 6.4.4), and end the user's sessions.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn reset_by_admin(
        &self,
        user: &UserId,
        by: &Administrator,
        contact: Contact,
    ) -> Result<IssuedTicket, MfaError<S, M>> {
        let ((ticket, expires_at), events) =
            self.transact(user, |account, cx, fresh| account.reset(cx, fresh, by.id(), &contact)).await?;
        Ok(IssuedTicket { ticket, expires_at, events })
    }
}

/// Recovery codes that were made and wait for their confirmation.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewRecoveryCodes {
    /// The codes, to be shown once.
    pub codes: RecoveryCodes,
    /// From this second on they cannot be confirmed any more.
    pub expires_at: Timestamp,
}

/// Whether a device can be removed. Exhaustive on purpose, as [`Removal`](crate::Removal) is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a removal can be impossible"]
pub enum Removable {
    /// It cannot.
    No {
        /// Why.
        reason: RemovalReason,
        /// What the user can do instead, the better first.
        instead: Vec<Alternative>,
    },
    /// On a fresh code it can, by [`Mfa::remove_device`].
    Now,
}

/// What a user can do who cannot remove a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alternative {
    /// Call an administrator, who resets the factors: [`Mfa::reset_by_admin`].
    AskAdministrator,
    /// Register a device with a recovery code: [`Mfa::begin_registration`].
    RecoveryCode,
    /// Register another device first: [`Mfa::begin_registration`].
    RegisterAnother,
    /// Remove the disabled devices first: [`Mfa::remove_device`].
    RemoveDisabled,
    /// Let a new device take its place: [`Mfa::replace_device`].
    Replace,
    /// Wait.
    Wait {
        /// Until when.
        until: Timestamp,
    },
}
