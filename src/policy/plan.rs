//! The outcome of an evaluation: what a user is asked for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use super::{Channel, ExternalEvidence, ExternalFactor};

/// What a login, or a registration, must do to be let through.
///
/// ```
/// use factorgate::policy::{Channel, EmailStanding, FirstRegistration, Policy, Standing};
///
/// let policy = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode)?;
/// let mut user = Standing::new();
/// user.email = Some(EmailStanding { verified: true, tainted: false });
///
/// let plan = policy.evaluate(&user);
/// assert_eq!(plan.to_string(), "enter an e-mail code; or enter an e-mail code, then register an app");
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plan {
    /// Nothing more is asked for.
    Allow {
        /// The user put the first registration off and is to be reminded of it.
        remind_enrollment: bool,
    },
    /// There is no way through; the denial says who can make one, and how.
    Deny(Denial),
    /// One of these paths must be finished.
    Paths {
        /// The alternatives in their order, at least one.
        paths: Vec<Path>,
        /// The user put the first registration off and is to be reminded of it.
        remind_enrollment: bool,
    },
}

impl Plan {
    /// The alternatives in their order; none if the plan asks for nothing, or is a denial.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        match self {
            Self::Paths { paths, .. } => paths,
            Self::Allow { .. } | Self::Deny(_) => &[],
        }
    }

    /// Whether the user put the first registration off and is to be reminded of it.
    #[must_use]
    pub fn reminds_enrollment(&self) -> bool {
        match self {
            Self::Allow { remind_enrollment } | Self::Paths { remind_enrollment, .. } => *remind_enrollment,
            Self::Deny(_) => false,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow { .. } => f.write_str("let the user in")?,
            Self::Deny(denial) => write!(f, "refuse the user: {denial}")?,
            Self::Paths { paths, .. } => write_joined(f, "; or ", paths)?,
        }
        if self.reminds_enrollment() { f.write_str("; and remind the user to register a factor") } else { Ok(()) }
    }
}

/// Steps that must be taken in this order; there is at least one.
///
/// The shorter of two paths comes first, and of two that are equally long the one whose steps do. So a plan lists
/// an external factor first, then the user's own app, then a recovery code in its place, then an e-mail code, and
/// what ends in the registration of an app last.
///
/// ```
/// use factorgate::policy::{Channel, EmailStanding, FirstRegistration, Policy, Standing, Step};
///
/// let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode)?;
/// let mut user = Standing::new();
/// user.email = Some(EmailStanding { verified: true, tainted: false });
/// assert_eq!(policy.evaluate(&user).paths()[0].steps(), [Step::EmailCode]);
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Path(Vec<Step>);

impl Path {
    pub(crate) fn new(steps: Vec<Step>) -> Option<Self> {
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// The steps in their order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path ends in a new device.
    pub(super) fn registers(&self) -> bool {
        self.0.contains(&Step::EnrollApp)
    }

    /// The path proves only what the user already has. This is what a trusted browser can lift.
    pub(super) fn is_challenge(&self) -> bool {
        let challenges =
            |step: &Step| matches!(step, Step::AppCode | Step::EmailCode | Step::External(_) | Step::RecoveryCode);
        self.0.iter().all(challenges)
    }

    fn rank(&self) -> (usize, &[Step]) {
        (self.0.len(), &self.0)
    }
}

impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_joined(f, ", then ", &self.0)
    }
}

/// One thing that a user does. The order is that in which a plan lists its paths.
///
/// ```
/// use factorgate::policy::Step;
///
/// fn label(step: Step) -> String {
///     match step {
///         Step::AppCode => "Enter the code from your app".to_owned(),
///         Step::EmailCode | Step::VerifyEmail => "Enter the code from your mail".to_owned(),
///         Step::EnrollApp => "Register your smartphone".to_owned(),
///         other => other.name(),
///     }
/// }
/// # assert_eq!(label(Step::Ticket), "ticket");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Prove this factor to the host, which says so by an assertion.
    External(ExternalFactor),
    /// Enter a code of the registered authenticator app.
    AppCode,
    /// Enter a recovery code in place of the app's.
    RecoveryCode,
    /// Enter a code that is sent to the verified address on record.
    EmailCode,
    /// Enter a code that is sent to the address on record, which verifies it. The address cannot be changed
    /// on the way.
    VerifyEmail,
    /// Enter the ticket that the administrator issued.
    Ticket,
    /// Register an authenticator app, and confirm it by a code.
    EnrollApp,
}

impl Step {
    /// Returns the stable name: `app_code`, `email_code`, `enroll_app`, `recovery_code`, `ticket`, `verify_email`, or
    /// `external:` and the name of the factor.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::External(factor) => return format!("external:{factor}"),
            Self::AppCode => "app_code",
            Self::RecoveryCode => "recovery_code",
            Self::EmailCode => "email_code",
            Self::VerifyEmail => "verify_email",
            Self::Ticket => "ticket",
            Self::EnrollApp => "enroll_app",
        }
        .into()
    }

    /// The channel that it answers with; a ticket answers with none.
    pub(super) fn channel(self) -> Option<Channel> {
        match self {
            Self::AppCode | Self::EnrollApp | Self::RecoveryCode => Some(Channel::App),
            Self::EmailCode | Self::VerifyEmail => Some(Channel::Email),
            Self::External(factor) => Some(Channel::External(factor)),
            Self::Ticket => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::External(factor) => return write!(f, "use the factor {factor}"),
            Self::AppCode => "enter an app code",
            Self::RecoveryCode => "enter a recovery code",
            Self::EmailCode => "enter an e-mail code",
            Self::VerifyEmail => "verify the e-mail address",
            Self::Ticket => "enter a ticket",
            Self::EnrollApp => "register an app",
        })
    }
}

/// Why there is no way through, and what would make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{reason}: {remedy}")]
#[non_exhaustive]
pub struct Denial {
    /// What is missing.
    pub reason: DenyReason,
    /// What cures it.
    pub remedy: Remedy,
}

impl Denial {
    pub(super) const NO_EXTERNAL_FACTOR: Self =
        Self { reason: DenyReason::NoExternalFactor, remedy: Remedy::RegisterExternalFactor };
    pub(super) const NO_FIRST_ENROLLMENT_PROOF: Self =
        Self { reason: DenyReason::NoFirstEnrollmentProof, remedy: Remedy::IssueTicket };
    pub(super) const NO_USABLE_EMAIL: Self =
        Self { reason: DenyReason::NoUsableEmail, remedy: Remedy::FixEmailAddress };
}

/// What is missing where a plan is a denial.
///
/// ```
/// use factorgate::policy::{Channel, DenyReason, FirstRegistration, Plan, Policy, Remedy, Standing};
///
/// let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket)?;
/// let Plan::Deny(denial) = policy.evaluate(&Standing::new()) else { panic!("no ticket was issued") };
/// assert_eq!((denial.reason, denial.remedy), (DenyReason::NoFirstEnrollmentProof, Remedy::IssueTicket));
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DenyReason {
    /// An external factor must be used, and the user holds none of those that will do.
    NoExternalFactor,
    /// A device must be registered, and the user has nothing that may be proved before it.
    NoFirstEnrollmentProof,
    /// An e-mail code must be entered, and there is no address that a code may be sent to.
    NoUsableEmail,
}

impl DenyReason {
    #[cfg(feature = "std")]
    pub(super) const ALL: [Self; 3] = [Self::NoExternalFactor, Self::NoFirstEnrollmentProof, Self::NoUsableEmail];

    /// Returns the stable name: `no_external_factor`, `no_first_enrollment_proof` or `no_usable_email`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoExternalFactor => "no_external_factor",
            Self::NoFirstEnrollmentProof => "no_first_enrollment_proof",
            Self::NoUsableEmail => "no_usable_email",
        }
    }
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoExternalFactor => "the user does not hold the factor that is asked for",
            Self::NoFirstEnrollmentProof => "the user has nothing to prove before a device is registered",
            Self::NoUsableEmail => "the user has no e-mail address that a code may be sent to",
        })
    }
}

/// What cures a denial. All of it is done by the administrator, none by the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Put an address on record that is known to be the user's.
    FixEmailAddress,
    /// Issue a ticket for the first registration, and hand it to the user in person.
    IssueTicket,
    /// Register a factor that will do, in the host's own way.
    RegisterExternalFactor,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FixEmailAddress => "put an address on record that is known to be the user's",
            Self::IssueTicket => "issue a ticket and hand it to the user",
            Self::RegisterExternalFactor => "register the factor for the user",
        })
    }
}

/// Why the last device, or an external factor, may not be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RemovalRefused {
    /// There would be no way through the next login.
    #[error("without it the user could not log in: register another one first")]
    LoginDenied(#[source] Denial),
    /// The next login could not be finished without a new device.
    #[error("without it the user would have to register a device at the next login: register another one first")]
    MustRegister,
}

fn write_joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, separator: &str, items: &[T]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl ExternalEvidence {
    /// Whether it is what `step` asks for.
    #[must_use]
    pub fn answers(&self, step: Step) -> bool {
        step == Step::External(self.factor())
    }
}
