//! What a login, or a registration, comes to: the values that the host matches on.

mod change;
mod claims;
mod evidence;
mod external;
mod reference;
mod step_up;
mod trust;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::event::Event;
use crate::otp::ClockSkew;
use crate::otpauth::KeyUri;
use crate::policy::{Denial, Path, Policy, Step};
use crate::recovery::RecoveryCodesLeft;
use crate::time::Timestamp;
use crate::user::UserId;

pub use self::change::{Change, ChangeRefused};
pub use self::claims::{EpochChange, InvalidClaims, MustRotateSession, Session, SessionClaims};
pub use self::evidence::{Assurance, Evidence};
pub use self::external::ExternalInfo;
pub use self::reference::{
    Administrator, Contact, Flow, InvalidReference, LoginRef, PrimaryVerified, RegistrationRef, SignedIn, StepUpRef,
};
pub(crate) use self::reference::{Purpose, Token, sealed};
pub use self::step_up::{AddressPermit, Elevated, StepUp, insufficient_user_authentication};
pub(crate) use self::trust::Series;
pub use self::trust::{BrowserToken, InvalidBrowserToken, Trust, TrustRefused};

/// Where a login stands. Exhaustive on purpose: a state that is added later must break every host's `match`.
///
/// A host opens a session in one place, where it has an [`Authenticated`] in hand.
#[derive(Debug)]
#[must_use = "the login goes on, or ends, as this value says"]
pub enum Login {
    /// Every step that was owed is proved.
    Authenticated(Authenticated),
    /// The user has to prove a step, or choose one.
    Challenge(Challenge<LoginRef>),
    /// There is no way in, now or without help.
    Denied(Denied),
    /// The user has to put the secret into an app and confirm it with a code.
    Enroll(Enroll<LoginRef>),
}

/// Where a registration from the profile stands. Exhaustive, as [`Login`] is.
#[derive(Debug)]
#[must_use = "the registration goes on, or ends, as this value says"]
pub enum Registration {
    /// The user has to prove a step first, or choose one.
    Challenge(Challenge<RegistrationRef>),
    /// It is not possible, now or without help.
    Denied(Denied),
    /// The user has to put the secret into an app and confirm it with a code.
    Enroll(Enroll<RegistrationRef>),
    /// The device is registered: its codes are asked for from now on.
    Registered(Registered),
}

/// The proof that a user has passed every step of the policy: the one value a session may be opened for.
///
/// Only the engine makes it. It has no public constructor, no `Clone` and no `Default`, so that it is neither
/// forged nor used twice:
///
/// ```compile_fail,E0451
/// # fn forge(passed: factorgate::Authenticated) {
/// let forged = factorgate::Authenticated { user: factorgate::UserId::new("root").unwrap(), ..passed };
/// # }
/// ```
/// ```compile_fail,E0599
/// fn twice(once: factorgate::Authenticated) { let again = once.clone(); }
/// ```
/// ```compile_fail,E0277
/// let forged: factorgate::Authenticated = Default::default();
/// ```
///
/// Give the session a new id when you open it (OWASP ASVS 5.0, 7.2.4), and keep [`Authenticated::session`] with it.
#[must_use = "a session is opened for this value, and for no other"]
pub struct Authenticated {
    pub(crate) user: UserId,
    pub(crate) at: Timestamp,
    pub(crate) epoch: u64,
    pub(crate) evidence: Evidence,
    /// The policy that was met.
    pub(crate) policy: Policy,
    browser: Option<BrowserToken>,
    /// As the login had it: where word of the browser is sent that is trusted on it.
    pub(crate) contact: Contact,
    grace_until: Option<Timestamp>,
    recovery: Option<Recovery>,
    events: Vec<Event>,
}

impl Authenticated {
    /// Who it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// When the last step was proved.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What was proved, beside the first factor.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The values of the `amr` claim (RFC 8176), as [`Evidence::amr`].
    #[must_use]
    pub fn amr(&self) -> Vec<&'static str> {
        self.evidence.amr()
    }

    /// How much the proofs are worth.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        self.evidence.assurance()
    }

    /// The next token of the trusted browser that stood for the challenge: put it into the cookie in place of the
    /// one that was presented, which is refused from now on. `None`: the cookie stays as it is.
    #[must_use]
    pub fn browser_token(&self) -> Option<&BrowserToken> {
        self.browser.as_ref()
    }

    /// The way back to a device, if a recovery code stood in for it. Lead the user there before anything else: until
    /// a device is registered, the session can neither change a factor nor have its browser trusted.
    #[must_use]
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// Whether the user should be reminded to register an app.
    #[must_use]
    pub fn reminds_enrollment(&self) -> bool {
        self.grace_until.is_some()
    }

    /// The deadline, if the user was let in by grace without the registration that the policy asks for: from that
    /// second on it is owed.
    #[must_use]
    pub fn grace_until(&self) -> Option<Timestamp> {
        self.grace_until
    }

    /// What happened with this answer, for the audit log.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The session that is opened for this value, for operations on the profile.
    #[must_use]
    pub fn signed_in(&self) -> SignedIn {
        SignedIn { user: self.user.clone(), epoch: Some(self.epoch) }
    }
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("user", &self.user)
            .field("at", &self.at)
            .field("evidence", &self.evidence)
            .finish_non_exhaustive()
    }
}

/// Where a login with a recovery code leads to.
#[derive(Debug)]
pub struct Recovery {
    registration: RegistrationRef,
    codes_left: RecoveryCodesLeft,
}

impl Recovery {
    /// A registration that is open for 10 minutes, and for which the recovery code has paid: continue it by
    /// [`Mfa::begin_app_enrollment`](crate::Mfa::begin_app_enrollment), and let it take the place of the lost device
    /// by [`Mfa::replace_device`](crate::Mfa::replace_device). Later it takes another recovery code.
    #[must_use]
    pub fn registration(&self) -> &RegistrationRef {
        &self.registration
    }

    /// How many recovery codes are left now.
    #[must_use]
    pub fn codes_left(&self) -> RecoveryCodesLeft {
        self.codes_left
    }
}

/// A device was registered from the profile.
#[derive(Debug)]
#[non_exhaustive]
pub struct Registered {
    /// Which device, and what was proved before.
    pub evidence: Evidence,
    /// Every session of the user was ended. The one that registered the device goes on with it.
    pub change: EpochChange,
    /// What happened with this answer, for the audit log.
    pub events: Vec<Event>,
}

/// What the engine has found when nothing is owed any more; only `mfa` reveals it.
#[derive(Debug)]
pub struct Finished {
    pub(crate) user: UserId,
    pub(crate) at: Timestamp,
    pub(crate) browser: Option<BrowserToken>,
    pub(crate) contact: Contact,
    pub(crate) epoch: u64,
    pub(crate) evidence: Evidence,
    pub(crate) grace_until: Option<Timestamp>,
    pub(crate) policy: Policy,
    pub(crate) recovery: Option<(Token, RecoveryCodesLeft)>,
}

impl Finished {
    fn authenticated(self, events: Vec<Event>) -> Authenticated {
        let Self { user, at, browser, contact, epoch, evidence, grace_until, policy, recovery } = self;
        let recovery = recovery.map(|(token, codes_left)| Recovery {
            registration: <RegistrationRef as sealed::Reference>::from_token(token),
            codes_left,
        });
        Authenticated { user, at, epoch, evidence, policy, browser, contact, grace_until, recovery, events }
    }

    fn registered(self, events: Vec<Event>) -> Registered {
        let Self { user, epoch, evidence, .. } = self;
        Registered { evidence, change: EpochChange { user, epoch }, events }
    }
}

/// The user owes a step.
#[derive(Debug)]
pub struct Challenge<R> {
    pub(crate) flow: R,
    pub(crate) state: Open,
    pub(crate) events: Vec<Event>,
}

/// An open flow, as it is shown to its user.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) attempts_left: u32,
    pub(crate) email: Option<EmailStatus>,
    pub(crate) expires_at: Timestamp,
    pub(crate) grace_until: Option<Timestamp>,
    pub(crate) paths: Vec<Path>,
    pub(crate) recovery_codes_left: Option<RecoveryCodesLeft>,
    pub(crate) refusal: Option<Refusal>,
}

impl<R> Challenge<R> {
    /// The reference of the flow, for the client's cookie.
    #[must_use]
    pub fn flow(&self) -> &R {
        &self.flow
    }

    /// The steps that may be proved now, the preferred one first: one of them, as the user chooses.
    #[must_use]
    pub fn next(&self) -> Vec<Step> {
        let mut next = Vec::new();
        for step in self.state.paths.iter().filter_map(|path| path.steps().first()) {
            if !next.contains(step) {
                next.push(*step);
            }
        }
        next
    }

    /// Every way to the end: the steps of one of these paths, in their order.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        &self.state.paths
    }

    /// Why the last attempt did not succeed, if there was one.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.state.refusal
    }

    /// How many wrong codes the user has left before a lock.
    #[must_use]
    pub fn attempts_left(&self) -> u32 {
        self.state.attempts_left
    }

    /// The e-mail code of this flow; `None` where none can be asked for.
    #[must_use]
    pub fn email(&self) -> Option<&EmailStatus> {
        self.state.email.as_ref()
    }

    /// How many recovery codes are left, if one was used in this flow.
    #[must_use]
    pub fn recovery_codes_left(&self) -> Option<RecoveryCodesLeft> {
        self.state.recovery_codes_left
    }

    /// When the flow ends: at this second it is over, judged by the time at which an operation began.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.state.expires_at
    }

    /// Whether the user should be reminded to register an app.
    #[must_use]
    pub fn reminds_enrollment(&self) -> bool {
        self.state.grace_until.is_some()
    }

    /// The deadline, if the registration that the policy asks for is put off by grace.
    #[must_use]
    pub fn grace_until(&self) -> Option<Timestamp> {
        self.state.grace_until
    }

    /// What happened with this answer, for the audit log.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

/// The e-mail code of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmailStatus {
    /// The address on record, all but its first character and its domain hidden.
    pub masked_address: String,
    /// The code that was sent last, if one was sent and is not used up.
    pub sent: Option<SentCode>,
    /// When another code may be asked for, if not at once.
    pub resend_at: Option<Timestamp>,
}

/// A code that was sent and can be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentCode {
    /// When it was made.
    pub sent_at: Timestamp,
    /// From this second on it is refused, judged by the time at which its verification began.
    pub expires_at: Timestamp,
}

/// A registration has begun: the secret is shown once, to be put into an app.
pub struct Enroll<R> {
    pub(crate) challenge: Challenge<R>,
    pub(crate) key_uri: KeyUri,
}

impl<R> Enroll<R> {
    /// The Key URI with the new secret: as a QR code, as a link, and as text to type.
    #[must_use]
    pub fn key_uri(&self) -> &KeyUri {
        &self.key_uri
    }

    /// The open flow: what else may be proved instead, why the last code was refused, when it ends.
    #[must_use]
    pub fn challenge(&self) -> &Challenge<R> {
        &self.challenge
    }

    /// The reference of the flow, for the client's cookie.
    #[must_use]
    pub fn flow(&self) -> &R {
        &self.challenge.flow
    }
}

impl<R: fmt::Debug> fmt::Debug for Enroll<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enroll").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

/// Why an attempt was not accepted, as the user may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The code confirms no registration, for the app has computed it with SHA-1, whatever the Key URI says. Told at the
    /// confirmation only.
    AlgorithmIgnored,
    /// The code confirms no registration, for it is that of another time: the clock of the device is off. Told at the
    /// confirmation only, to whoever was shown the secret.
    ClockOff {
        /// How far off, and which way.
        skew: ClockSkew,
    },
    /// The device that was named is disabled by consecutive wrong codes. Nothing was spent.
    DeviceDisabled,
    /// The user holds as many devices as are allowed: one has to be removed first.
    DeviceLimit,
    /// Codes of this kind have another number of digits. Nothing was spent.
    Malformed,
    /// The host has checked its factor before this flow began, or in the future: not for this flow. Nothing was spent.
    NotFresh,
    /// This step is not open in this flow, now. Nothing was spent.
    NotOpen,
    /// The next code may be asked for later.
    TooSoon {
        /// When.
        retry_at: Timestamp,
    },
    /// The user holds no device of that id. Nothing was spent.
    UnknownDevice,
    /// The code is not accepted. Whether it was wrong, used, too late or superseded, only the events tell.
    WrongCode,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlgorithmIgnored => "this app ignores a part of the settings and shows wrong codes; use another app",
            Self::ClockOff { skew } => {
                return write!(
                    f,
                    "the clock of the device is {skew}; set it to the network's time, and enter a new code"
                );
            }
            Self::DeviceDisabled => "this device was disabled after too many wrong codes; use another one",
            Self::DeviceLimit => "no more devices can be registered; remove one first",
            Self::Malformed => "the code has the wrong number of digits",
            Self::NotFresh => "this was not proved just now; prove it again",
            Self::NotOpen => "this step cannot be taken now",
            Self::TooSoon { .. } => "a code was sent a moment ago; wait before you ask for another one",
            Self::UnknownDevice => "there is no such device",
            Self::WrongCode => "the code is not right; enter the newest one",
        })
    }
}

/// Why there is no way on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Denied {
    /// Why.
    pub reason: DeniedReason,
    /// What happened with this answer, for the audit log.
    pub events: Vec<Event>,
}

/// Why there is no way on, and what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeniedReason {
    /// Every device of the user that would do, or factor of the host, was disabled by consecutive wrong codes, and
    /// there are no recovery codes: an administrator has to help, by
    /// [`Mfa::reset_by_admin`](crate::Mfa::reset_by_admin).
    DevicesDisabled,
    /// The flow has ended: it was completed, canceled, or too old, or the account has changed since. The
    /// user has to begin again.
    FlowEnded,
    /// Too many wrong codes. A right one is refused, too, until the lock ends.
    Locked {
        /// From this second on the user can try again.
        until: Timestamp,
    },
    /// The policy leaves this user no way.
    Policy(Denial),
    /// The session in which it was begun has ended. The user has to log in.
    SessionEnded,
}

impl fmt::Display for DeniedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DevicesDisabled => {
                f.write_str("every device was disabled after too many wrong codes; ask an administrator for help")
            }
            Self::FlowEnded => f.write_str("the login has ended; begin again"),
            Self::Locked { .. } => f.write_str("too many wrong codes; wait before you try again"),
            Self::Policy(denial) => denial.fmt(f),
            Self::SessionEnded => f.write_str("the session has ended; log in again"),
        }
    }
}
