//! The time in which a first registration may be put off.

use core::num::NonZeroU8;
use core::time::Duration;

use super::{Policy, Standing};
use crate::time::Timestamp;

/// For how many days a user who never held a factor may put the first registration off: 1 to
/// [`GraceDays::MAX`].
///
/// ```
/// use factorgate::policy::GraceDays;
///
/// assert_eq!(GraceDays::new(14)?.get(), 14);
/// assert!(GraceDays::new(0).is_err() && GraceDays::new(91).is_err());
/// # Ok::<_, factorgate::policy::InvalidGrace>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GraceDays(NonZeroU8);

impl GraceDays {
    /// The longest period. A company that rolls MFA out needs weeks; what never ends is no enforcement.
    pub const MAX: u8 = 90;

    /// Takes a number of days from 1 to [`GraceDays::MAX`].
    ///
    /// # Errors
    ///
    /// [`InvalidGrace`] outside of it.
    pub fn new(days: u8) -> Result<Self, InvalidGrace> {
        NonZeroU8::new(days).filter(|days| days.get() <= Self::MAX).map(Self).ok_or(InvalidGrace)
    }

    /// The number of days.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }

    fn after(self, at: Timestamp) -> Timestamp {
        at.saturating_add(Duration::from_secs(u64::from(self.get()) * 24 * 60 * 60))
    }
}

/// A number of days that is no grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a grace period lasts 1 to 90 days")]
pub struct InvalidGrace;

/// What is written down of a user's grace period: once, and never again. [`Policy::grace_to_start`] says when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grace {
    /// No login was let through by grace. The first one begins the period.
    #[default]
    NotStarted,
    /// The period has begun. Nothing begins it anew: no login, no cookie that was lost, no longer period in the
    /// policy, no reset by an administrator.
    Started {
        /// The first login that grace let through.
        at: Timestamp,
        /// The deadline by the policy of that login. A policy that has become shorter since then moves it
        /// forward, and none moves it back.
        until: Timestamp,
    },
}

impl Policy {
    /// The deadline, if this user is in grace by this policy at the time of the standing.
    ///
    /// It is the earlier of the deadline that was written down and what the policy grants now. Who holds a factor,
    /// or ever held one, is never in grace: a lost or removed device would be a way around the policy. Nor is
    /// anybody where the time is not known.
    ///
    /// ```
    /// use core::time::Duration;
    /// use factorgate::Timestamp;
    /// use factorgate::policy::{Channel, FirstRegistration, Grace, GraceDays, Policy, Standing};
    ///
    /// let monday = Timestamp::from_secs(1_900_000_000);
    /// let days = |n: u64| monday.saturating_add(Duration::from_secs(n * 24 * 60 * 60));
    /// let policy = Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode)?.with_grace(GraceDays::new(14)?);
    ///
    /// // The first login begins the period, and the host keeps it with the user.
    /// let first = Standing::at(monday);
    /// let grace = policy.grace_to_start(&first).ok_or("not in grace")?;
    /// assert_eq!(grace, Grace::Started { at: monday, until: days(14) });
    ///
    /// let mut later = Standing::at(days(13));
    /// later.grace = grace;
    /// assert_eq!(policy.grace_until(&later), Some(days(14)));
    /// later.now = Some(days(14));
    /// assert_eq!(policy.grace_until(&later), None);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn grace_until(&self, user: &Standing) -> Option<Timestamp> {
        let (days, now) = (self.grace?, user.now?);
        let until = match user.grace {
            Grace::NotStarted => days.after(now),
            Grace::Started { at, until } => until.min(days.after(at)),
        };
        (now < until && !user.ever_held_factor()).then_some(until)
    }

    /// What must be written down with a login that begins the user's grace period, before it is let through;
    /// `None` if it begins none.
    #[must_use]
    pub fn grace_to_start(&self, user: &Standing) -> Option<Grace> {
        let begins = user.grace == Grace::NotStarted && self.evaluate(user).reminds_enrollment();
        let (at, until) = (user.now?, self.grace_until(user)?);
        begins.then_some(Grace::Started { at, until })
    }
}
