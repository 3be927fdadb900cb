//! The shared budget of all unknown browsers for one factor: pure arithmetic.

use super::rules::{NEVER, Rules, Simpler, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub left: i64,
    /// From when the next unit is regained.
    pub since: Time,
    /// Wrong codes towards the next lock.
    pub streak: i64,
    pub locks: i64,
    pub locked_at: Time,
    /// What can still be paid back, in the time from `good_since`.
    pub good: i64,
    pub good_since: Time,
}

impl Budget {
    pub(crate) fn full(r: &Rules) -> Self {
        Self { left: r.cap, since: NEVER, streak: 0, locks: 0, locked_at: NEVER, good: r.good, good_since: NEVER }
    }

    /// Regains one unit at most, however far the clock has moved; a clock that went back begins again.
    pub(crate) fn regained(mut self, r: &Rules, now: Time) -> Self {
        if self.locked_at > now + r.skew && !r.has(Simpler::LockStoredAsEnd) {
            self.locked_at = NEVER;
        }
        if self.left >= r.cap {
            return self;
        }
        if now < self.since {
            self.since = now;
        } else if now - self.since >= r.every {
            let worth = if r.has(Simpler::RegainedAtOnce) { (now - self.since) / r.every } else { 1 };
            self.left = r.cap.min(self.left + worth);
            self.since = now;
        }
        self
    }

    /// How long the current lock lasts.
    pub(crate) fn length(&self, r: &Rules) -> Time {
        r.longest.min(r.first << (self.locks - 1).clamp(0, 20))
    }

    /// By the age of the lock, not by its end: a clock that was wrong locks for no longer than a lock lasts.
    pub(crate) fn is_locked(&self, r: &Rules, now: Time) -> bool {
        let age = now - self.locked_at;
        let begun = r.has(Simpler::LockStoredAsEnd) || age >= -r.skew;
        self.locks > 0 && begun && age < self.length(r)
    }

    pub(crate) fn spent(mut self, r: &Rules, cost: i64, now: Time) -> Self {
        if self.left >= r.cap {
            self.since = now;
        }
        self.left -= cost;
        self.streak += 1;
        if self.streak >= r.limit {
            let is_calm = !(0..r.calm).contains(&(now - self.locked_at));
            self.locks = if is_calm { 1 } else { self.locks + 1 };
            (self.streak, self.locked_at) = (0, now);
        }
        self
    }

    pub(crate) fn paid_back(mut self, r: &Rules, units: i64, codes: i64, now: Time) -> Self {
        if units > 0 && now - self.good_since >= r.every {
            (self.good, self.good_since) = (r.good, now);
        }
        self.good_since = self.good_since.min(now);
        let give = if r.has(Simpler::PaybackWithoutBound) { units } else { units.min(self.good) };
        self.left = r.cap.min(self.left + give);
        self.good = (self.good - give).max(0);
        self.streak = (self.streak - codes).max(0);
        self
    }
}
