//! What was proved, and how much it is worth.

use alloc::vec;
use alloc::vec::Vec;

use crate::browser::BrowserId;
use crate::device::DeviceId;
use crate::policy::{ExternalEvidence, Step, Strength};
use crate::time::Timestamp;
use crate::user::EmailAddress;

/// How much a login is worth. NIST SP 800-63B-4 counts an e-mail code as no factor of its own, so that
/// only [`Assurance::TwoFactor`] and what stands above it is an AAL2 login (section 2.2.1).
///
/// None is AAL3: it takes a key that cannot be exported (section 2.3), and whether a host's factor has one, nobody
/// here can tell; passkeys that are synchronized have none.
///
/// ```
/// # fn may_pay(session: &factorgate::Session) -> bool {
/// use factorgate::login::Assurance;
///
/// session.claims().evidence().assurance() >= Assurance::TwoFactor
/// # }
/// ```
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
    /// The first factor, and something that the user has: a device, or an external factor.
    TwoFactor,
    /// The first factor, and an external factor that gives a false site nothing of use
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
///
/// ```
/// # fn describe(claims: &factorgate::SessionClaims) {
/// let evidence = claims.evidence();
/// if let Some((device, at)) = evidence.app_code {
///     println!("a code of device {device} at {}", at.as_secs());
/// }
/// println!("amr: {:?}", evidence.amr()); // for an ID token (RFC 8176)
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The device whose code was verified.
    pub app_code: Option<(DeviceId, Timestamp)>,
    /// The address whose code was verified.
    pub email_code: Option<(EmailAddress, Timestamp)>,
    /// The factors that the host verified or registered: the newest check of each.
    pub external: Vec<ExternalEvidence>,
    /// When a recovery code was verified.
    pub recovery_code: Option<Timestamp>,
    /// The device that was registered.
    pub registered: Option<(DeviceId, Timestamp)>,
    /// When a ticket was redeemed.
    pub ticket: Option<Timestamp>,
    /// The trusted browser that replaced the challenge.
    pub trusted_browser: Option<(BrowserId, Timestamp)>,
}

impl Evidence {
    /// How much it is worth.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        if self.external.iter().any(|checked| checked.factor().strength() == Strength::PhishingResistant) {
            Assurance::PhishingResistant
        } else if self.app_code.is_some() || self.registered.is_some() || !self.external.is_empty() {
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
        let otp = (self.app_code.is_some() || self.registered.is_some()).then_some("otp");
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
            // A recovery code replaces the app code, also when it was the last one.
            Step::AppCode | Step::RecoveryCode => self.has_device() || self.recovery_code.is_some(),
            Step::EmailCode | Step::VerifyEmail => self.email_code.is_some(),
            Step::EnrollApp => self.registered.is_some(),
            Step::External(_) => self.external.iter().any(|checked| checked.answers(step)),
            Step::Ticket => self.ticket.is_some(),
        }
    }

    pub(crate) fn has_device(&self) -> bool {
        self.app_code.is_some() || self.registered.is_some()
    }

    /// A recovery code replaced a device, and no device was verified or registered since.
    pub(crate) fn is_recovered(&self) -> bool {
        self.recovery_code.is_some() && !self.has_device()
    }

    /// This evidence with what was proved later in the same session.
    pub(crate) fn raised_by(&self, new: &Self) -> Self {
        let own = self.clone();
        let app_code = new.app_code.or(own.app_code);
        let registered = new.registered.or(own.registered);
        let mut raised = Self {
            app_code,
            registered,
            email_code: new.email_code.clone().or(own.email_code),
            recovery_code: new.recovery_code.or(own.recovery_code),
            ticket: new.ticket.or(own.ticket),
            // The trusted browser replaced a challenge that has now been completed.
            trusted_browser: own.trusted_browser.filter(|_| new.is_empty()),
            external: own.external,
        };
        for checked in &new.external {
            raised.take_external(*checked);
        }
        raised
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// When something was proved last.
    pub(crate) fn last_proof(&self) -> Option<Timestamp> {
        let Self { app_code, email_code, external, recovery_code, registered, ticket, trusted_browser: _ } = self;
        let devices = [*app_code, *registered].into_iter().flatten().map(|(_, at)| at);
        let others = [email_code.as_ref().map(|(_, at)| *at), *recovery_code, *ticket].into_iter().flatten();
        devices.chain(others).chain(external.iter().map(ExternalEvidence::at)).max()
    }
}
