//! What the numbers come to: for somebody who guesses, and for an owner whom nobody attacks.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::rules::{DAY, Rules, Time};

/// How many codes somebody at an unknown browser can have compared in a time, as fast as the budget allows.
pub(crate) fn guesses(r: &Rules, devices: i64, time: Time) -> i64 {
    let (mut budget, mut now, mut guesses) = (Budget::full(r), 0, 0);
    let cost = devices * r.weight;
    while now < time {
        budget = budget.regained(r, now);
        if budget.is_locked(r, now) {
            now = budget.locked_at + budget.length(r);
        } else if budget.left < cost {
            now = budget.since + r.every;
        } else {
            budget = budget.spent(r, cost, now);
            guesses += 1;
        }
    }
    guesses
}

/// One in so many accounts is opened by `guesses`, each against `devices` and a window of so many `steps`.
pub(crate) fn one_in(guesses: i64, devices: i64, steps: i64, digits: i32) -> i64 {
    let compared = (guesses * devices * steps) as f64;
    (1.0 / (1.0 - (1.0 - 10_f64.powi(-digits)).powf(compared))).round() as i64
}

/// An owner whom nobody attacks.
pub(crate) struct Honest {
    pub devices: i64,
    /// The share of sign-ins from a new browser, and sign-ins in a day.
    pub fresh: f64,
    pub logins: usize,
    /// The share of codes that are mistyped, and of flows with a wrong code that are given up.
    pub typo: f64,
    pub given_up: f64,
}

impl Honest {
    /// The chance that the owner ever finds new browsers blocked within a year.
    pub(crate) fn is_blocked(&self, r: &Rules) -> f64 {
        let mut now = BTreeMap::from([((r.cap, r.good), 1.0)]);
        let mut blocked = 0.0;
        for day in 1..=365 {
            for _ in 0..self.logins {
                let mut after = BTreeMap::new();
                let mut add = |state, chance: f64| *after.entry(state).or_insert(0.0) += chance;
                for ((left, good), chance) in now {
                    add((left, good), chance * (1.0 - self.fresh));
                    for wrong in 0..40 {
                        let share = chance * self.fresh * self.typo.powi(wrong) * (1.0 - self.typo);
                        if share < 1e-40 {
                            continue;
                        }
                        let units = i64::from(wrong) * self.devices;
                        let spent = left - units;
                        if wrong > 0 && spent < self.devices {
                            blocked += share;
                            continue;
                        }
                        let give = units.min(good);
                        let given_up = if wrong > 0 { self.given_up } else { 0.0 };
                        add((r.cap.min(spent + give), good - give), share * (1.0 - given_up));
                        add((spent, good), share * given_up);
                    }
                }
                now = after.into_iter().filter(|(_, chance)| *chance > 1e-40).collect();
            }
            if day % (r.every / DAY) == 0 {
                let mut after = BTreeMap::new();
                for ((left, _), chance) in now {
                    *after.entry((r.cap.min(left + 1), r.good)).or_insert(0.0) += chance;
                }
                now = after;
            }
        }
        blocked
    }
}
