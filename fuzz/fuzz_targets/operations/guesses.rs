//! What unknown browsers can still guess: one budget for each factor, counted down.

use std::time::Duration;

use factorgate::limits::Guessing;
use factorgate::{Refusal, Timestamp};

use crate::facts::can_be_past;

pub const UNITS: u32 = 30;
const DAY: u64 = 86_400;
const FORTNIGHT: Duration = Duration::from_secs(14 * DAY);

/// What a guess is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    App,
    Email,
    External,
    /// The recovery codes of another system.
    Recovery,
}

impl Target {
    pub const ALL: [Self; 4] = [Self::App, Self::Email, Self::External, Self::Recovery];
}

/// One budget of all unknown browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    left: u32,
    /// From when a unit is regained; it says nothing while none is missing.
    since: Timestamp,
    /// Wrong codes since the last lock.
    codes: u32,
    /// The locks of a row, and when the last one began, unless a clock was wrong then.
    locks: u32,
    locked_at: Option<Timestamp>,
    /// What was paid back in a fortnight, and since when.
    paid: Option<(u32, Timestamp)>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: UNITS, since: Timestamp::from_secs(0), codes: 0, locks: 0, locked_at: None, paid: None }
    }
}

/// What a wrong code has brought about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Charged {
    pub locked_until: Option<Timestamp>,
    pub blocked_until: Option<Timestamp>,
    pub notice: Option<&'static str>,
}

impl Budget {
    /// What a write at `now` makes of it: one unit more after a fortnight, never two.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.locked_at = self.locked_at.filter(|at| can_be_past(*at, now));
        if self.left == UNITS {
            return self;
        }
        if now.saturating_since(self.since) >= FORTNIGHT {
            self.left += 1;
            self.since = now;
        }
        // A clock that was ahead does not put it off.
        self.since = self.since.min(now);
        self
    }

    pub fn left(&self, now: Timestamp) -> u32 {
        self.at(now).left
    }

    pub fn locked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let (locks, at) = (self.locks, self.at(now).locked_at?);
        // 1 minute, 2, 4, and so on up to an hour.
        let minutes = if locks > 6 { 60 } else { 1 << (locks - 1) };
        Some(at.saturating_add(Duration::from_secs(60 * minutes))).filter(|until| now < *until)
    }

    /// When there is a unit again, if there is none.
    pub fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let budget = self.at(now);
        (budget.left == 0).then(|| budget.since.saturating_add(FORTNIGHT))
    }

    /// Why a code is not compared that would cost so much.
    pub fn refusal(&self, cost: u32, now: Timestamp) -> Option<Refusal> {
        if let Some(until) = self.locked_until(now) {
            return Some(Refusal::Locked { until });
        }
        if let Some(regained_at) = self.blocked_until(now) {
            return Some(Refusal::NewBrowsersBlocked { regained_at });
        }
        (self.left(now) < cost).then_some(Refusal::ChooseDevice)
    }

    /// How many codes of this cost can be entered before something ends them.
    pub fn attempts_left(&self, cost: u32, now: Timestamp) -> u32 {
        let to_lock = Guessing::LOCK_AFTER - self.codes;
        // The last one may be paid for by naming a device.
        (1..=to_lock).take_while(|codes| (codes - 1) * cost < self.left(now)).count() as u32
    }

    pub fn spend(&mut self, cost: u32, now: Timestamp) -> Charged {
        assert_eq!(self.refusal(cost, now), None, "a code was compared that could not be paid for");
        *self = self.at(now);
        if self.left == UNITS {
            self.since = now;
        }
        self.left -= cost;
        self.codes += 1;
        let mut charged = Charged::default();
        if self.codes == Guessing::LOCK_AFTER {
            self.codes = 0;
            let in_a_row = self.locked_at.is_some_and(|at| now.saturating_since(at) < Duration::from_secs(DAY));
            self.locks = if in_a_row { self.locks + 1 } else { 1 };
            self.locked_at = Some(now);
            charged.locked_until = self.locked_until(now);
            charged.notice = (self.locks == 1).then_some("locked");
        }
        charged.blocked_until = self.blocked_until(now);
        if self.left == 0 {
            charged.notice = Some("new_browsers_blocked");
        }
        charged
    }

    /// Gives back what a flow has spent, 10 units in a fortnight at most. A lock stays.
    pub fn pay_back(&mut self, codes: u32, units: u32, now: Timestamp) {
        *self = self.at(now);
        let (paid, since) = self.paid.filter(|(_, since)| now.saturating_since(*since) < FORTNIGHT).unwrap_or((0, now));
        let units = units.min(10 - paid);
        self.left = UNITS.min(self.left + units);
        self.paid = Some((paid + units, since.min(now)));
        self.codes = self.codes.saturating_sub(codes);
    }

    /// At least 10 units, and no lock.
    pub fn grant(&mut self) {
        self.left = self.left.max(10);
        (self.codes, self.locks, self.locked_at) = (0, 0, None);
    }

    /// Whether there is something to grant.
    pub fn needs_grant(&self, now: Timestamp) -> bool {
        self.left(now) < 10 || self.locked_until(now).is_some()
    }
}
