//! What happens to factors after they are registered.

use super::{Mailer, Mfa, MfaError, Store, run};
use crate::code::Code;
use crate::device::{DeviceId, DeviceName};
use crate::login::{Administrator, Change, Contact, Flow, Registration, RegistrationRef, SignedIn};
use crate::mfa::{IssuedTicket, NewRecoveryCodes, Removable};
use crate::policy::Policy;
use crate::recovery::RecoveryCode;
use crate::user::UserId;

#[allow(clippy::missing_errors_doc, reason = "the errors are those of the operations named")]
impl<S: Store, M: Mailer> Mfa<S, M> {
    /// As [`crate::Mfa::verify_app_code_of`].
    pub fn verify_app_code_of<R: Flow>(
        &self,
        flow: &R,
        device: DeviceId,
        code: &Code,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.verify_app_code_of(flow, device, code, policy))
    }

    /// As [`crate::Mfa::verify_recovery_code`].
    pub fn verify_recovery_code<R: Flow>(
        &self,
        flow: &R,
        code: &RecoveryCode,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.verify_recovery_code(flow, code, policy))
    }

    /// As [`crate::Mfa::begin_recovery_codes`].
    pub fn begin_recovery_codes(
        &self,
        session: &SignedIn,
        code: &Code,
    ) -> Result<Change<NewRecoveryCodes>, MfaError<S, M>> {
        run(self.0.begin_recovery_codes(session, code))
    }

    /// As [`crate::Mfa::confirm_recovery_codes`].
    pub fn confirm_recovery_codes(
        &self,
        session: &SignedIn,
        code: &RecoveryCode,
        contact: Contact,
    ) -> Result<Change<()>, MfaError<S, M>> {
        run(self.0.confirm_recovery_codes(session, code, contact))
    }

    /// As [`crate::Mfa::rename_device`].
    pub fn rename_device(
        &self,
        session: &SignedIn,
        device: DeviceId,
        name: &DeviceName,
        code: &Code,
    ) -> Result<Change<()>, MfaError<S, M>> {
        run(self.0.rename_device(session, device, name, code))
    }

    /// As [`crate::Mfa::replace_device`].
    pub fn replace_device(
        &self,
        registration: &RegistrationRef,
        device: DeviceId,
        policy: &Policy,
    ) -> Result<Registration, MfaError<S, M>> {
        run(self.0.replace_device(registration, device, policy))
    }

    /// As [`crate::Mfa::can_remove`].
    pub fn can_remove(
        &self,
        user: &UserId,
        device: DeviceId,
        contact: &Contact,
        policy: &Policy,
    ) -> Result<Removable, MfaError<S, M>> {
        run(self.0.can_remove(user, device, contact, policy))
    }

    /// As [`crate::Mfa::reset_by_admin`].
    pub fn reset_by_admin(
        &self,
        user: &UserId,
        by: &Administrator,
        contact: Contact,
    ) -> Result<IssuedTicket, MfaError<S, M>> {
        run(self.0.reset_by_admin(user, by, contact))
    }
}
