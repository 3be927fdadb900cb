//! Sessions after the login, and trusted browsers.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Mailer, Mfa, MfaError, Store, run};
use crate::browser::{BrowserId, BrowserInfo, BrowserName};
use crate::device::DeviceId;
use crate::event::Event;
use crate::login::{
    Authenticated, BrowserToken, Change, Contact, Elevated, Login, PrimaryVerified, Session, SessionClaims, StepUp,
    Trust,
};
use crate::mfa::{AddressChange, NewRecoveryCodes, Removal};
use crate::policy::Policy;
use crate::user::UserId;

#[allow(clippy::missing_errors_doc, reason = "the errors are those of the operations named")]
impl<S: Store, M: Mailer> Mfa<S, M> {
    /// As [`crate::Mfa::begin_login_from`].
    pub fn begin_login_from(
        &self,
        primary: PrimaryVerified,
        contact: Contact,
        policy: &Policy,
        browser: Option<&BrowserToken>,
    ) -> Result<Login, MfaError<S, M>> {
        run(self.0.begin_login_from(primary, contact, policy, browser))
    }

    /// As [`crate::Mfa::begin_step_up`].
    pub fn begin_step_up(
        &self,
        claims: &SessionClaims,
        contact: Contact,
        policy: &Policy,
        freshness: Duration,
    ) -> Result<StepUp, MfaError<S, M>> {
        run(self.0.begin_step_up(claims, contact, policy, freshness))
    }

    /// As [`crate::Mfa::check_session`].
    pub fn check_session(&self, claims: &SessionClaims) -> Result<Session, MfaError<S, M>> {
        run(self.0.check_session(claims))
    }

    /// As [`crate::Mfa::remove_device_with`].
    pub fn remove_device_with(
        &self,
        elevated: &Elevated,
        device: DeviceId,
        contact: Contact,
        policy: &Policy,
    ) -> Result<Removal, MfaError<S, M>> {
        run(self.0.remove_device_with(elevated, device, contact, policy))
    }

    /// As [`crate::Mfa::begin_recovery_codes_with`].
    pub fn begin_recovery_codes_with(&self, elevated: &Elevated) -> Result<Change<NewRecoveryCodes>, MfaError<S, M>> {
        run(self.0.begin_recovery_codes_with(elevated))
    }

    /// As [`crate::Mfa::permit_address_change`].
    pub fn permit_address_change(&self, elevated: &Elevated) -> Result<AddressChange, MfaError<S, M>> {
        run(self.0.permit_address_change(elevated))
    }

    /// As [`crate::Mfa::trust_browser`].
    pub fn trust_browser(
        &self,
        passed: &Authenticated,
        name: &BrowserName,
        policy: &Policy,
    ) -> Result<Trust, MfaError<S, M>> {
        run(self.0.trust_browser(passed, name, policy))
    }

    /// As [`crate::Mfa::browsers`].
    pub fn browsers(&self, user: &UserId) -> Result<Vec<BrowserInfo>, MfaError<S, M>> {
        run(self.0.browsers(user))
    }

    /// As [`crate::Mfa::revoke_browser`].
    pub fn revoke_browser(&self, user: &UserId, browser: BrowserId) -> Result<Vec<Event>, MfaError<S, M>> {
        run(self.0.revoke_browser(user, browser))
    }

    /// As [`crate::Mfa::revoke_browsers`].
    pub fn revoke_browsers(&self, user: &UserId) -> Result<Vec<Event>, MfaError<S, M>> {
        run(self.0.revoke_browsers(user))
    }
}
