//! What was proved, and how much it is worth.

use alloc::vec;
use alloc::vec::Vec;

use crate::browser::BrowserId;
use crate::device::DeviceId;
use crate::policy::{ExternalEvidence, Step, Strength};
use crate::time::Timestamp;

/// How much a login is worth. NIST SP 800-63B-4 counts an e-mail code as no factor of its own, so that
/// only [`Assurance::TwoFactor`] and what stands above it is an AAL2 login (section 2.2.1).
///
/// None is AAL3: it takes a key that cannot be exported (section 2.3), and whether a host's factor has one, nobody
/// here can tell; passkeys that are synchronized have none.
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
    /// The first factor, and something that the user holds: a device, or a factor that the host checks.
    TwoFactor,
    /// The first factor, and a factor of the host that gives a false site nothing of use
    /// ([`Strength::PhishingResistant`]). It is still AAL2, of the kind that has to be on offer there and that
    /// agencies have to ask for (NIST SP 800-63B-4 section 2.2.2).
    PhishingResistant,
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
    /// | [`PhishingResistant`](Self::PhishingResistant) | `urn:factorgate:acr:phishing-resistant` |
    #[must_use]
    pub fn acr(self) -> &'static str {
        match self {
            Self::FirstFactor => "urn:factorgate:acr:first-factor",
            Self::TrustedBrowser => "0",
            Self::EmailCode => "urn:factorgate:acr:email-code",
            Self::Recovered => "urn:factorgate:acr:recovered",
            Self::TwoFactor => "urn:factorgate:acr:two-factor",
            Self::PhishingResistant => "urn:factorgate:acr:phishing-resistant",
        }
    }
}

/// What a flow has proved, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// A code of this device was right.
    pub app_code: Option<(DeviceId, Timestamp)>,
    /// A code by e-mail was right.
    pub email_code: Option<Timestamp>,
    /// This device was registered in the flow.
    pub enrolled: Option<(DeviceId, Timestamp)>,
    /// The host has checked these factors, or registered them: one of each, the newest.
    pub external: Vec<ExternalEvidence>,
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
        if self.external.iter().any(|checked| checked.factor().strength() == Strength::PhishingResistant) {
            Assurance::PhishingResistant
        } else if self.app_code.is_some() || self.enrolled.is_some() || !self.external.is_empty() {
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

    /// The values of the `amr` claim (RFC 8176): those of each factor that was proved, and `mfa` where one was that the
    /// user holds.
    ///
    /// A code by e-mail has none: it proves no possession. Neither has a recovery code: `otp` would be false, and `mfa`
    /// would let a relying party grant what waits for a device. What the host has checked has those that the host has
    /// named ([`ExternalEvidence::amr`]).
    #[must_use]
    pub fn amr(&self) -> Vec<&'static str> {
        let mut values = vec!["pwd"];
        let otp = (self.app_code.is_some() || self.enrolled.is_some()).then_some("otp");
        let mfa = (self.assurance() >= Assurance::TwoFactor).then_some("mfa");
        for value in otp.into_iter().chain(self.external.iter().flat_map(ExternalEvidence::amr)).chain(mfa) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// Takes what the host has checked, in place of an earlier check of the same factor.
    pub(crate) fn take_external(&mut self, checked: ExternalEvidence) {
        self.external.retain(|held| held.factor() != checked.factor());
        self.external.push(checked);
        self.external.sort_by_key(ExternalEvidence::factor);
    }

    pub(crate) fn answers(&self, step: Step) -> bool {
        match step {
            // The one stands in for the other, also when it was the last and the policy knows of none any more.
            Step::AppCode | Step::RecoveryCode => {
                self.app_code.is_some() || self.enrolled.is_some() || self.recovery_code.is_some()
            }
            Step::EmailCode | Step::VerifyEmail => self.email_code.is_some(),
            Step::EnrollApp => self.enrolled.is_some(),
            Step::External(_) => self.external.iter().any(|checked| checked.answers(step)),
            Step::Ticket => self.ticket.is_some(),
        }
    }

    /// A recovery code stood in for a device, and no device was shown or registered since.
    pub(crate) fn is_recovered(&self) -> bool {
        self.recovery_code.is_some() && self.app_code.is_none() && self.enrolled.is_none()
    }
}
