//! What a login must prove: an administrator's settings, what is known of a user, and the plan they give.
//!
//! ```text
//!  Policy ─────┐
//!              ├─► evaluate ─► Plan::Allow    nothing more is asked for
//!  Standing ───┘               Plan::Paths    one of these paths must be finished, each a list of steps
//!                              Plan::Deny     with the reason, and the remedy that cures it
//! ```
//!
//! # How a policy reads
//!
//! A policy is a conjunction of *clauses*. A clause is a set of channels, any of which answers it. A confirmed
//! device adds a clause of its own: a user's own device is always asked for, also where the administrator
//! enforces nothing. Evaluation is a pure function, and total: whatever the settings and the user, there is a
//! plan, and a denial is one of them.
//!
//! Read it in this order, each line on what the one before has left:
//!
//! 1. **What is enforced**: the clauses of the company's policy, of the groups' and of the user's, all of them
//!    ([`Policy::strictest`]). "Any of these" is one clause; "all of these" is a clause for each.
//! 2. **Who is exempt**: an [`Exemption`] takes these clauses away for one user who never had a factor, until its
//!    end.
//! 3. **What the user holds**: a registered device, or an external factor ([`ExternalFactor`]), is asked
//!    for whatever stands above. Other channels stand in for a device only by name: [`Policy::with_email_fallback`],
//!    [`Policy::with_stand_in`].
//! 4. **What may wait**: grace ([`Policy::with_grace`]) puts off the clauses that this user, who never held a factor,
//!    could only answer by registering one. The others stand.
//! 5. **How each clause is answered**: by what the user has, or by a registration where the administrator enabled the
//!    app, and then after the proof that [`FirstRegistration`] names.
//! 6. **Where it may be skipped**: a trusted browser lifts a plan that has a path of challenges alone.
//!
//! [`Policy::explain`] says the same of one user in words. [`Preview`] says what a change of the settings does to all
//! of them before it is saved, and [`Policy::odds`] how well a plan keeps out an attacker who has the password.

#[cfg(feature = "std")]
mod cbor;
mod channel;
mod evaluate;
mod exemption;
mod explain;
mod external;
mod grace;
#[cfg(feature = "serde")]
mod json;
#[cfg(feature = "std")]
mod odds;
mod plan;
mod preview;
mod standing;
mod step_up;

pub use self::channel::{Channel, ChannelSet};
pub use self::exemption::{Exemption, InvalidExemption};
pub use self::explain::{Explanation, Reason};
pub use self::external::{
    AuthenticationMethod, ExternalEvidence, ExternalFactor, InsufficientEvidence, InvalidFactorName, Strength,
};
pub use self::grace::{Grace, GraceDays, InvalidGrace};
#[cfg(feature = "std")]
pub use self::odds::{Attack, Attacker, Odds};
pub use self::plan::{Denial, DenyReason, Path, Plan, Remedy, RemovalRefused, Step};
pub use self::preview::{Finding, LocksOutAdministrators, Preview, Saveable, Summary};
pub use self::standing::{DeviceStanding, EmailStanding, Standing};

use alloc::collections::BTreeSet;

/// What must be proved before a user's first device may be registered. From the weakest to the strictest.
///
/// There is no default: who may bind the first device is for the administrator to decide by name.
///
/// ```
/// use factorgate::policy::{Channel, FirstRegistration, Policy};
///
/// let policy = Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode)?;
/// assert!(policy.first_registration() > FirstRegistration::AfterPassword);
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FirstRegistration {
    /// Nothing but the password. Anyone who has the password can register the first device, a thief as well as
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
    grace: Option<GraceDays>,
    /// What may stand in for the user's own device. All of them are phishing-resistant.
    stand_ins: BTreeSet<ExternalFactor>,
    trusted_browsers: bool,
}

impl Policy {
    /// Nothing is enforced. The device of a user who registered one is asked for all the same.
    #[must_use]
    pub fn off(first: FirstRegistration) -> Self {
        Self::enforcing(BTreeSet::new(), ChannelSet::default(), first)
    }

    /// Any one of `channels` is enough. Where it is the e-mail channel alone, a code of the user's own app
    /// answers as well, but nobody is led to register one at login. So it is with every channel that an app is as
    /// strong as; where all of them are phishing-resistant, an app is no answer.
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

    /// Lets a user who never had a factor put the first registration off, for `days` from the first login that
    /// would have asked for it. See [`Policy::grace_until`].
    #[must_use]
    pub fn with_grace(self, days: GraceDays) -> Self {
        Self { grace: Some(days), ..self }
    }

    /// Lets a user who has a device and this external factor answer with the factor instead.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy::WeakStandIn`] if the factor is not phishing-resistant: the user's own device would be worth
    /// no more than the weaker of the two.
    ///
    /// ```
    /// use factorgate::policy::{DeviceStanding, ExternalFactor, FirstRegistration, Policy, Standing};
    ///
    /// let passkey = ExternalFactor::phishing_resistant("passkey")?;
    /// let policy = Policy::off(FirstRegistration::WithTicket).with_stand_in(passkey)?;
    /// let mut user = Standing::new();
    /// user.device = DeviceStanding::Confirmed { recovery_codes: false };
    /// user.external.insert(passkey);
    /// assert_eq!(policy.evaluate(&user).to_string(), "use the factor passkey; or enter an app code");
    ///
    /// let sms = ExternalFactor::possession("sms")?;
    /// assert!(policy.with_stand_in(sms).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_stand_in(mut self, factor: ExternalFactor) -> Result<Self, InvalidPolicy> {
        if Channel::External(factor).yields_to_app() {
            return Err(InvalidPolicy::WeakStandIn);
        }
        self.stand_ins.insert(factor);
        Ok(self)
    }

    /// Lets a browser that the user chose to trust pass without a challenge. It never lifts a registration,
    /// and never a denial.
    #[must_use]
    pub fn with_trusted_browsers(self) -> Self {
        Self { trusted_browsers: true, ..self }
    }

    /// The policy that asks for whatever any of these asks for, and allows only what all of them allow. Order
    /// and repetition make no difference, and the result is never weaker than any of them.
    ///
    /// What may be offered at login is what any of them enabled: it gives a user more ways to meet the
    /// requirement, and takes nothing from it. Of two grace periods the shorter one holds, and none where one of
    /// them grants none.
    ///
    /// The first policy stands apart because there must be one. So a company, its groups and a user fold like this:
    ///
    /// ```
    /// use factorgate::policy::{Channel, FirstRegistration, GraceDays, Policy};
    ///
    /// let first = FirstRegistration::AfterEmailCode;
    /// let company = Policy::any_of([Channel::App, Channel::Email], first)?.with_grace(GraceDays::new(30)?);
    /// let groups = [Policy::any_of([Channel::App], first)?.with_grace(GraceDays::new(7)?)];
    /// let of_the_user: Option<Policy> = None;
    ///
    /// let in_force = Policy::strictest(&company, groups.iter().chain(&of_the_user));
    /// assert_eq!(in_force.grace(), Some(GraceDays::new(7)?));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
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
        self.channels.clone()
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

    /// For how long the first registration may be put off, if it may.
    #[must_use]
    pub fn grace(&self) -> Option<GraceDays> {
        self.grace
    }

    /// The external factors that may stand in for the user's own device.
    pub fn stand_ins(&self) -> impl Iterator<Item = ExternalFactor> + '_ {
        self.stand_ins.iter().copied()
    }

    /// Whether a trusted browser passes without a challenge.
    #[must_use]
    pub fn allows_trusted_browsers(&self) -> bool {
        self.trusted_browsers
    }

    /// An app is the stronger answer to most channels, and so among those that will do wherever one of them is.
    fn enforcing_any(channels: ChannelSet, first: FirstRegistration) -> Self {
        let stronger = channels.iter().any(Channel::yields_to_app);
        let clause = if stronger { channels.with(Channel::App) } else { channels.clone() };
        Self::enforcing([clause].into(), channels, first)
    }

    fn enforcing_all(channels: ChannelSet, first: FirstRegistration) -> Self {
        if channels.len() == 1 {
            return Self::enforcing_any(channels, first);
        }
        let clauses = channels.iter().map(|channel| [channel].into()).collect();
        Self::enforcing(clauses, channels, first)
    }

    fn enforcing(clauses: BTreeSet<ChannelSet>, channels: ChannelSet, first_registration: FirstRegistration) -> Self {
        Self {
            clauses,
            channels,
            email_fallback: false,
            first_registration,
            grace: None,
            stand_ins: BTreeSet::new(),
            trusted_browsers: false,
        }
    }

    fn joined(self, other: &Self) -> Self {
        Self {
            clauses: &self.clauses | &other.clauses,
            channels: self.channels.union(&other.channels),
            email_fallback: self.email_fallback && other.email_fallback,
            first_registration: self.first_registration.max(other.first_registration),
            // The shorter one; `None` is less than any.
            grace: self.grace.min(other.grace),
            stand_ins: &self.stand_ins & &other.stand_ins,
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
    /// A factor was to stand in for a device, and is weaker than it.
    #[error("only a phishing-resistant factor can stand in for a device")]
    WeakStandIn,
}
