//! Factors that the host checks, and exemptions.

use alloc::vec::Vec;

use super::{Mailer, Mfa, MfaError, Store, run};
use crate::event::Event;
use crate::login::{Administrator, Change, Contact, Elevated, Flow, Registration, RegistrationRef};
use crate::mfa::Removal;
use crate::policy::{Exemption, ExternalEvidence, ExternalFactor, Policy};
use crate::user::UserId;

#[allow(clippy::missing_errors_doc, reason = "the errors are those of the operations named")]
impl<S: Store, M: Mailer> Mfa<S, M> {
    /// As [`crate::Mfa::register_external`].
    pub fn register_external(
        &self,
        registration: &RegistrationRef,
        checked: &ExternalEvidence,
        policy: &Policy,
    ) -> Result<Registration, MfaError<S, M>> {
        run(self.0.register_external(registration, checked, policy))
    }

    /// As [`crate::Mfa::register_external_by_admin`].
    pub fn register_external_by_admin(
        &self,
        user: &UserId,
        factor: ExternalFactor,
        by: &Administrator,
        contact: Contact,
    ) -> Result<Change<()>, MfaError<S, M>> {
        run(self.0.register_external_by_admin(user, factor, by, contact))
    }

    /// As [`crate::Mfa::assert_external`].
    pub fn assert_external<R: Flow>(
        &self,
        flow: &R,
        checked: &ExternalEvidence,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.assert_external(flow, checked, policy))
    }

    /// As [`crate::Mfa::external_failed`].
    pub fn external_failed<R: Flow>(
        &self,
        flow: &R,
        factor: ExternalFactor,
        policy: &Policy,
    ) -> Result<R::Outcome, MfaError<S, M>> {
        run(self.0.external_failed(flow, factor, policy))
    }

    /// As [`crate::Mfa::remove_external`].
    pub fn remove_external(
        &self,
        elevated: &Elevated,
        factor: ExternalFactor,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Removal, MfaError<S, M>> {
        run(self.0.remove_external(elevated, factor, contact, policy))
    }

    /// As [`crate::Mfa::grant_exemption`].
    pub fn grant_exemption(
        &self,
        user: &UserId,
        exemption: &Exemption,
        by: &Administrator,
    ) -> Result<Change<()>, MfaError<S, M>> {
        run(self.0.grant_exemption(user, exemption, by))
    }

    /// As [`crate::Mfa::withdraw_exemption`].
    pub fn withdraw_exemption(&self, user: &UserId, by: &Administrator) -> Result<Vec<Event>, MfaError<S, M>> {
        run(self.0.withdraw_exemption(user, by))
    }
}
