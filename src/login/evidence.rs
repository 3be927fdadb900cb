//! What was proved, and how much it is worth.

use crate::browser::BrowserId;
use crate::device::DeviceId;
use crate::policy::Step;
use crate::time::Timestamp;

/// How much a login is worth. NIST SP 800-63B-4 counts an e-mail code as no factor of its own, so that
/// only [`Assurance::TwoFactor`] is an AAL2 login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Assurance {
    /// The first factor alone: the policy asks this user for no more.
    FirstFactor,
    /// The first factor, and a browser that the user had trusted: it replaces no factor, and is worth no more than
    /// the first alone (NIST SP 800-63B-4 section 5.1).
    TrustedBrowser,
    /// The first factor, and a code by e-mail.
    EmailCode,
    /// The first factor, and a recovery code in place of a lost device. It is more than a mailbox, which others read;
    /// and less than a device, for it may have been copied, and is there to register one with.
    Recovered,
    /// The first factor, and a device that the user holds.
    TwoFactor,
}

impl Assurance {
    /// The value of the `acr` claim.
    ///
    /// | assurance | `acr` |
    /// |---|---|
    /// | [`FirstFactor`](Self::FirstFactor) | `urn:factorgate:acr:first-factor` |
    /// | [`TrustedBrowser`](Self::TrustedBrowser) | `0`, as OpenID Connect Core 1.0 section 2 names a long-lived cookie |
    /// | [`EmailCode`](Self::EmailCode) | `urn:factorgate:acr:email-code` |
    /// | [`Recovered`](Self::Recovered) | `urn:factorgate:acr:recovered` |
    /// | [`TwoFactor`](Self::TwoFactor) | `urn:factorgate:acr:two-factor` |
    #[must_use]
    pub fn acr(self) -> &'static str {
        match self {
            Self::FirstFactor => "urn:factorgate:acr:first-factor",
            Self::TrustedBrowser => "0",
            Self::EmailCode => "urn:factorgate:acr:email-code",
            Self::Recovered => "urn:factorgate:acr:recovered",
            Self::TwoFactor => "urn:factorgate:acr:two-factor",
        }
    }

    /// The values of the `amr` claim (RFC 8176): it has none for a code by e-mail, for a recovery code, nor for a
    /// cookie.
    #[must_use]
    pub fn amr(self) -> &'static [&'static str] {
        match self {
            Self::TwoFactor => &["pwd", "otp", "mfa"],
            Self::FirstFactor | Self::TrustedBrowser | Self::EmailCode | Self::Recovered => &["pwd"],
        }
    }
}

/// What a flow has proved, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// A code of this device was right.
    pub app_code: Option<(DeviceId, Timestamp)>,
    /// A code by e-mail was right.
    pub email_code: Option<Timestamp>,
    /// This device was registered in the flow.
    pub enrolled: Option<(DeviceId, Timestamp)>,
    /// A recovery code was right.
    pub recovery_code: Option<Timestamp>,
    /// A ticket of the administrator was redeemed.
    pub ticket: Option<Timestamp>,
    /// This trusted browser stood for the challenge: nothing was proved in this login.
    pub trusted_browser: Option<(BrowserId, Timestamp)>,
}

impl Evidence {
    /// How much it is worth.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        if self.app_code.is_some() || self.enrolled.is_some() {
            Assurance::TwoFactor
        } else if self.is_recovered() {
            Assurance::Recovered
        } else if self.email_code.is_some() {
            Assurance::EmailCode
        } else if self.trusted_browser.is_some() {
            Assurance::TrustedBrowser
        } else {
            Assurance::FirstFactor
        }
    }

    pub(crate) fn answers(&self, step: Step) -> bool {
        match step {
            // The one stands in for the other, also when it was the last and the policy knows of none any more.
            Step::AppCode | Step::RecoveryCode => {
                self.app_code.is_some() || self.enrolled.is_some() || self.recovery_code.is_some()
            }
            Step::EmailCode | Step::VerifyEmail => self.email_code.is_some(),
            Step::EnrollApp => self.enrolled.is_some(),
            Step::External(_) => false,
            Step::Ticket => self.ticket.is_some(),
        }
    }

    /// A recovery code stood in for a device, and no device was shown or registered since.
    pub(crate) fn is_recovered(&self) -> bool {
        self.recovery_code.is_some() && self.app_code.is_none() && self.enrolled.is_none()
    }
}
