//! How often a user can guess, and how often a code is sent: two budgets of the user, not of the session.

use alloc::vec::Vec;
use core::time::Duration;

use crate::time::Timestamp;

/// After how many wrong codes a user is locked, and for how long.
///
/// The budget is the user's: it survives new logins, new codes and a right password, and every factor
/// spends from it (OWASP ASVS 5.0, 6.3.1; NIST SP 800-63B-4 section 3.2.2), except recovery codes that were made here: they
/// have 80 bits, and 100 wrong ones in a row whose first half is right disable them. Only a completed login
/// restores it, or an administrator's reset, which takes away what was guessed at. Each lock is twice as long
/// as the one before, up to [`FailureBudget::max_lock`].
///
/// By the default, 5 guesses of a six-digit code with a window of three steps are right with a probability
/// of 1.5 in 100,000; and after [`FailureBudget::CONSECUTIVE_CAP`] wrong codes in a row, however long they
/// took, the factor is disabled, so that guessing it succeeds with 3 in 10,000 at most.
///
/// ```
/// use std::time::Duration;
///
/// use factorgate::limits::FailureBudget;
///
/// // 3 wrong codes, then 2 minutes, 4 minutes, and so on up to 1 hour.
/// let budget = FailureBudget::new(3, Duration::from_secs(120))?;
/// assert_eq!((budget.limit(), budget.max_lock()), (3, Duration::from_secs(3600)));
/// # Ok::<_, factorgate::limits::InvalidBudget>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureBudget {
    limit: u32,
    first_lock: Duration,
    max_lock: Duration,
}

impl FailureBudget {
    /// Consecutive failures after which a factor is disabled until the user registers it again. Time does not reset
    /// them (NIST SP 800-63B-4 section 3.2.2).
    pub const CONSECUTIVE_CAP: u32 = 100;
    /// Wrong codes before the first lock, unless set otherwise.
    pub const DEFAULT_LIMIT: u32 = 5;

    /// Locks after `limit` wrong codes, first for `first_lock` and then for twice as long each time.
    ///
    /// # Errors
    ///
    /// [`InvalidBudget`] if `limit` is none of 1 to 20 or a lock would be shorter than 30 seconds.
    pub fn new(limit: u32, first_lock: Duration) -> Result<Self, InvalidBudget> {
        if !(1..=20).contains(&limit) {
            return Err(InvalidBudget::Limit);
        }
        if first_lock < Duration::from_secs(30) {
            return Err(InvalidBudget::Lock);
        }
        Ok(Self { limit, first_lock, max_lock: first_lock.max(Self::default().max_lock) })
    }

    /// Wrong codes before a lock.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The longest lock: one hour, or the first lock if that is longer.
    #[must_use]
    pub fn max_lock(&self) -> Duration {
        self.max_lock
    }

    fn lock(&self, earlier_locks: u32) -> Duration {
        let doubled = 1_u32.checked_shl(earlier_locks).and_then(|factor| self.first_lock.checked_mul(factor));
        doubled.map_or(self.max_lock, |lock| lock.min(self.max_lock))
    }
}

impl Default for FailureBudget {
    /// 5 wrong codes, then 1 minute, 2 minutes, and so on up to 1 hour.
    fn default() -> Self {
        Self { limit: Self::DEFAULT_LIMIT, first_lock: Duration::from_secs(60), max_lock: Duration::from_secs(60 * 60) }
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
    /// The number of wrong codes is out of range.
    #[error("between 1 and 20 wrong codes can be allowed before a lock")]
    Limit,
    /// The first lock is too short.
    #[error("the first lock must last at least 30 seconds")]
    Lock,
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

/// Whether a period that lasts at most `lifetime` and ends at `until` has not ended at `now`. If it ends further ahead, it was
/// written by a clock that was ahead, and is ignored.
pub(crate) fn is_running(until: Timestamp, lifetime: Duration, now: Timestamp) -> bool {
    now < until && can_be_past(until, now.saturating_add(lifetime))
}

/// What a user has spent of the failure budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) spent: u32,
    pub(crate) locks: u32,
    /// When the last lock began. Its length follows from the number of locks, so that no lock outlives it.
    pub(crate) locked_at: Option<Timestamp>,
}

impl Failures {
    pub(crate) fn locked(&self, budget: &FailureBudget, now: Timestamp) -> Option<Timestamp> {
        let at = self.locked_at.filter(|at| can_be_past(*at, now))?;
        let until = at.saturating_add(budget.lock(self.locks.saturating_sub(1)));
        Some(until).filter(|until| now < *until)
    }

    pub(crate) fn left(&self, budget: &FailureBudget) -> u32 {
        budget.limit.saturating_sub(self.spent)
    }

    /// Counts `cost` guesses; returns until when the user is locked if that exhausts the budget.
    pub(crate) fn spend(&mut self, cost: u32, budget: &FailureBudget, now: Timestamp) -> Option<Timestamp> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent < budget.limit {
            return None;
        }
        let until = now.saturating_add(budget.lock(self.locks));
        *self = Self { spent: 0, locks: self.locks.saturating_add(1), locked_at: Some(now) };
        Some(until)
    }

    /// Gives back one guess that was paid for in advance, when `before` became `after`, and was right. The lock that it
    /// brought is lifted; one that others brought meanwhile is not.
    pub(crate) fn refund(&mut self, before: Self, after: Self) {
        if *self == after {
            *self = before;
        } else {
            self.spent = self.spent.saturating_sub(1);
        }
    }

    pub(crate) fn restore(&mut self) {
        *self = Self::default();
    }
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

    #[test]
    fn refunded_guess_lifts_its_own_lock_and_no_other() {
        let (budget, now) = (FailureBudget::default(), at(1));
        let mut failures = Failures { spent: 4, ..Failures::default() };
        let (before, locked) = (failures, failures.spend(1, &budget, now));
        let after = failures;
        assert!(locked.is_some());
        failures.refund(before, after);
        assert_eq!((failures, failures.locked(&budget, now)), (before, None));

        // Another guess has come between, and locked.
        let mut failures = Failures { spent: 3, ..Failures::default() };
        let (before, none) = (failures, failures.spend(1, &budget, now));
        let after = failures;
        let until = failures.spend(1, &budget, now);
        failures.refund(before, after);
        assert_eq!((none, failures.locked(&budget, now)), (None, until));
        failures.refund(before, after);
        assert_eq!(failures.spent, 0, "nothing is given back that was not spent");
    }

    #[test]
    fn locks_double_up_to_an_hour() {
        let budget = FailureBudget::default();
        let mut failures = Failures::default();
        let mut locks = Vec::new();
        for _ in 0..8 {
            for _ in 0..4 {
                assert_eq!(failures.spend(1, &budget, at(0)), None);
            }
            let until = failures.spend(1, &budget, at(0));
            assert_eq!(failures.locked(&budget, at(0)), until);
            locks.push(until.unwrap().as_secs() / 60);
        }
        assert_eq!(locks, [1, 2, 4, 8, 16, 32, 60, 60]);
        failures.locks = u32::MAX;
        assert_eq!(failures.spend(9, &budget, at(0)), Some(at(3600)));
        assert_eq!(failures.locked(&budget, at(3599)), Some(at(3600)));
    }

    #[test]
    fn lock_ends_at_its_second() {
        let (mut failures, budget) = (Failures::default(), FailureBudget::default());
        let until = failures.spend(5, &budget, at(100)).unwrap();
        assert_eq!(failures.locked(&budget, at(until.as_secs() - 1)), Some(until));
        assert_eq!(failures.locked(&budget, until), None);
    }

    /// A clock that is ahead for a moment locks nobody, and holds no mail back, for as long as it was wrong.
    #[test]
    fn times_of_a_clock_that_was_ahead_are_ignored() {
        let (budget, issuance, year) = (FailureBudget::default(), IssuanceBudget::default(), 365 * 24 * 60 * 60);
        let mut failures = Failures::default();
        assert!(failures.spend(5, &budget, at(year)).is_some());
        assert_eq!(failures.locked(&budget, at(100)), None);
        assert!(failures.locked(&budget, at(year - 60)).is_some(), "the clocks of two servers differ a little");

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
        assert_eq!(FailureBudget::new(0, Duration::from_secs(60)), Err(InvalidBudget::Limit));
        assert_eq!(FailureBudget::new(21, Duration::from_secs(60)), Err(InvalidBudget::Limit));
        assert_eq!(FailureBudget::new(5, Duration::from_secs(29)), Err(InvalidBudget::Lock));
        assert_eq!(IssuanceBudget::new(0, Duration::ZERO), Err(InvalidBudget::PerHour));
        assert_eq!(IssuanceBudget::new(61, Duration::ZERO), Err(InvalidBudget::PerHour));
        assert_eq!(IssuanceBudget::new(1, Duration::from_secs(3601)), Err(InvalidBudget::Pause));
    }
}
