//! What is known of a user when a login is planned.

use alloc::collections::BTreeSet;

use super::{Exemption, ExternalFactor, Grace, Step, Strength};
use crate::time::Timestamp;

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
/// assert!(!user.trusted && !user.ticket && user.external.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Standing {
    /// The user's own devices.
    pub device: DeviceStanding,
    /// The e-mail address on record, if there is one.
    pub email: Option<EmailStanding>,
    /// An administrator's word that this user is exempt from what the policy enforces.
    pub exemption: Option<Exemption>,
    /// The factors that this user holds, the host checks, and the host can check now.
    pub external: BTreeSet<ExternalFactor>,
    /// The period in which this user may put the first registration off.
    pub grace: Grace,
    /// The time of the login. If `None`, neither grace nor an exemption applies.
    pub now: Option<Timestamp>,
    /// A registration was begun and not confirmed. It changes no plan.
    pub pending: bool,
    /// The user holds a ticket for the first registration, issued by the administrator.
    pub ticket: bool,
    /// The login comes from a browser that the user chose to trust, and the trust is still good.
    pub trusted: bool,
}

impl Standing {
    /// A user of whom nothing is known: no factor, no address, no ticket, no exemption, no trust, and not even the
    /// time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A user of whom nothing is known but that the login takes place at `now`.
    ///
    /// ```
    /// use factorgate::Timestamp;
    /// use factorgate::policy::Standing;
    ///
    /// let now = Timestamp::from_secs(1_900_000_000);
    /// assert_eq!(Standing::at(now).now, Some(now));
    /// assert_eq!(Standing::new().now, None);
    /// ```
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now: Some(now), ..Self::default() }
    }

    /// The same user without all that ends by itself: grace, the exemption, the trust in this browser.
    pub(super) fn lasting(&self) -> Self {
        Self { now: None, trusted: false, ..self.clone() }
    }

    pub(super) fn has_device(&self) -> bool {
        matches!(self.device, DeviceStanding::Confirmed { .. })
    }

    pub(super) fn has_recovery_codes(&self) -> bool {
        matches!(self.device, DeviceStanding::Confirmed { recovery_codes: true })
    }

    pub(super) fn ever_held_factor(&self) -> bool {
        !matches!(self.device, DeviceStanding::Never) || !self.external.is_empty()
    }

    /// The strongest of the user's external factors.
    pub(super) fn strongest_external(&self) -> impl Iterator<Item = ExternalFactor> + '_ {
        let strongest = self.external.iter().map(ExternalFactor::strength).max();
        self.external.iter().copied().filter(move |factor| Some(factor.strength()) == strongest)
    }

    /// The external factors that are at least as strong as the user's own device.
    pub(super) fn phishing_resistant(&self) -> impl Iterator<Item = ExternalFactor> + '_ {
        self.external.iter().copied().filter(|factor| factor.strength() == Strength::PhishingResistant)
    }

    /// The exemption, if it is good now, and does anything for this user.
    pub(super) fn exempt(&self) -> Option<&Exemption> {
        let now = self.now?;
        self.exemption.as_ref().filter(|exemption| exemption.holds_at(now) && !self.ever_held_factor())
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
///
/// ```
/// use factorgate::policy::{DeviceStanding, FirstRegistration, Policy, Standing, Step};
///
/// let mut user = Standing::new();
/// user.device = DeviceStanding::Confirmed { recovery_codes: false };
/// // A device is asked for, whatever the company enforces.
/// let plan = Policy::off(FirstRegistration::AfterPassword).evaluate(&user);
/// assert_eq!(plan.paths()[0].steps(), [Step::AppCode]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceStanding {
    /// At least one device is registered, and a code from it confirmed the registration.
    Confirmed {
        /// Unused recovery codes are left.
        recovery_codes: bool,
    },
    /// No device is registered, and one was before; or an external factor was.
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
