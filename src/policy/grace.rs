//! The time in which a first registration may be put off.

use core::num::NonZeroU8;
use core::time::Duration;

use crate::time::Timestamp;

/// For how many days a user who never had a factor may put the first registration off: 1 to
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

    pub(super) fn after(self, at: Timestamp) -> Timestamp {
        at.saturating_add(Duration::from_secs(u64::from(self.get()) * 24 * 60 * 60))
    }
}

/// A number of days that is no grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a grace period lasts 1 to 90 days")]
pub struct InvalidGrace;

/// What is written down of a user's grace period: once, and never again.
/// [`Policy::grace_to_start`](super::Policy::grace_to_start) says when.
///
/// ```
/// # fn banner(status: &factorgate::session::UserStatus) {
/// use factorgate::policy::Grace;
///
/// if let Grace::Started { until, .. } = status.grace {
///     println!("Register a device by {}", until.as_secs());
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grace {
    /// No login was let through by grace. The first one begins the period.
    #[default]
    NotStarted,
    /// The period has begun. Nothing restarts it: no login, no cookie that was lost, no longer period in the
    /// policy, no reset by an administrator.
    Started {
        /// The first login that grace let through.
        at: Timestamp,
        /// The deadline by the policy of that login. A policy that has become shorter since then moves it
        /// forward, and none moves it back.
        until: Timestamp,
    },
}
