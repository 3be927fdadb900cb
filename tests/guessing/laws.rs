//! The laws of the budgets: of one step, and of every state.

use super::people::{Powers, attacker};
use super::rules::{NEVER, Policy, Rules, Simpler, Time};
use super::state::{APP, Action, Answer, Cookie, Key, Out, Person, RecoveryTyped, State, Typed};

/// A law that does not hold.
pub(crate) type Broken = &'static str;

pub(crate) const KNOWN_BROWSER: Broken = "G1: an attacker changes nothing for the known browser";
pub(crate) const BOUNDED: Broken = "G2: the guesses of an attacker are bounded";
pub(crate) const NO_FARMING: Broken = "G3: nothing is paid back to an attacker who has no right code";
pub(crate) const NO_DEBT: Broken = "G4: no unit is spent that is not there";
pub(crate) const ONE_BY_ONE: Broken = "G5: units come back one by one, or by a rule";
pub(crate) const REFUSED_IS_FREE: Broken = "G6: what is refused is not compared and costs nothing";
pub(crate) const LOCKS_END: Broken = "G7: no lock outlives its length, whatever the clock did";
pub(crate) const OWNER_SIGNS_IN: Broken = "G8: the owner can sign in without a known browser";

/// All that decides whether the owner can sign in at the known browser.
type View = (Key, u8, Vec<(bool, Time)>, Vec<(i64, u8, Option<(i64, Time)>)>);

fn known_view(r: &Rules, s: &State) -> Option<View> {
    let (at, _) = s.holder(s.ghost.cookie)?;
    let browser = &s.browsers[at];
    let of_owner = |flow: &&super::state::Flow| {
        flow.browser == browser.id && flow.known && flow.by == Person::Owner && s.is_open(r, flow)
    };
    let flows = s.flows.iter().filter(of_owner).map(|flow| (flow.id, flow.proved, flow.code)).collect();
    let devices = s.devices.iter().map(|(failures, last)| (*failures >= r.nist, *last)).collect();
    Some((browser.key_of(s.ghost.cookie), browser.proved, devices, flows))
}

/// The most app units that flows of the attacker may ever have compared.
fn bound(r: &Rules, s: &State, powers: Powers) -> i64 {
    let ghost = &s.ghost;
    let periods = ghost.life / r.every + ghost.jumps;
    let grants = ghost.resets.min(1 + ghost.life / r.grant_every + ghost.jumps);
    let mut most = r.cap * (1 + ghost.restored) + periods + r.grant * grants;
    if powers.has('F') {
        most += r.good * (1 + periods);
    }
    if ghost.copy != 0 {
        most += r.own * s.devices.len() as i64 * r.weight;
    }
    most
}

/// The laws that the step from `s` to `t` breaks.
pub(crate) fn broken_by(r: &Rules, s: &State, action: Action, t: &State, out: &Out, powers: Powers) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut must = |law, holds: bool| {
        if !holds {
            broken.push(law);
        }
    };
    let before = known_view(r, s);
    // A copy of the cookie counts until the owner's next sign-in there with a code; and an attacker who reads the mailbox
    // can displace a browser that has proved an e-mail code only. A password reset ends the flows, no more.
    let shares = |(at, _): (usize, bool)| {
        let browser = &s.browsers[at];
        let shares = browser.shares && !r.has(Simpler::TokensShareCount);
        s.ghost.copy == s.ghost.cookie || shares && browser.has(s.ghost.copy)
    };
    let is_copied = s.ghost.copy != 0 && s.holder(s.ghost.cookie).is_some_and(shares);
    let is_weak = powers.has('M') && before.as_ref().is_some_and(|view| view.1 & APP == 0);
    if action.person() == Some(Person::Attacker)
        && !is_copied
        && !is_weak
        && let Some(before) = before
    {
        let with_flows = !matches!(action, Action::Password(..));
        must(
            KNOWN_BROWSER,
            known_view(r, t).is_some_and(|after| {
                (&before.0, before.1, &before.2) == (&after.0, after.1, &after.2)
                    && (!with_flows || before.3 == after.3)
            }),
        );
    }
    must(BOUNDED, t.ghost.inside || t.ghost.units <= bound(r, t, powers));
    must(NO_FARMING, t.ghost.paid == 0 || powers.has('F') || t.ghost.inside);
    for (before, after) in s.budgets.iter().zip(&t.budgets) {
        must(NO_DEBT, after.left >= 0);
        let by_rule = out.paid > 0 || matches!(out.answer, Answer::Restored | Answer::Granted);
        must(ONE_BY_ONE, after.left <= before.left + 1 || by_rule);
    }
    let is_refused = matches!(
        out.answer,
        Answer::Locked | Answer::NewBrowsersBlocked | Answer::ChooseDevice | Answer::Expired | Answer::NoCodeSent
    );
    must(REFUSED_IS_FREE, !is_refused || out.cost == 0 && out.compared == 0 && t.budgets == s.budgets);
    let later = t.now + r.longest + r.skew;
    must(LOCKS_END, !t.budgets.iter().any(|budget| budget.regained(r, t.now).is_locked(r, later)));
    broken
}

/// Whether the owner can sign in without a known browser, after the attacker has done all this.
pub(crate) fn owner_signs_in(r: &Rules, s: &State, powers: Powers) -> bool {
    let mut s = s.clone();
    // Somebody has set the clock right.
    s.now = s.now - s.ghost.off + 1;
    (s.ghost.off, s.ghost.cookie) = (0, 0);
    if !powers.has('M') && s.now - s.granted_at >= r.grant_every {
        let (reset, _) = s.step(r, Action::Password(Person::Owner, false));
        // Without the password the attacker can change nothing.
        let changes = |action: &Action| {
            let (after, _) = reset.step(r, *action);
            after.budgets != reset.budgets || after.flows != reset.flows
        };
        if attacker(r, &reset, powers).iter().any(changes) || !sign_in(r, &reset, false) {
            return false;
        }
    }
    let (left, failures) = s.recovery;
    left == 0 || failures < r.nist && sign_in(r, &s, true)
}

fn sign_in(r: &Rules, s: &State, recover: bool) -> bool {
    let who = Person::Owner;
    let (mut s, _) = s.step(r, Action::Begin(who, Cookie::Nothing));
    let Some(id) = s.flows.last().map(|flow| flow.id) else { return false };
    let mut out;
    if r.policy == Policy::AppAndMail {
        (s, out) = s.step(r, Action::Send(who, id));
        if out.answer == Answer::TooSoon {
            // An hour at most.
            return true;
        }
        (s, out) = s.step(r, Action::MailCode(who, id, Typed::Right));
        if out.answer != Answer::NextStep {
            return false;
        }
    }
    let action = if recover {
        Action::Recover(who, id, RecoveryTyped::Right)
    } else {
        let live = s.devices.iter().position(|(failures, _)| *failures < r.nist);
        // A disabled device is registered again (NIST SP 800-63B-4 section 3.2.2).
        let Some(device) = live else { return true };
        Action::App(who, id, Typed::Right, Some(device))
    };
    (s, out) = s.step(r, action);
    let (again, _) = s.step(r, Action::Begin(who, Cookie::Own));
    out.answer == Answer::SignedIn && again.flows.last().is_some_and(|flow| flow.browser != 0)
}

/// The owner has signed in once, from the browser that is known since.
pub(crate) fn first(r: &Rules, devices: usize) -> State {
    let who = Person::Owner;
    let mut s = State::new(r, devices);
    let mail = [Action::Send(who, 1), Action::MailCode(who, 1, Typed::Right)];
    let mail = mail.into_iter().filter(|_| r.policy == Policy::AppAndMail);
    let begin = [Action::Begin(who, Cookie::Nothing)].into_iter();
    for action in begin.chain(mail).chain([Action::App(who, 1, Typed::Right, None)]) {
        s = s.step(r, action).0;
    }
    s.now += 1;
    s.ghost.life = 0;
    assert!(s.ghost.cookie != 0 && s.devices.iter().all(|(failures, last)| *failures == 0 && *last >= NEVER));
    s
}
