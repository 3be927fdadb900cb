//! What is known of a user when a login is planned.

use super::Step;

/// What is known of a user when a login is planned: facts, with no decision in them.
///
/// A combination that cannot be true cannot be written: recovery codes belong to a confirmed device, and a
/// taint to an address.
///
/// ```
/// use factorgate::policy::{DeviceStanding, EmailStanding, Standing};
///
/// let mut user = Standing::new();
/// user.device = DeviceStanding::Confirmed { recovery_codes: true };
/// user.email = Some(EmailStanding { verified: true, tainted: false });
/// assert!(!user.trusted && !user.in_grace && !user.ticket);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Standing {
    /// The user's own devices.
    pub device: DeviceStanding,
    /// The e-mail address on record, if there is one.
    pub email: Option<EmailStanding>,
    /// The period in which this user may put the first registration off has not ended.
    pub in_grace: bool,
    /// A registration was begun and not confirmed. It changes no plan.
    pub pending: bool,
    /// The user holds a ticket for the first registration, issued by the administrator.
    pub ticket: bool,
    /// The login comes from a browser that the user chose to trust, and the trust is still good.
    pub trusted: bool,
}

impl Standing {
    /// A user of whom nothing is known: no device, no address, no ticket, no grace, no trust.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn has_device(&self) -> bool {
        matches!(self.device, DeviceStanding::Confirmed { .. })
    }

    pub(super) fn has_recovery_codes(&self) -> bool {
        matches!(self.device, DeviceStanding::Confirmed { recovery_codes: true })
    }

    pub(super) fn ever_held_factor(&self) -> bool {
        !matches!(self.device, DeviceStanding::Never)
    }

    /// The address on record, if a code may be sent to it.
    pub(super) fn usable_email(&self) -> Option<EmailStanding> {
        self.email.filter(|email| !email.tainted)
    }

    /// The step by which this user can answer with the e-mail channel.
    pub(super) fn email_step(&self) -> Option<Step> {
        self.usable_email().map(|email| if email.verified { Step::EmailCode } else { Step::VerifyEmail })
    }
}

/// What is known of a user's devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceStanding {
    /// At least one device is registered, and a code from it confirmed the registration.
    Confirmed {
        /// Unused recovery codes are left.
        recovery_codes: bool,
    },
    /// No device is registered, and one was before.
    Formerly,
    /// No device was ever registered.
    #[default]
    Never,
}

/// What is known of an e-mail address on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmailStanding {
    /// The address was changed by someone who had not proved what the policy asks for. No code goes to it.
    pub tainted: bool,
    /// The user has shown that they read what is sent to the address.
    pub verified: bool,
}
