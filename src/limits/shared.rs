//! The budget that all unknown browsers share for one factor: pure arithmetic.

use core::time::Duration;

use super::{Guessing, can_be_past};
use crate::time::Timestamp;

/// What unknown browsers have spent. A new user has spent nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SharedBudget {
    /// When the last lock began. Its length follows from the number of locks, so that no lock outlives it.
    pub(crate) locked_at: Option<Timestamp>,
    /// Locks in a row, without a day between two.
    pub(crate) locks: u32,
    /// Units that were paid back since `paying_since`.
    pub(crate) paid_back: u32,
    pub(crate) paying_since: Option<Timestamp>,
    /// From when the next unit is regained.
    pub(crate) since: Option<Timestamp>,
    pub(crate) spent: u32,
    /// Wrong codes towards the next lock.
    pub(crate) streak: u32,
}

/// After so long without a lock, the next one has the first length again.
const CALM: Duration = Duration::from_secs(24 * 60 * 60);

impl SharedBudget {
    /// Regains one unit at most, however far the clock has moved (a clock that is ahead by years gives one), and begins
    /// again from now.
    pub(crate) fn regain(&mut self, rules: &Guessing, now: Timestamp) {
        self.locked_at.take_if(|at| !can_be_past(*at, now));
        let Some(since) = self.since.filter(|_| self.spent > 0) else { return };
        if now < since {
            self.since = Some(now);
        } else if now.saturating_since(since) >= rules.regained_every {
            self.spent -= 1;
            self.since = Some(now);
        }
    }

    /// Units that are left at `now`.
    pub(crate) fn left(&self, rules: &Guessing, now: Timestamp) -> u32 {
        let mut regained = *self;
        regained.regain(rules, now);
        rules.shared.saturating_sub(regained.spent)
    }

    /// When the next unit is regained.
    pub(crate) fn regained_at(&self, rules: &Guessing, now: Timestamp) -> Timestamp {
        self.since.unwrap_or(now).min(now).saturating_add(rules.regained_every)
    }

    /// Until when nothing is compared.
    pub(crate) fn locked(&self, rules: &Guessing, now: Timestamp) -> Option<Timestamp> {
        let at = self.locked_at.filter(|at| can_be_past(*at, now))?;
        let until = at.saturating_add(rules.lock_length(self.locks.saturating_sub(1)));
        Some(until).filter(|until| now < *until)
    }

    /// Counts a wrong code of `units`; returns until when the factor is locked, if that is a lock.
    pub(crate) fn spend(&mut self, rules: &Guessing, units: u32, now: Timestamp) -> Option<Timestamp> {
        self.regain(rules, now);
        if self.spent == 0 {
            self.since = Some(now);
        }
        self.spent = self.spent.saturating_add(units);
        self.streak += 1;
        if self.streak < rules.lock_after {
            return None;
        }
        let is_calm = self.locked_at.is_none_or(|at| now < at || now.saturating_since(at) >= CALM);
        self.locks = if is_calm { 1 } else { self.locks.saturating_add(1) };
        (self.streak, self.locked_at) = (0, Some(now));
        self.locked(rules, now)
    }

    /// Gives back what a flow has spent that has ended well, within the bound.
    pub(crate) fn pay_back(&mut self, rules: &Guessing, spent: Spent, now: Timestamp) {
        if spent == Spent::default() {
            return;
        }
        self.regain(rules, now);
        let is_over = |since: Timestamp| now.saturating_since(since) >= rules.regained_every;
        if self.paying_since.is_none_or(is_over) {
            (self.paid_back, self.paying_since) = (0, Some(now));
        }
        self.paying_since = self.paying_since.map(|since| since.min(now));
        let units = spent.units.min(rules.payback.saturating_sub(self.paid_back));
        self.spent = self.spent.saturating_sub(units);
        self.paid_back += units;
        self.streak = self.streak.saturating_sub(spent.codes);
    }

    /// Gives back one guess that was paid for in advance, when `before` became `after`, and was right. The lock that it
    /// brought is lifted; one that others brought meanwhile is not.
    pub(crate) fn refund(&mut self, before: Self, after: Self) {
        if *self == after {
            *self = before;
        } else {
            (self.spent, self.streak) = (self.spent.saturating_sub(1), self.streak.saturating_sub(1));
        }
    }

    /// Whether a user needs [`SharedBudget::raise`]: a few wrong codes and an old lock do not use it up.
    pub(crate) fn is_below(&self, rules: &Guessing, units: u32, now: Timestamp) -> bool {
        self.left(rules, now) < units || self.locked(rules, now).is_some()
    }

    /// Lifts locks, and raises what is left to `units`.
    pub(crate) fn raise(&mut self, rules: &Guessing, units: u32) {
        self.spent = self.spent.min(rules.shared.saturating_sub(units));
        (self.locked_at, self.locks, self.streak) = (None, 0, 0);
    }
}

/// What one flow has spent of a shared budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) codes: u32,
    pub(crate) units: u32,
}

/// What a code is aimed at. Nothing is shared between these: an attacker who guesses one of them does not lock another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    App,
    Email,
    External,
    /// The recovery codes of another system, where every guess counts.
    Recovery,
}

/// One for each target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Each<T> {
    pub(crate) app: T,
    pub(crate) email: T,
    pub(crate) external: T,
    pub(crate) recovery: T,
}

impl<T: Copy> Each<T> {
    pub(crate) fn of(mut self, target: Target) -> T {
        *self.of_mut(target)
    }

    pub(crate) fn of_mut(&mut self, target: Target) -> &mut T {
        match target {
            Target::App => &mut self.app,
            Target::Email => &mut self.email,
            Target::External => &mut self.external,
            Target::Recovery => &mut self.recovery,
        }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.app, &mut self.email, &mut self.external, &mut self.recovery].into_iter()
    }
}

impl Target {
    pub(crate) const ALL: [Self; 4] = [Self::App, Self::Email, Self::External, Self::Recovery];

    /// Its place in a set of them.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refunded_guess_lifts_its_own_lock_and_no_other() {
        let (rules, at) = (Guessing::new(), Timestamp::from_secs);
        let mut budget = SharedBudget { spent: 4, streak: 4, since: Some(at(1)), ..SharedBudget::default() };
        let (before, locked) = (budget, budget.spend(&rules, 1, at(1)));
        let after = budget;
        assert!(locked.is_some());
        budget.refund(before, after);
        assert_eq!((budget, budget.locked(&rules, at(1))), (before, None));

        let (before, locked) = (budget, budget.spend(&rules, 1, at(1)));
        let after = budget;
        budget.spend(&rules, 1, at(2));
        budget.refund(before, after);
        assert_eq!((budget.spent, budget.streak, budget.locked(&rules, at(2))), (5, 0, locked));
    }
}
