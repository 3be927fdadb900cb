//! Moving in and out, new server keys, and what all users hold.

use super::{Mailer, Mfa, MfaError, Store, run};
use crate::login::{Administrator, Flow};
use crate::mfa::Imported;
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
}
