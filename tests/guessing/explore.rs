//! Every history of so many actions, and long random ones.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::laws::{Broken, OWNER_SIGNS_IN, broken_by, first, owner_signs_in};
use super::people::{Powers, actions};
use super::rules::{Rules, Time};
use super::state::{Key, State};

#[derive(Debug, Default)]
pub(crate) struct Explored {
    pub states: usize,
    pub steps: usize,
    pub broken: BTreeSet<Broken>,
}

/// Looks at every history of at most `depth` actions.
pub(crate) fn explore(r: &Rules, powers: Powers, depth: usize, devices: usize) -> Explored {
    let mut explored = Explored::default();
    search(r, powers, depth, devices, &mut explored, |_| false);
    explored
}

/// Looks for the shortest history that breaks a law, and returns its length.
pub(crate) fn hunt(r: &Rules, powers: Powers, depth: usize, devices: usize, law: Broken) -> Option<usize> {
    search(r, powers, depth, devices, &mut Explored::default(), |broken| broken == law)
}

fn search(
    r: &Rules,
    powers: Powers,
    depth: usize,
    devices: usize,
    explored: &mut Explored,
    is_wanted: impl Fn(Broken) -> bool,
) -> Option<usize> {
    let start = first(r, devices);
    let mut seen = HashSet::from([canonical(r, &start)]);
    let mut queue = VecDeque::from([(start, 0)]);
    while let Some((s, length)) = queue.pop_front() {
        if powers.has('g') && !owner_signs_in(r, &s, powers) {
            explored.broken.insert(OWNER_SIGNS_IN);
            if is_wanted(OWNER_SIGNS_IN) {
                return Some(length);
            }
        }
        if length == depth || s.ghost.inside {
            continue;
        }
        for action in actions(r, &s, powers) {
            let (t, out) = s.step(r, action);
            explored.steps += 1;
            for law in broken_by(r, &s, action, &t, &out, powers) {
                explored.broken.insert(law);
                if is_wanted(law) {
                    return Some(length + 1);
                }
            }
            if seen.insert(canonical(r, &t)) {
                queue.push_back((t, length + 1));
            }
        }
    }
    explored.states = seen.len();
    None
}

/// A long history, with everybody doing everything. Returns the steps and the laws that were broken.
pub(crate) fn stroll(
    r: &Rules,
    powers: Powers,
    devices: usize,
    steps: usize,
    chance: &mut impl FnMut(usize) -> usize,
) -> Explored {
    let mut s = first(r, devices);
    let mut explored = Explored::default();
    for _ in 0..steps {
        let all = actions(r, &s, powers);
        let action = all[chance(all.len())];
        let (t, out) = s.step(r, action);
        explored.steps += 1;
        explored.broken.extend(broken_by(r, &s, action, &t, &out, powers));
        if !owner_signs_in(r, &t, powers) {
            explored.broken.insert(OWNER_SIGNS_IN);
        }
        if t.ghost.inside {
            break;
        }
        s = t;
    }
    explored
}

/// A history at another time, with other numbers of tokens, is the same history.
fn canonical(r: &Rules, s: &State) -> Vec<i64> {
    let far = [r.every, r.calm, r.grant_every, r.longest, r.life, r.hour].into_iter().max().unwrap_or_default() + 1;
    let age = |at: Time| (s.now - at).clamp(-far * 6, far);
    let mut names = HashMap::from([(0, 0)]);
    let mut name = |token: i64| {
        let next = names.len() as i64;
        *names.entry(token).or_insert(next)
    };
    let mut all = Vec::with_capacity(64);
    for budget in &s.budgets {
        all.extend([budget.left, budget.streak, budget.locks, budget.good]);
        all.push(if budget.left < r.cap { age(budget.since) } else { 0 });
        all.push(if budget.locks > 0 { age(budget.locked_at) } else { 0 });
        all.push(if budget.good < r.good { age(budget.good_since) } else { 0 });
    }
    all.push(s.devices.len() as i64);
    all.extend(s.devices.iter().flat_map(|(failures, last)| [*failures, age(*last)]));
    all.push(s.browsers.len() as i64);
    for browser in &s.browsers {
        all.push(name(browser.id));
        let mut key = |key: Key| [name(key.token), key.wrong, age(key.locked_at)];
        all.extend(key(browser.key));
        all.extend(browser.old.map_or([-1; 3], key));
        all.extend([browser.proved.into(), age(browser.used), browser.trusted.into(), browser.shares.into()]);
        all.extend([browser.sent.0, age(browser.sent.1)]);
    }
    all.push(s.flows.len() as i64);
    for flow in &s.flows {
        all.extend([flow.by as i64, name(flow.browser), name(flow.token), age(flow.begun), flow.proved.into()]);
        all.extend(flow.spent.iter().flat_map(|(units, codes)| [*units, *codes]));
        all.push(flow.codes);
        all.extend(flow.code.map_or([-1; 2], |(tries, at)| [tries, age(at)]));
        all.push(flow.known.into());
    }
    all.extend([s.recovery.0, s.recovery.1, s.mail_failures, s.sent.0, age(s.sent.1), age(s.granted_at)]);
    let ghost = &s.ghost;
    all.extend([name(ghost.cookie), name(ghost.copy), name(ghost.thief)]);
    all.extend([ghost.attacker_has_password.into(), ghost.inside.into(), ghost.units, ghost.paid]);
    all.extend([ghost.life, ghost.jumps, ghost.off, ghost.restored, ghost.resets]);
    all
}
