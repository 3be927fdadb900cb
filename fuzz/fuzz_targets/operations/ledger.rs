//! What is counted to the last one: guesses, notices, events and open flows. It follows the events, and is compared with
//! what the engine shows.

use std::collections::VecDeque;
use std::time::Duration;

use factorgate::Timestamp;
use factorgate::audit::{CodeFault, Event, EventKind, Factor, TrustEnd};
use factorgate::limits::FailureBudget;

/// The budget of guesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guesses {
    spent: u32,
    locks: u32,
    locked_at: Option<Timestamp>,
}

/// Whether a time can be true, or was written while a clock was wrong.
pub fn can_be_past(at: Timestamp, now: Timestamp) -> bool {
    at <= now.saturating_add(Duration::from_secs(60))
}

/// Whether a period of so many seconds runs, or was written while a clock was wrong.
pub fn is_running(until: Timestamp, secs: u64, now: Timestamp) -> bool {
    now < until && can_be_past(until, now.saturating_add(Duration::from_secs(secs)))
}

impl Guesses {
    pub fn left(&self) -> u32 {
        FailureBudget::DEFAULT_LIMIT - self.spent
    }

    pub fn locked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.locked_at.filter(|at| can_be_past(*at, now))?;
        Some(at.saturating_add(Self::lock(self.locks - 1))).filter(|until| now < *until)
    }

    /// 1 minute, 2, 4, and so on up to an hour.
    fn lock(earlier: u32) -> Duration {
        Duration::from_secs(60 * (1 << earlier.min(10))).min(Duration::from_secs(3600))
    }

    /// Until when the user is locked by these guesses, if they are.
    fn spend(&mut self, cost: u32, now: Timestamp) -> Option<Timestamp> {
        assert!(self.locked_until(now).is_none(), "a code was compared while the user was locked");
        self.spent += cost;
        if self.spent < FailureBudget::DEFAULT_LIMIT {
            return None;
        }
        let until = now.saturating_add(Self::lock(self.locks));
        *self = Self { spent: 0, locks: self.locks + 1, locked_at: Some(now) };
        Some(until)
    }
}

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
        if self == Self::Login { 5 } else { 2 }
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
}

impl Slot {
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.expires_at && can_be_past(self.begun_at, now)
    }
}

/// What an operation was, for its events.
#[derive(Clone, Copy, Default)]
pub struct Operation {
    /// The number of the flow.
    pub flow: Option<u64>,
    /// What the flow is for that it would begin.
    pub begins: Option<Purpose>,
    /// With how many devices an app code would be compared.
    pub compared: u32,
    /// Whether the recovery codes were imported: then each wrong one is a guess.
    pub imported: bool,
    /// The address that a notice goes to.
    pub address: u8,
}

#[derive(Default)]
pub struct Ledger {
    pub guesses: Guesses,
    /// Notices that were not delivered yet: the address and the name, the oldest first.
    pub owed: VecDeque<(u8, &'static str)>,
    pub slots: Vec<Slot>,
    /// The number of the last event, and the last 16.
    pub seq: u64,
    pub tail: VecDeque<Event>,
    /// How many notices arrived.
    pub delivered: u64,
}

impl Ledger {
    /// Follows the events of one operation.
    pub fn follow(&mut self, events: &[Event], op: Operation, now: Timestamp) {
        let (before, owed_before) = (self.guesses, self.owed.len());
        let (mut lock_due, mut refused_recovery, mut resets) = (None, false, false);
        for event in events {
            assert_eq!(event.at, now);
            self.number(event);
            match &event.kind {
                EventKind::CodeRefused { factor, fault } => {
                    let cost = cost_of(*factor, *fault, op);
                    assert_eq!(lock_due, None, "a lock was not announced");
                    if cost > 0 {
                        lock_due = self.guesses.spend(cost, now);
                    }
                    refused_recovery |= *factor == Factor::Recovery;
                }
                EventKind::Locked { until } => {
                    assert_eq!(lock_due.take(), Some(*until), "another lock than the budget says");
                }
                EventKind::CodeAccepted { factor } => {
                    if refused_recovery && *factor == Factor::Recovery {
                        // A slow hash was compared after the guess was paid for, and the code was right: nothing is owed
                        // for the payment.
                        self.guesses = before;
                        self.owed.truncate(owed_before);
                    }
                    assert!(self.guesses.locked_until(now).is_none(), "a code was accepted while the user was locked");
                    let own = self.slots.iter_mut().find(|slot| op.flow == Some(slot.id));
                    if let Some(slot) = own {
                        slot.recovered |= *factor == Factor::Recovery;
                    }
                }
                EventKind::LoginCompleted if op.begins.is_none() => self.guesses = Guesses::default(),
                EventKind::FactorsReset { .. } => self.guesses = Guesses::default(),
                EventKind::UserErased { .. } => {
                    self.guesses = Guesses::default();
                    self.owed.clear();
                }
                _ => {}
            }
            self.keep_slots(&event.kind, op, now);
            resets |= matches!(event.kind, EventKind::FactorsImported { .. } | EventKind::FactorsReset { .. });
            if let Some(notice) = notice_of(&event.kind, resets) {
                self.owed.push_back((op.address, notice));
            }
        }
        assert_eq!(lock_due, None, "a lock was not announced");
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

    fn keep_slots(&mut self, kind: &EventKind, op: Operation, now: Timestamp) {
        let own = op.flow;
        use EventKind::{CompletionBegun, LoginBegun, RegistrationBegun, StepUpBegun};
        let is_begun = matches!(kind, CompletionBegun | LoginBegun | RegistrationBegun | StepUpBegun);
        if let (true, Some(purpose), Some(id)) = (is_begun, op.begins, own) {
            self.sweep(now);
            let oldest = self.slots.iter().position(|slot| slot.purpose == purpose);
            let count = self.slots.iter().filter(|slot| slot.purpose == purpose).count();
            if let Some(oldest) = oldest.filter(|_| count >= purpose.places()) {
                self.slots.remove(oldest);
            }
            let expires_at = now.saturating_add(Duration::from_secs(600));
            self.slots.push(Slot { id, purpose, begun_at: now, expires_at, recovered: false });
        }
        match kind {
            EventKind::EnrollmentBegun => {
                if let Some(slot) = self.slots.iter_mut().find(|slot| Some(slot.id) == own) {
                    let last = slot.begun_at.saturating_add(Duration::from_secs(1200));
                    let later = now.saturating_add(Duration::from_secs(600));
                    slot.expires_at = slot.expires_at.max(later).min(last);
                }
            }
            EventKind::LoginCompleted
            | EventKind::CompletionCompleted
            | EventKind::RegistrationCompleted
            | EventKind::StepUpCompleted => self.close(own),
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

    /// Follows the notices that arrived. If nobody told the engine that they did, they stay owed.
    pub fn arrive(&mut self, notices: &[(u8, &'static str)], dropped: usize, confirmed: bool) {
        let mut made_way: Vec<_> = self.owed.drain(..dropped).collect();
        for notice in notices {
            let place = self.owed.iter().position(|owed| owed == notice);
            match place {
                Some(place) if confirmed => {
                    self.owed.remove(place);
                    self.delivered += 1;
                }
                Some(_) => {}
                None => {
                    let place = made_way.iter().position(|owed| owed == notice);
                    made_way.remove(place.unwrap_or_else(|| panic!("the notice {notice:?} was not owed")));
                }
            }
        }
        assert!(self.owed.len() <= 12, "more notices are owed than a record can hold");
    }
}

/// What a refused code costs.
fn cost_of(factor: Factor, fault: CodeFault, op: Operation) -> u32 {
    match (factor, fault) {
        (Factor::Recovery, _) if !op.imported => 0,
        (Factor::Enrollment | Factor::RecoveryConfirmation, _) => 0,
        (_, CodeFault::Expired | CodeFault::NoneOutstanding) => 0,
        (Factor::App, _) => op.compared,
        _ => 1,
    }
}

pub fn ends_sessions(kind: &EventKind) -> bool {
    use EventKind::*;
    matches!(kind, AddressChanged | DeviceAdded { .. } | DeviceRemoved { .. } | DeviceReplaced { .. })
        || matches!(kind, ExternalAdded { .. } | ExternalRemoved { .. } | FactorsImported { .. })
        || matches!(kind, FactorsReset { .. } | SessionsEnded { .. } | UserErased { .. })
}

/// The notice that an event owes.
fn notice_of(kind: &EventKind, resets: bool) -> Option<&'static str> {
    Some(match kind {
        EventKind::AddressChangePermitted => "address_change_permitted",
        EventKind::BrowserTrustEnded { cause: TrustEnd::Reused, .. } => "browser_token_reused",
        EventKind::BrowserTrusted { .. } => "browser_trusted",
        // A reset and an import name what they remove and add.
        EventKind::DeviceAdded { .. } if !resets => "device_added",
        EventKind::DeviceRemoved { .. } if !resets => "device_removed",
        EventKind::DeviceReplaced { .. } => "device_replaced",
        EventKind::ExternalAdded { .. } => "factor_added",
        EventKind::ExternalRemoved { .. } if !resets => "factor_removed",
        EventKind::FactorsReset { .. } => "factors_reset",
        EventKind::Locked { .. } => "locked",
        EventKind::RecoveryCodeUsed { .. } => "recovery_code_used",
        EventKind::RecoveryCodesRenewed => "recovery_codes_renewed",
        _ => return None,
    })
}
