//! How often a code can be guessed, and how often one is sent.

mod shared;

use alloc::vec::Vec;
use core::time::Duration;

pub(crate) use self::shared::{Each, SharedBudget, Spent, Target};
use crate::time::Timestamp;

/// How often codes can be guessed before no more codes are compared.
///
/// There are budgets of two kinds, each for one factor: app codes, e-mail codes and external factors share nothing.
///
/// * A *known browser* has signed in with the factor before, and has a budget of its own: [`Guessing::known`]. An
///   attacker with the password, but not the browser's cookie, cannot spend it.
/// * All *unknown browsers* share [`Guessing::shared`] units. A comparison costs one unit for each device, and for each three
///   steps of the window, begun. A unit is regained in 14 days. A login that ends well is paid back what it has spent, up to
///   [`Guessing::payback`].
///
/// After 5 wrong codes nothing is compared for a minute, then for twice as long each time, up to an hour; of a known
/// browser, for a minute once, and at the tenth its cookie is worthless (OWASP device cookies). Besides, after
/// [`Guessing::CONSECUTIVE_CAP`] wrong codes in a row a factor is disabled (NIST SP 800-63B-4 section 3.2.2).
///
/// By default, an attacker with the password makes 56 guesses at an app code in the first year: a chance of 1 in 5,953.
///
/// ```
/// use std::time::Duration;
///
/// use factorgate::limits::Guessing;
///
/// // 20 guesses of all unknown browsers, one regained every 30 days.
/// let strict = Guessing::new().shared(20, Duration::from_secs(30 * 24 * 60 * 60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guessing {
    pub(crate) first_lock: Duration,
    pub(crate) known: u32,
    pub(crate) lock_after: u32,
    pub(crate) payback: u32,
    pub(crate) regained_every: Duration,
    pub(crate) reset: u32,
    pub(crate) reset_every: Duration,
    pub(crate) shared: u32,
}

impl Guessing {
    /// Consecutive failures after which a factor is disabled until the user registers it again. Time does not reset
    /// them (NIST SP 800-63B-4 section 3.2.2).
    pub const CONSECUTIVE_CAP: u32 = 100;
    /// Wrong codes before a lock, unless set otherwise.
    pub const LOCK_AFTER: u32 = 5;
    /// The time in which a unit is regained, unless set otherwise: 14 days.
    pub const REGAINED_EVERY: Duration = Duration::from_secs(14 * 24 * 60 * 60);
    const MAX_LOCK: Duration = Duration::from_secs(60 * 60);

    /// The default settings.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_lock: Duration::from_secs(60),
            known: 10,
            lock_after: Self::LOCK_AFTER,
            payback: 10,
            regained_every: Self::REGAINED_EVERY,
            reset: 10,
            reset_every: Duration::from_secs(90 * 24 * 60 * 60),
            shared: 30,
        }
    }

    /// Sets the units of all unknown browsers, 10 to 100, and the time in which one is regained, at least a day.
    #[must_use]
    pub const fn shared(mut self, units: u32, regained_every: Duration) -> Self {
        (self.shared, self.regained_every) = (units, regained_every);
        self
    }

    /// Sets how many wrong codes of a known browser make its cookie worthless: 5 to 50, and at least as many as lock it.
    #[must_use]
    pub const fn known(mut self, codes: u32) -> Self {
        self.known = codes;
        self
    }

    /// Sets how many units are paid back to logins that end well, in the time in which one is regained: at most 20.
    #[must_use]
    pub const fn payback(mut self, units: u32) -> Self {
        self.payback = units;
        self
    }

    /// Sets what a password change without a second factor raises the units to, at most 20, and how often, at least 30
    /// days.
    #[must_use]
    pub const fn reset(mut self, units: u32, every: Duration) -> Self {
        (self.reset, self.reset_every) = (units, every);
        self
    }

    /// Sets after how many wrong codes nothing is compared for a while, 1 to 20, and how long the first lock lasts, at
    /// least 30 seconds.
    #[must_use]
    pub const fn lock(mut self, after: u32, first: Duration) -> Self {
        (self.lock_after, self.first_lock) = (after, first);
        self
    }

    /// Whether each number is in its range.
    pub(crate) fn is_valid(&self) -> bool {
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        (10..=100).contains(&self.shared)
            && self.regained_every >= days(1)
            && (5..=50).contains(&self.known)
            && self.known >= self.lock_after
            && self.payback <= 20
            && self.reset <= 20.min(self.shared)
            && self.reset_every >= days(30)
            && (1..=20).contains(&self.lock_after)
            && self.first_lock >= Duration::from_secs(30)
    }

    fn lock_length(&self, earlier_locks: u32) -> Duration {
        let longest = self.first_lock.max(Self::MAX_LOCK);
        let doubled = 1_u32.checked_shl(earlier_locks).and_then(|factor| self.first_lock.checked_mul(factor));
        doubled.map_or(longest, |lock| lock.min(longest))
    }
}

impl Default for Guessing {
    fn default() -> Self {
        Self::new()
    }
}

/// How often a code is mailed: a pause between two, and a number in every hour.
///
/// It is the user's as well, and nothing restores it but time: not a new login, not a code that was used
/// (NIST SP 800-63B-4 section 3.1.3.2). A mail that could not be sent is counted, but lifts the pause.
///
/// ```
/// use std::time::Duration;
///
/// use factorgate::limits::{InvalidBudget, IssuanceBudget};
///
/// // 5 codes in any hour, one minute apart.
/// assert!(IssuanceBudget::new(5, Duration::from_secs(60)).is_ok());
/// assert_eq!(IssuanceBudget::new(0, Duration::ZERO), Err(InvalidBudget::PerHour));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuanceBudget {
    pause: Duration,
    per_hour: u32,
}

impl IssuanceBudget {
    /// Wrong codes after which an e-mail code is dead (NIST SP 800-63B-4 section 3.1.3.2).
    pub const ATTEMPTS_PER_CODE: u32 = 5;
    /// The most codes an hour that can be allowed.
    pub const MAX_PER_HOUR: u32 = 60;
    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// At most `per_hour` codes in any hour, `pause` apart.
    ///
    /// # Errors
    ///
    /// [`InvalidBudget`] if `per_hour` is none of 1 to [`IssuanceBudget::MAX_PER_HOUR`] or the pause is
    /// longer than an hour.
    pub fn new(per_hour: u32, pause: Duration) -> Result<Self, InvalidBudget> {
        if !(1..=Self::MAX_PER_HOUR).contains(&per_hour) {
            return Err(InvalidBudget::PerHour);
        }
        if pause > Self::HOUR {
            return Err(InvalidBudget::Pause);
        }
        Ok(Self { pause, per_hour })
    }
}

impl Default for IssuanceBudget {
    /// 10 codes an hour, 30 seconds apart.
    fn default() -> Self {
        Self { pause: Duration::from_secs(30), per_hour: 10 }
    }
}

/// Why a budget would not limit anything, or everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBudget {
    /// The pause is longer than an hour.
    #[error("the pause between two codes can be an hour at most")]
    Pause,
    /// The number of codes in an hour is out of range.
    #[error("between 1 and 60 codes can be allowed in an hour")]
    PerHour,
}

/// Why settings make no engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// A number of the limits of guessing is out of its range.
    #[error("the limits of guessing are out of range; each setter of limits::Guessing names its own")]
    Guessing,
    /// The life of an e-mail code is out of range.
    #[error("an e-mail code must be valid for 1 to 10 minutes")]
    EmailLifetime,
    /// A Key URI cannot tell an app of a T0 that is not zero.
    #[error("devices can be registered only with T0 = 0, for a Key URI has no parameter for it")]
    T0,
    /// The time for which a browser is trusted is out of range.
    #[error("a browser can be trusted for 1 minute to 30 days")]
    TrustLifetime,
}

/// How far a time in the record may lie ahead of the clock: as far as the clocks of two servers differ. What lies further
/// ahead was written while a clock was wrong, and is ignored.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// Whether a time that was written down can be true at `now`.
pub(crate) fn can_be_past(at: Timestamp, now: Timestamp) -> bool {
    at <= now.saturating_add(CLOCK_TOLERANCE)
}

/// Whether a period that lasts at most `lifetime` and ends at `until` has not ended at `now`. If it ends further ahead, it
/// was written by a clock that was ahead, and is ignored.
pub(crate) fn is_running(until: Timestamp, lifetime: Duration, now: Timestamp) -> bool {
    now < until && can_be_past(until, now.saturating_add(lifetime))
}

/// When the last codes were mailed to a user.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Issues {
    /// Oldest first.
    pub(crate) times: Vec<Timestamp>,
    /// The last mail could not be sent, so the next one need not wait.
    pub(crate) undelivered: bool,
}

impl Issues {
    /// When the next code may be mailed, if that is later than `now`.
    pub(crate) fn wait(&self, budget: &IssuanceBudget, now: Timestamp) -> Option<Timestamp> {
        let is_recent = |at: &&Timestamp| can_be_past(**at, now) && now < at.saturating_add(IssuanceBudget::HOUR);
        let recent: Vec<Timestamp> = self.times.iter().filter(is_recent).copied().collect();
        let pause = recent.last().filter(|_| !self.undelivered).map(|last| last.saturating_add(budget.pause));
        // The code that must have left the hour before another one fits into it.
        let hour = (recent.len() + 1)
            .checked_sub(budget.per_hour as usize)
            .and_then(|over| over.checked_sub(1))
            .and_then(|at| recent.get(at))
            .map(|at| at.saturating_add(IssuanceBudget::HOUR));
        hour.max(pause).filter(|until| now < *until)
    }

    pub(crate) fn count(&mut self, now: Timestamp) {
        self.times.retain(|at| can_be_past(*at, now) && now < at.saturating_add(IssuanceBudget::HOUR));
        // Budgets are at most this large; a budget that was made smaller must not leave more behind.
        let room = IssuanceBudget::MAX_PER_HOUR as usize - 1;
        let excess = self.times.len().saturating_sub(room);
        self.times.drain(..excess);
        self.times.push(now);
        self.undelivered = false;
    }

    /// The last mail was not sent, or may not have been.
    pub(crate) fn lift_pause(&mut self) {
        self.undelivered = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    /// A clock that is ahead for a moment holds no mail back for as long as it was wrong.
    #[test]
    fn times_of_a_clock_that_was_ahead_are_ignored() {
        let (issuance, year) = (IssuanceBudget::default(), 365 * 24 * 60 * 60);
        let mut issues = Issues::default();
        for _ in 0..20 {
            issues.count(at(year));
        }
        assert_eq!(issues.wait(&issuance, at(100)), None);
        issues.count(at(100));
        assert_eq!(issues.times, [at(100)]);
        assert_eq!(issues.wait(&issuance, at(101)), Some(at(130)));
    }

    #[test]
    fn mails_have_a_pause_and_an_hourly_limit() {
        let budget = IssuanceBudget::new(3, Duration::from_secs(30)).unwrap();
        let mut issues = Issues::default();
        assert_eq!(issues.wait(&budget, at(0)), None);
        issues.count(at(0));
        assert_eq!(issues.wait(&budget, at(29)), Some(at(30)));
        issues.count(at(30));
        issues.count(at(60));
        assert_eq!(issues.wait(&budget, at(100)), Some(at(3600)));
        issues.lift_pause();
        assert_eq!(issues.wait(&budget, at(100)), Some(at(3600)), "an undelivered mail stays counted");
        assert_eq!(issues.wait(&budget, at(3600)), None);
        issues.count(at(3600));
        assert_eq!(issues.wait(&budget, at(3629)), Some(at(3630)));
        assert_eq!(issues.times.len(), 3);
        issues.lift_pause();
        assert_eq!(issues.wait(&IssuanceBudget::new(9, Duration::from_secs(30)).unwrap(), at(3601)), None);
    }

    /// A record holds at most as many times as it can be read with, whatever the budget was.
    #[test]
    fn kept_times_are_bounded() {
        let mut issues = Issues::default();
        for _ in 0..100 {
            issues.count(at(5));
        }
        assert_eq!(issues.times.len(), IssuanceBudget::MAX_PER_HOUR as usize);
    }

    #[test]
    fn budgets_that_limit_nothing_are_refused() {
        let (base, day) = (Guessing::new(), Duration::from_secs(24 * 60 * 60));
        for good in
            [base, base.shared(10, day), base.shared(100, day), base.known(50), base.lock(1, day), base.payback(0)]
        {
            assert!(good.is_valid(), "{good:?}");
        }
        for bad in [
            base.shared(9, day),
            base.shared(101, day),
            base.shared(30, day - Duration::from_secs(1)),
            base.known(4),
            base.known(51),
            base.lock(11, day),
            base.lock(0, day),
            base.known(50).lock(21, day),
            base.lock(5, Duration::from_secs(29)),
            base.payback(21),
            base.reset(21, day * 90),
            base.shared(10, day).reset(11, day * 90),
            base.reset(10, day * 29),
        ] {
            assert!(!bad.is_valid(), "{bad:?}");
        }
        assert_eq!(IssuanceBudget::new(0, Duration::ZERO), Err(InvalidBudget::PerHour));
        assert_eq!(IssuanceBudget::new(61, Duration::ZERO), Err(InvalidBudget::PerHour));
        assert_eq!(IssuanceBudget::new(1, Duration::from_secs(3601)), Err(InvalidBudget::Pause));
    }
}
