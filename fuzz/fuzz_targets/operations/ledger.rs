//! What is counted to the last one: guesses, notices, events and open flows. It follows the events, and is compared with
//! what the engine shows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use factorgate::audit::{Event, EventKind, Factor, TrustEnd};
use factorgate::browser::BrowserId;
use factorgate::policy::Step;
use factorgate::testing::MailFault;
use factorgate::{Refusal, Timestamp};

use crate::browsers::{Browsers, Mails, Shown, Token, Trusting};
use crate::facts::{aim_of, can_be_past, cost_of, ends_sessions, is_begun, is_completed, notice_of, target_of};
use crate::guesses::{Budget, Charged, Target};

/// What a flow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Login,
    Completion,
    Registration,
    StepUp,
}

impl Purpose {
    fn places(self) -> usize {
        if self == Self::Login { 4 } else { 2 }
    }
}

/// A flow that is open.
#[derive(Debug)]
pub struct Slot {
    pub id: u64,
    purpose: Purpose,
    begun_at: Timestamp,
    pub expires_at: Timestamp,
    pub recovered: bool,
    browser: Option<Shown>,
    /// Whether it has a place among those of known browsers.
    known: bool,
    /// What it has proved itself.
    proved: BTreeSet<Target>,
    /// The login of its session.
    session: u64,
    /// The codes and the units that it has spent of the shared budgets.
    spent: BTreeMap<Target, (u32, u32)>,
    wrong_app_codes: u32,
}

impl Slot {
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.expires_at && can_be_past(self.begun_at, now)
    }
}

/// What an operation was, for its events.
#[derive(Clone, Default)]
pub struct Operation {
    /// The number of the flow.
    pub flow: Option<u64>,
    /// What the flow is for that it would begin.
    pub begins: Option<Purpose>,
    /// With how many devices an app code would be compared.
    pub compared: u32,
    /// Whether it shows that the password has changed, and no second factor.
    pub grants: bool,
    /// Whether the user had a factor before it.
    pub has_factor: bool,
    /// Whether the recovery codes were imported: then each wrong one is a guess.
    pub imported: bool,
    /// Whether mail fails.
    pub mail_fails: bool,
    pub restores: bool,
    /// The login of the session.
    pub session: u64,
    /// The token that a login shows.
    pub token: Option<Token>,
    pub trusting: Option<Trusting>,
    /// The address that a notice goes to.
    pub address: u8,
}

/// A notice that was not delivered yet.
#[derive(Debug)]
pub struct Owed {
    address: u8,
    name: &'static str,
    tried_at: Option<Timestamp>,
}

#[derive(Default)]
pub struct Ledger {
    pub browsers: Browsers,
    /// What unknown browsers can still guess.
    pub budgets: BTreeMap<Target, Budget>,
    /// Wrong app codes that were meant for another device, by the last operation.
    pub forgiven: u32,
    /// The trust that ends by the last operation, while its events are not all read.
    ends: Vec<(BrowserId, TrustEnd)>,
    granted_at: Option<Timestamp>,
    /// The token that the last operation has given to a browser.
    pub handed: Option<Token>,
    /// The codes that were mailed to unknown browsers.
    mails: Mails,
    /// Notices that were not delivered yet, the oldest first.
    pub owed: VecDeque<Owed>,
    pub slots: Vec<Slot>,
    /// The number of the last event, and the last 16.
    pub seq: u64,
    pub tail: VecDeque<Event>,
    /// How many notices arrived.
    pub delivered: u64,
}

impl Ledger {
    /// Follows the events of one operation.
    pub fn follow(&mut self, events: &[Event], op: &Operation, now: Timestamp) {
        (self.forgiven, self.handed) = (0, None);
        let any = |wanted: fn(&EventKind) -> bool| events.iter().any(|event| wanted(&event.kind));
        if any(|kind| is_begun(kind) || matches!(kind, EventKind::BrowserAccepted { parallel: false, .. })) {
            self.budgets.values_mut().for_each(|budget| *budget = budget.at(now));
        }
        self.expect_restoring(events, op, now);
        if any(|kind| matches!(kind, EventKind::BrowserTrusted { .. })) {
            let by = op.trusting.as_ref().expect("a session that trusts its browser");
            let (id, token, others) = self.browsers.trust(by, op.has_factor, now);
            self.handed = Some(token);
            self.ends.extend(others.into_iter().map(|other| (other, TrustEnd::Displaced)));
            assert!(events.iter().any(|event| event.kind == EventKind::BrowserTrusted { browser: id }));
        }
        let refused_recovery = any(|kind| matches!(kind, EventKind::CodeRefused { factor: Factor::Recovery, .. }));
        let paid_in_advance = refused_recovery.then(|| (self.budget(Target::Recovery), self.owed.len()));
        let (mut lock_due, mut block_due, mut resets, mut has_factor) = (None, None, false, op.has_factor);
        for event in events {
            assert_eq!(event.at, now);
            self.number(event);
            match &event.kind {
                EventKind::CodeRefused { factor, fault } => {
                    assert_eq!((lock_due, block_due), (None, None), "a lock was not announced");
                    if let Some((target, cost)) = cost_of(*factor, *fault, op) {
                        (lock_due, block_due) = self.charge(op, target, cost, now);
                    }
                }
                EventKind::Locked { until } => {
                    assert_eq!(lock_due.take(), Some(*until), "another lock than the budget says");
                }
                EventKind::NewBrowsersBlocked { regained_at } => {
                    assert_eq!(block_due.take(), Some(*regained_at), "new browsers are blocked, or not");
                }
                EventKind::CodeAccepted { factor } => {
                    let refund = paid_in_advance.filter(|_| *factor == Factor::Recovery);
                    if let Some((before, owed)) = refund {
                        // A slow hash was compared after the guess was paid for, and the code was right: nothing is owed
                        // for the payment.
                        self.budgets.insert(Target::Recovery, before);
                        self.owed.truncate(owed);
                    }
                    if let Some(slot) = self.slots.iter_mut().find(|slot| op.flow == Some(slot.id)) {
                        slot.recovered |= *factor == Factor::Recovery;
                        slot.proved.extend(target_of(*factor));
                        if refund.is_some()
                            && let Some(spent) = slot.spent.get_mut(&Target::Recovery)
                        {
                            *spent = (spent.0 - 1, spent.1 - 1);
                        }
                    }
                }
                EventKind::DeviceAdded { .. } | EventKind::DeviceReplaced { .. } => {
                    has_factor = true;
                    self.prove(op, Target::App);
                }
                EventKind::ExternalAdded { .. } => {
                    has_factor = true;
                    self.prove(op, Target::External);
                }
                EventKind::CodeIssued => {
                    let flow = op.flow.expect("a flow that a code is mailed for");
                    self.mails(flow).count(now);
                    self.mails(flow).failed = op.mail_fails;
                }
                EventKind::FactorsReset { .. } => {
                    self.budgets.clear();
                    self.browsers.known.clear();
                }
                EventKind::GuessesGranted => {
                    self.granted_at = Some(now);
                    for target in Target::ALL {
                        self.budgets.entry(target).or_default().grant();
                    }
                }
                EventKind::GuessesRestored { .. } => self.budgets.clear(),
                EventKind::UserErased { .. } => {
                    self.budgets.clear();
                    self.browsers.erase();
                    (self.granted_at, self.mails) = (None, Mails::default());
                    self.owed.clear();
                }
                EventKind::BrowserAccepted { browser, parallel: false } => {
                    let login = op.flow.expect("a login");
                    self.handed = Some(self.browsers.accept(*browser, login, now));
                }
                EventKind::BrowserTrustEnded { browser, cause } => {
                    if matches!(cause, TrustEnd::Displaced | TrustEnd::WrongCodes) {
                        let due = self.ends.iter().position(|end| *end == (*browser, *cause));
                        self.ends.remove(due.expect("the trust in another browser ends"));
                    } else {
                        let held = self.browsers.known.iter_mut().find(|held| held.id == *browser);
                        held.expect("a browser that was trusted").trust = None;
                    }
                    if *cause == TrustEnd::Revoked {
                        self.browsers.known.retain(|held| held.id != *browser);
                    }
                }
                _ => {}
            }
            if ends_sessions(&event.kind) {
                self.browsers.end_trust();
            }
            if is_completed(&event.kind) {
                self.end_well(op.flow, has_factor, now);
            }
            self.keep_slots(&event.kind, op, now);
            resets |= matches!(event.kind, EventKind::FactorsImported { .. } | EventKind::FactorsReset { .. });
            if let Some(notice) = notice_of(&event.kind, resets) {
                self.owed.push_back(Owed { address: op.address, name: notice, tried_at: None });
            }
        }
        assert_eq!((lock_due, block_due), (None, None), "a lock was not announced");
        assert_eq!(self.ends, [], "the end of a trust was not announced");
        self.expect_recognition(events, op);
    }

    /// Guesses are granted and restored exactly when they are to be.
    fn expect_restoring(&mut self, events: &[Event], op: &Operation, now: Timestamp) {
        use EventKind::{FactorsReset, GuessesGranted, GuessesRestored, LoginBegun, SessionsEnded};
        let any = |wanted: fn(&EventKind) -> bool| events.iter().any(|event| wanted(&event.kind));
        let is_told = any(|kind| matches!(kind, LoginBegun | SessionsEnded { .. }));
        let mut grants = op.grants && is_told && self.budgets.values().any(|budget| budget.needs_grant(now));
        if grants && let Some(at) = &mut self.granted_at {
            // A clock that goes back gives nothing.
            *at = now.min(*at);
            grants = now.saturating_since(*at) >= Duration::from_secs(90 * 86_400);
        }
        assert_eq!(any(|kind| *kind == GuessesGranted), grants, "guesses were granted, or were not");
        let is_spent = self.budgets.values().any(|budget| *budget != Budget::default());
        let restores = (op.restores || any(|kind| matches!(kind, FactorsReset { .. }))) && is_spent;
        let restored = any(|kind| matches!(kind, GuessesRestored { .. }));
        assert_eq!(restored, restores, "guesses were restored, or were not");
    }

    /// A token that is not known is noted, unless it ended a trust.
    fn expect_recognition(&self, events: &[Event], op: &Operation) {
        let any = |wanted: fn(&EventKind) -> bool| events.iter().any(|event| wanted(&event.kind));
        let is_begun = any(|kind| *kind == EventKind::LoginBegun);
        let ended = any(|kind| matches!(kind, EventKind::BrowserTrustEnded { .. }));
        let slot = self.slots.iter().find(|slot| Some(slot.id) == op.flow);
        let unknown = is_begun && op.token.is_some() && !ended && slot.is_some_and(|slot| slot.browser.is_none());
        let noted = any(|kind| *kind == EventKind::BrowserNotTrusted);
        assert_eq!(noted, unknown, "a browser was recognized, or was not");
    }

    pub fn budget(&self, target: Target) -> Budget {
        self.budgets.get(&target).copied().unwrap_or_default()
    }

    fn shown(&self, flow: u64) -> Option<Shown> {
        self.slots.iter().find(|slot| slot.id == flow)?.browser
    }

    fn prove(&mut self, op: &Operation, target: Target) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| op.flow == Some(slot.id)) {
            slot.proved.insert(target);
        }
    }

    /// The mails of the browser of a flow.
    fn mails(&mut self, flow: u64) -> &mut Mails {
        let shown = self.shown(flow);
        match self.browsers.of(shown) {
            Some(browser) => &mut browser.mails,
            None => &mut self.mails,
        }
    }

    /// When the next code may be mailed for a flow; after a mail of which nobody knows whether it has arrived, what was
    /// shown before that was known.
    pub fn mail_wait(&mut self, flow: u64, is_uncertain: bool, now: Timestamp) -> Option<Timestamp> {
        let mut mails = self.mails(flow).clone();
        mails.failed &= !is_uncertain;
        mails.wait(now)
    }

    /// Why a code is not compared in a flow.
    pub fn refusal(&mut self, flow: u64, target: Target, cost: u32, now: Timestamp) -> Option<Refusal> {
        let shown = self.shown(flow);
        match self.browsers.pays(shown, target) {
            true => self.browsers.refusal(shown, target, now),
            false => self.budget(target).refusal(cost, now),
        }
    }

    /// Why what a page would ask for is refused.
    pub fn block(&mut self, flow: u64, step: Option<Step>, now: Timestamp) -> Option<Refusal> {
        self.refusal(flow, aim_of(step?)?, 1, now)
    }

    /// What a page would show; `None` if that step is no guess.
    pub fn attempts_left(&mut self, flow: u64, step: Option<Step>, devices: u32, now: Timestamp) -> Option<u32> {
        let target = aim_of(step?)?;
        let cost = if target == Target::App { devices } else { 1 };
        let shown = self.shown(flow);
        let own = self.browsers.attempts_left(shown, target);
        Some(own.unwrap_or_else(|| self.budget(target).attempts_left(cost, now)))
    }

    fn charge(
        &mut self,
        op: &Operation,
        target: Target,
        cost: u32,
        now: Timestamp,
    ) -> (Option<Timestamp>, Option<Timestamp>) {
        let slot = self.slots.iter_mut().find(|slot| op.flow == Some(slot.id)).expect("a code in an open flow");
        slot.wrong_app_codes += u32::from(target == Target::App);
        let own = slot.browser.filter(|shown| self.browsers.pays(Some(*shown), target));
        let Charged { locked_until, blocked_until, notice } = match own {
            Some(shown) => {
                assert_eq!(
                    self.browsers.refusal(own, target, now),
                    None,
                    "a code was compared while its browser was locked"
                );
                let (charged, ends_trust) = self.browsers.charge(shown, now);
                self.ends.extend(ends_trust.then_some((shown.0, TrustEnd::WrongCodes)));
                charged
            }
            None => {
                let (codes, units) = slot.spent.entry(target).or_default();
                (*codes, *units) = (*codes + 1, *units + cost);
                self.budgets.entry(target).or_default().spend(cost, now)
            }
        };
        self.owed.extend(notice.map(|name| Owed { address: op.address, name, tried_at: None }));
        (locked_until, blocked_until)
    }

    /// A flow has ended well: it is paid back, and its browser is known.
    fn end_well(&mut self, flow: Option<u64>, has_factor: bool, now: Timestamp) {
        let Some(Slot { browser, proved, purpose, session, spent, wrong_app_codes, .. }) =
            self.slots.iter().find(|slot| Some(slot.id) == flow)
        else {
            return;
        };
        for (target, (codes, units)) in spent {
            if proved.contains(target) && *codes > 0 {
                self.budgets.entry(*target).or_default().pay_back(*codes, *units, now);
            }
        }
        if proved.contains(&Target::App) {
            self.forgiven = *wrong_app_codes;
        }
        let mut proved = proved.clone();
        proved.remove(&Target::Recovery);
        let displaced;
        (self.handed, displaced) = match purpose {
            Purpose::Login => self.browsers.sign_in(*browser, &proved, *session, has_factor, now),
            purpose => {
                let is_step_up = *purpose == Purpose::StepUp;
                self.browsers.learn(*browser, &proved, *session, is_step_up, has_factor, now)
            }
        };
        self.ends.extend(displaced.map(|other| (other, TrustEnd::Displaced)));
    }

    /// Nothing is left of the user.
    pub fn start_anew(&mut self) {
        *self = Self { delivered: self.delivered, ..Self::default() };
    }

    fn number(&mut self, event: &Event) {
        let Some(seq) = event.seq else { return };
        self.seq += 1;
        assert_eq!(seq, self.seq, "a gap in the events");
        if matches!(event.kind, EventKind::UserErased { .. }) {
            self.tail.clear();
        }
        self.tail.push_front(event.clone());
        self.tail.truncate(16);
    }

    fn keep_slots(&mut self, kind: &EventKind, op: &Operation, now: Timestamp) {
        let own = op.flow;
        if let (true, Some(purpose), Some(id)) = (is_begun(kind), op.begins, own) {
            self.sweep(now);
            let recognized = op.token.and_then(|token| self.browsers.recognize(token, op.has_factor));
            let (browser, known) = match purpose {
                Purpose::Login => (recognized.map(|(shown, _)| shown), recognized.is_some_and(|(_, known)| known)),
                _ => (self.browsers.of_session(op.session), false),
            };
            let same: Vec<&Slot> =
                self.slots.iter().filter(|slot| slot.purpose == purpose && slot.known == known).collect();
            let is_own = |slot: &&&Slot| known && slot.browser.map(|(id, _)| id) == browser.map(|(id, _)| id);
            // A known browser ends its own flows first.
            let leaves = same.iter().find(is_own).or(same.first()).filter(|_| same.len() >= purpose.places());
            let leaves = leaves.map(|slot| slot.id);
            self.slots.retain(|slot| Some(slot.id) != leaves);
            let session = if purpose == Purpose::Login { id } else { op.session };
            self.slots.push(Slot {
                id,
                purpose,
                begun_at: now,
                expires_at: now.saturating_add(Duration::from_secs(600)),
                recovered: false,
                browser,
                known,
                proved: BTreeSet::new(),
                session,
                spent: BTreeMap::new(),
                wrong_app_codes: 0,
            });
        }
        match kind {
            EventKind::EnrollmentBegun => {
                if let Some(slot) = self.slots.iter_mut().find(|slot| Some(slot.id) == own) {
                    let last = slot.begun_at.saturating_add(Duration::from_secs(1200));
                    let later = now.saturating_add(Duration::from_secs(600));
                    slot.expires_at = slot.expires_at.max(later).min(last);
                }
            }
            kind if is_completed(kind) => self.close(own),
            EventKind::RecoveryCodesRenewed => self.slots.retain(|slot| !slot.recovered),
            EventKind::AddressChangePermitted => self.slots.clear(),
            kind if ends_sessions(kind) => self.slots.retain(|slot| Some(slot.id) == own),
            _ => {}
        }
    }

    pub fn close(&mut self, id: Option<u64>) {
        self.slots.retain(|slot| Some(slot.id) != id);
    }

    pub fn sweep(&mut self, now: Timestamp) {
        self.slots.retain(|slot| slot.is_open(now));
    }

    pub fn is_open(&self, id: u64, now: Timestamp) -> bool {
        self.slots.iter().any(|slot| slot.id == id && slot.is_open(now))
    }

    /// Follows the notices that arrived: those of this operation, and those that nobody has tried to send for a minute. If
    /// the engine was told that they did not arrive, they stay owed.
    pub fn arrive(&mut self, notices: &[(u8, &'static str)], dropped: usize, fault: Option<MailFault>, now: Timestamp) {
        assert_eq!(dropped, self.owed.len().saturating_sub(12), "a notice made way for no other, or did not make way");
        let is_due = |owed: &Owed| {
            owed.tried_at.is_none_or(|at| !can_be_past(at, now) || at.saturating_add(Duration::from_secs(60)) <= now)
        };
        let due: Vec<(u8, &'static str)> =
            self.owed.iter().filter(|owed| is_due(owed)).map(|owed| (owed.address, owed.name)).collect();
        let expected = if fault == Some(MailFault::Refused) { &[] } else { &*due };
        assert_eq!(notices, expected, "other notices than those that are owed");
        // What made way was sent once more.
        self.owed.drain(..dropped);
        if fault.is_none() {
            self.delivered += due.len() as u64;
            self.owed.retain(|owed| !is_due(owed));
        }
        self.owed.iter_mut().filter(|owed| is_due(owed)).for_each(|owed| owed.tried_at = Some(now));
    }
}
