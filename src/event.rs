//! What happened, for the audit log: typed, and without a secret.

use core::fmt;

use crate::browser::BrowserId;
use crate::device::DeviceId;
use crate::policy::{DenyReason, ExternalFactor, Step};
use crate::time::Timestamp;
use crate::user::UserId;

/// Something that an audit log wants to know of (OWASP ASVS 5.0, 16.3.1).
///
/// Each outcome carries its events, and the observer of the engine sees them too. Both see them after the
/// store has accepted the change that they tell of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Whom it concerns.
    pub user: UserId,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The host was permitted to change the address of the user.
    AddressChangePermitted,
    /// A trusted browser stood for the challenge of a login.
    BrowserAccepted {
        /// The browser.
        browser: BrowserId,
        /// It came with the token that another request had replaced a moment before.
        parallel: bool,
    },
    /// The token of a browser was presented that is not trusted, or not any more.
    BrowserNotTrusted,
    /// A browser is not trusted any more.
    BrowserTrustEnded {
        /// The browser.
        browser: BrowserId,
        /// Why.
        cause: TrustEnd,
    },
    /// The user has trusted a browser.
    BrowserTrusted {
        /// The browser.
        browser: BrowserId,
    },
    /// A code was right.
    CodeAccepted {
        /// Which way of proof it was.
        factor: Factor,
    },
    /// An e-mail code was made and handed to the mailer.
    CodeIssued,
    /// A code was not accepted. The user is told the same whatever the reason.
    CodeRefused {
        /// Which way of proof it was.
        factor: Factor,
        /// Why.
        fault: CodeFault,
    },
    /// A device was registered.
    DeviceAdded {
        /// The new device.
        device: DeviceId,
    },
    /// A device was disabled by consecutive wrong codes; only registering one anew helps.
    DeviceDisabled {
        /// The device.
        device: DeviceId,
    },
    /// A device was removed.
    DeviceRemoved {
        /// The device that was removed.
        device: DeviceId,
    },
    /// A device was given another name.
    DeviceRenamed {
        /// The device.
        device: DeviceId,
    },
    /// A device was registered, and another one removed, at once.
    DeviceReplaced {
        /// The device that was removed.
        device: DeviceId,
        /// The new device.
        by: DeviceId,
    },
    /// The removal of a device was refused, for it would lock its user out.
    DeviceRemovalRefused {
        /// The device that stays.
        device: DeviceId,
    },
    /// Codes are sent to this user no more, after consecutive wrong ones.
    EmailDisabled,
    /// A registration was begun: a secret was made and shown.
    EnrollmentBegun,
    /// An administrator has exempted the user from what the policy enforces.
    ExemptionGranted {
        /// The administrator.
        by: UserId,
        /// Its end.
        until: Timestamp,
    },
    /// An administrator has taken the exemption back.
    ExemptionWithdrawn {
        /// The administrator.
        by: UserId,
    },
    /// A factor that the host checks was registered.
    ExternalAdded {
        /// The new factor.
        factor: ExternalFactor,
        /// The administrator, if it was not the user.
        by: Option<UserId>,
    },
    /// A factor of the host was disabled by consecutive failed checks; only registering it anew helps.
    ExternalDisabled {
        /// The factor.
        factor: ExternalFactor,
    },
    /// The removal of a factor of the host was refused, for it would lock its user out.
    ExternalRemovalRefused {
        /// The factor that stays.
        factor: ExternalFactor,
    },
    /// A factor of the host was removed.
    ExternalRemoved {
        /// The factor that was removed.
        factor: ExternalFactor,
    },
    /// An administrator has had the secrets of the user's devices written out.
    FactorsExported {
        /// The administrator.
        by: UserId,
    },
    /// What the user has registered with another system was taken over; its devices are named after this.
    FactorsImported {
        /// The administrator.
        by: UserId,
        /// How many recovery codes came along.
        recovery_codes: u32,
    },
    /// An administrator has taken all factors from the user; what was removed is named after this.
    FactorsReset {
        /// The administrator.
        by: UserId,
    },
    /// The user's grace period has begun, with a login that it let through. It begins once.
    GraceBegun {
        /// The deadline.
        until: Timestamp,
    },
    /// The user was locked, by the wrong code that came before.
    Locked {
        /// Until when.
        until: Timestamp,
    },
    /// A login was begun and owes a step.
    LoginBegun,
    /// A login was completed.
    LoginCompleted,
    /// A login, a registration or a step-up was refused by the policy.
    LoginDenied {
        /// Why.
        reason: DenyReason,
    },
    /// All open logins of the user were ended, and all sessions.
    LoginsRevoked,
    /// A mail could not be sent, or may not have been. What it tells of has happened.
    MailUndelivered,
    /// A recovery code was used in place of a device.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
    },
    /// The recovery codes were disabled by consecutive wrong ones; only new ones help.
    RecoveryCodesDisabled,
    /// New recovery codes are in force, and the ones before are dead.
    RecoveryCodesRenewed,
    /// New recovery codes were made and shown; they are not in force yet.
    RecoveryCodesShown,
    /// Something was tried while the user was locked, and was not looked at.
    RefusedWhileLocked {
        /// Until when.
        until: Timestamp,
    },
    /// A registration from the profile was begun and owes a step.
    RegistrationBegun,
    /// A registration from the profile was completed; what was registered is named before this.
    RegistrationCompleted,
    /// A step was tried that is not open: a sign of a forged request or of a changed policy
    /// (OWASP ASVS 5.0, 16.3.3).
    StepNotOpen {
        /// The step that was tried.
        step: Step,
    },
    /// A step-up was begun and owes a step.
    StepUpBegun,
    /// A step-up was completed, or its proof was fresh.
    StepUpCompleted,
    /// A ticket was made for the user.
    TicketIssued {
        /// The administrator who hands it over.
        by: UserId,
    },
}

/// A way of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Factor {
    /// A code of an authenticator app.
    App,
    /// A code by e-mail.
    Email,
    /// The code that confirms a registration.
    Enrollment,
    /// A factor that the host checks: its word, in place of a code.
    External(ExternalFactor),
    /// A recovery code.
    Recovery,
    /// The recovery code that confirms new ones.
    RecoveryConfirmation,
    /// A ticket of the administrator.
    Ticket,
}

/// Why a browser is not trusted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrustEnd {
    /// Another browser took its place.
    Displaced,
    /// A token was presented that a use had replaced before: somebody has a copy of the cookie, or the browser never
    /// got the answer.
    Reused,
    /// The user ended the trust.
    Revoked,
    /// The policy asks for more than when the browser was trusted, or allows no trusted browsers any more.
    StricterPolicy,
}

/// Why a code was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodeFault {
    /// It was right, but too late.
    Expired,
    /// There was none to compare it with.
    NoneOutstanding,
    /// It was right, and used before.
    Replayed,
    /// It was right until a newer one was sent.
    Superseded,
    /// It was wrong.
    Wrong,
}

impl fmt::Display for Event {
    /// One line for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {} at {}: {:?}", self.user, self.at.as_secs(), self.kind)
    }
}
