//! What the people in a history can do. Each letter is a power.
//!
//! | letter | power |
//! |---|---|
//! | `P` | the attacker has the password |
//! | `M` | the attacker reads the mailbox |
//! | `C` | the attacker copies the owner's cookie once |
//! | `F` | the attacker makes the owner finish flows that the attacker began |
//! | `K` | the attacker enters codes that were used |
//! | `r` | the attacker enters recovery codes |
//! | `n` | the owner uses new browsers too |
//! | `x` | the owner never uses the known browser |
//! | `t`, `p`, `d` | the owner trusts the browser, changes the password, removes a device |
//! | `w`, `j` | long times pass, and the clock jumps |
//! | `g` | it is checked that the owner can sign in without a known browser |

use super::rules::{Policy, Rules};
use super::state::{Action, Cookie, Person, RecoveryTyped, State, Typed};

#[derive(Clone, Copy)]
pub(crate) struct Powers(pub &'static str);

impl Powers {
    pub(crate) fn has(self, power: char) -> bool {
        self.0.contains(power)
    }
}

pub(crate) fn actions(r: &Rules, s: &State, powers: Powers) -> Vec<Action> {
    let mut all = attacker(r, s, powers);
    all.extend(owner(r, s, powers));
    all.extend(nature(r, s, powers));
    all
}

pub(crate) fn attacker(r: &Rules, s: &State, powers: Powers) -> Vec<Action> {
    let who = Person::Attacker;
    let mut all = vec![Action::Begin(who, Cookie::Nothing)];
    if powers.has('C') && s.ghost.copy != 0 {
        all.push(Action::Begin(who, Cookie::Copied));
    }
    if powers.has('M') && s.ghost.thief != 0 {
        all.push(Action::Begin(who, Cookie::Given));
    }
    for flow in s.flows.iter().filter(|flow| flow.by == who) {
        all.push(Action::App(who, flow.id, Typed::Wrong, None));
        if s.devices.len() > 1 {
            all.push(Action::App(who, flow.id, Typed::Wrong, Some(0)));
        }
        if r.policy != Policy::App {
            all.push(Action::Send(who, flow.id));
            if flow.code.is_some() {
                let typed = if powers.has('M') { Typed::Right } else { Typed::Wrong };
                all.push(Action::MailCode(who, flow.id, typed));
            }
        }
        if powers.has('K') {
            all.push(Action::App(who, flow.id, Typed::Used, None));
        }
        if powers.has('r') {
            all.push(Action::Recover(who, flow.id, RecoveryTyped::Stranger));
        }
    }
    if powers.has('M') {
        all.push(Action::Password(who, false));
    }
    all
}

fn owner(r: &Rules, s: &State, powers: Powers) -> Vec<Action> {
    let who = Person::Owner;
    let mut all = Vec::new();
    if s.ghost.cookie != 0 && !powers.has('x') {
        all.push(Action::Begin(who, Cookie::Own));
    }
    if powers.has('n') {
        all.push(Action::Begin(who, Cookie::Nothing));
    }
    for flow in &s.flows {
        let own = flow.by == who;
        if own || powers.has('F') {
            all.push(Action::App(who, flow.id, Typed::Right, None));
        }
        if own {
            all.push(Action::App(who, flow.id, Typed::Wrong, None));
        }
        if own && r.policy != Policy::App {
            all.push(Action::Send(who, flow.id));
            if flow.code.is_some() {
                all.push(Action::MailCode(who, flow.id, Typed::Right));
            }
        }
    }
    if powers.has('t') {
        all.push(Action::Trust);
    }
    if powers.has('p') {
        all.push(Action::Password(who, true));
    }
    if powers.has('d') {
        all.push(Action::RemoveDevice);
    }
    all
}

fn nature(r: &Rules, s: &State, powers: Powers) -> Vec<Action> {
    let mut all = vec![Action::Wait(1)];
    if powers.has('w') {
        all.push(Action::Wait(r.every));
    }
    if powers.has('j') {
        if s.ghost.off <= 0 {
            all.push(Action::Jump(r.every * 5));
        }
        if s.ghost.off >= 0 {
            all.push(Action::Jump(-r.every * 5));
        }
    }
    if powers.has('C') && s.ghost.copy == 0 && s.ghost.cookie != 0 {
        all.push(Action::Copy);
    }
    all
}
