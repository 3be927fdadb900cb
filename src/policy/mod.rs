//! What a login must prove: an administrator's settings, what is known of a user, and the plan they give.
//!
//! ```text
//!  Policy ─────┐
//!              ├─► evaluate ─► Plan::Allow    nothing more is asked for
//!  Standing ───┘               Plan::Paths    one of these paths must be finished, each a list of steps
//!                              Plan::Deny     with the reason, and the remedy that cures it
//! ```
//!
//! A policy is a conjunction of *clauses*. A clause is a set of channels, any of which answers it. A confirmed
//! device adds a clause of its own: a user's own device is always asked for, also where the administrator
//! enforces nothing. Evaluation is a pure function, and total: whatever the settings and the user, there is a
//! plan, and a denial is one of them.

mod channel;
#[cfg(any(test, feature = "std"))]
mod encoding;
mod evaluate;
mod explain;
mod plan;
mod standing;
mod step_up;

pub use self::channel::{Channel, ChannelSet};
pub use self::explain::{Explanation, Reason};
pub use self::plan::{Denial, DenyReason, Path, Plan, Remedy, RemovalRefused, Step};
pub use self::standing::{DeviceStanding, EmailStanding, Standing};

use alloc::collections::BTreeSet;

/// What must be proved before a user's first device may be registered. From the weakest to the strictest.
///
/// There is no default: who may bind the first device is for the administrator to decide by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FirstRegistration {
    /// Nothing but the password. Whoever holds the password can register the first device, a thief as well as
    /// the user: the second factor then protects only users who registered before the password was lost.
    AfterPassword,
    /// A code that is sent to the address on record, or a ticket.
    AfterEmailCode,
    /// A ticket that the administrator issued.
    WithTicket,
}

/// An administrator's settings.
///
/// ```
/// use factorgate::policy::{Channel, FirstRegistration, Plan, Policy, Standing};
///
/// let company = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode)?
///     .with_email_fallback()?
///     .with_trusted_browsers();
/// let admins = Policy::all_of([Channel::App, Channel::Email], FirstRegistration::WithTicket)?;
///
/// // Who belongs to both must satisfy both.
/// let both = Policy::strictest(&company, [&admins]);
/// assert_eq!(both.first_registration(), FirstRegistration::WithTicket);
/// assert!(!both.allows_trusted_browsers());
/// assert!(matches!(both.evaluate(&Standing::new()), Plan::Deny(_)));
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// All must be answered, each by any of its channels; none of them is empty. It is a set, so that a merge
    /// depends neither on order nor on repetition. A clause that another one implies is kept: grace lifts
    /// the clause that only an app answers, and what stands beside it must still be asked for.
    clauses: BTreeSet<ChannelSet>,
    /// What may be offered at login.
    channels: ChannelSet,
    email_fallback: bool,
    first_registration: FirstRegistration,
    grace: bool,
    trusted_browsers: bool,
}

impl Policy {
    /// Nothing is enforced. The device of a user who registered one is asked for all the same.
    #[must_use]
    pub fn off(first: FirstRegistration) -> Self {
        Self::enforcing(BTreeSet::new(), ChannelSet::default(), first)
    }

    /// Any one of `channels` is enough. Where it is the e-mail channel alone, a code of the user's own app
    /// answers as well, but nobody is led to register one at login.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy::NoChannel`] if there is none.
    pub fn any_of(
        channels: impl IntoIterator<Item = Channel>,
        first: FirstRegistration,
    ) -> Result<Self, InvalidPolicy> {
        non_empty(channels).map(|channels| Self::enforcing_any(channels, first))
    }

    /// Each of `channels` is asked for. With one channel it is the same as [`Policy::any_of`].
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy::NoChannel`] if there is none.
    pub fn all_of(
        channels: impl IntoIterator<Item = Channel>,
        first: FirstRegistration,
    ) -> Result<Self, InvalidPolicy> {
        non_empty(channels).map(|channels| Self::enforcing_all(channels, first))
    }

    /// Lets a user who has a device answer with a code to the verified address instead. The login is then only
    /// as strong as the user's mailbox.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy::FallbackWithoutEmail`] if the e-mail channel is not enabled.
    pub fn with_email_fallback(self) -> Result<Self, InvalidPolicy> {
        if self.channels.contains(Channel::Email) {
            Ok(Self { email_fallback: true, ..self })
        } else {
            Err(InvalidPolicy::FallbackWithoutEmail)
        }
    }

    /// Lets a user who never held a factor put the first registration off until the end of the grace period.
    #[must_use]
    pub fn with_grace(self) -> Self {
        Self { grace: true, ..self }
    }

    /// Lets a browser that the user chose to trust pass without a challenge. It never lifts a registration,
    /// and never a denial.
    #[must_use]
    pub fn with_trusted_browsers(self) -> Self {
        Self { trusted_browsers: true, ..self }
    }

    /// The policy that asks for whatever any of these asks for, and allows only what all of them allow. Order
    /// and repetition make no difference.
    ///
    /// What may be offered at login is what any of them enabled: it gives a user more ways to meet the
    /// requirement, and takes nothing from it.
    pub fn strictest<'a>(first: &'a Self, rest: impl IntoIterator<Item = &'a Self>) -> Self {
        rest.into_iter().fold(first.clone(), Self::joined)
    }

    /// Whether a second factor is enforced for every user.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        !self.clauses.is_empty()
    }

    /// The channels that the administrator enabled.
    #[must_use]
    pub fn channels(&self) -> ChannelSet {
        self.channels
    }

    /// What must be proved before the first registration.
    #[must_use]
    pub fn first_registration(&self) -> FirstRegistration {
        self.first_registration
    }

    /// Whether an e-mail code may stand in for the user's own device.
    #[must_use]
    pub fn allows_email_fallback(&self) -> bool {
        self.email_fallback
    }

    /// Whether the first registration may be put off.
    #[must_use]
    pub fn allows_grace(&self) -> bool {
        self.grace
    }

    /// Whether a trusted browser passes without a challenge.
    #[must_use]
    pub fn allows_trusted_browsers(&self) -> bool {
        self.trusted_browsers
    }

    /// An app is the stronger answer, and so always among those that will do.
    fn enforcing_any(channels: ChannelSet, first: FirstRegistration) -> Self {
        Self::enforcing([channels.union(ChannelSet::APP)].into(), channels, first)
    }

    fn enforcing_all(channels: ChannelSet, first: FirstRegistration) -> Self {
        if channels == ChannelSet::APP_OR_EMAIL {
            Self::enforcing([ChannelSet::APP, ChannelSet::EMAIL].into(), channels, first)
        } else {
            Self::enforcing_any(channels, first)
        }
    }

    fn enforcing(clauses: BTreeSet<ChannelSet>, channels: ChannelSet, first_registration: FirstRegistration) -> Self {
        Self { clauses, channels, email_fallback: false, first_registration, grace: false, trusted_browsers: false }
    }

    fn joined(self, other: &Self) -> Self {
        Self {
            clauses: &self.clauses | &other.clauses,
            channels: self.channels.union(other.channels),
            email_fallback: self.email_fallback && other.email_fallback,
            first_registration: self.first_registration.max(other.first_registration),
            grace: self.grace && other.grace,
            trusted_browsers: self.trusted_browsers && other.trusted_browsers,
        }
    }
}

fn non_empty(channels: impl IntoIterator<Item = Channel>) -> Result<ChannelSet, InvalidPolicy> {
    let channels: ChannelSet = channels.into_iter().collect();
    if channels.is_empty() { Err(InvalidPolicy::NoChannel) } else { Ok(channels) }
}

/// Why settings make no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPolicy {
    /// An e-mail code was to stand in for a device, and the e-mail channel is not enabled.
    #[error("an e-mail code can stand in for a device only where the e-mail channel is enabled")]
    FallbackWithoutEmail,
    /// A factor was to be enforced, and no channel is enabled.
    #[error("a policy that enforces a second factor needs at least one channel")]
    NoChannel,
}
