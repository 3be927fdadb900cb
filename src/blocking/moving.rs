//! Moving in and out, new server keys, and what all users hold.

use core::ops::ControlFlow;

use super::{Mailer, Mfa, MfaError, Store, run};
use crate::login::{Administrator, Contact, Flow};
#[cfg(feature = "dangerous-export")]
use crate::mfa::Export;
use crate::mfa::{Coverage, Covered, Imported, KeyUsage, Resealed, Reseals, Walk};
use crate::moving::{Import, LegacyRecoveryCode};
use crate::policy::Policy;
use crate::user::UserId;

#[allow(clippy::missing_errors_doc, reason = "the errors are those of the operations named")]
impl<S: Store, M: Mailer> Mfa<S, M> {
    /// As [`crate::Mfa::import`].
    pub fn import(&self, user: &UserId, import: &Import, by: &Administrator) -> Result<Imported, MfaError<S, M>> {
        run(self.0.import(user, import, by))
    }

    /// As [`crate::Mfa::verify_legacy_recovery_code`].
    pub fn verify_legacy_recovery_code<R: Flow>(
        &self,
        flow: &R,
        code: &LegacyRecoveryCode,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.verify_legacy_recovery_code(flow, code, policy))
    }

    /// As [`crate::Mfa::export`].
    #[cfg(feature = "dangerous-export")]
    pub fn export(&self, user: &UserId, by: &Administrator) -> Result<Export, MfaError<S, M>> {
        run(self.0.export(user, by))
    }

    /// As [`crate::Mfa::reseal`].
    pub fn reseal(&self, user: &UserId) -> Result<Resealed, MfaError<S, M>> {
        run(self.0.reseal(user))
    }

    /// As [`crate::Mfa::reseal_all`].
    pub fn reseal_all<I>(
        &self,
        users: I,
        each: impl FnMut(&UserId, &Result<Resealed, MfaError<S, M>>) -> ControlFlow<()> + Send,
    ) -> Walk<Reseals, MfaError<S, M>>
    where
        I: IntoIterator<Item = UserId>,
        I::IntoIter: Send,
    {
        run(self.0.reseal_all(users, each))
    }

    /// As [`crate::Mfa::key_usage`].
    pub fn key_usage(&self, user: &UserId) -> Result<KeyUsage, MfaError<S, M>> {
        run(self.0.key_usage(user))
    }

    /// As [`crate::Mfa::coverage`].
    pub fn coverage<I>(
        &self,
        users: I,
        policy: &Policy,
        each: impl FnMut(&Covered) -> ControlFlow<()> + Send,
    ) -> Walk<Coverage, MfaError<S, M>>
    where
        I: IntoIterator<Item = (UserId, Contact)>,
        I::IntoIter: Send,
    {
        run(self.0.coverage(users, policy, each))
    }
}
