//! What an account owes its user: notices that were not delivered yet, and the tail of its events.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Account, Decision};
use crate::audit::{EventKind, MAX_TAIL};
use crate::browser::BrowserName;
use crate::device::DeviceName;
use crate::flow::Contact;
use crate::limits::can_be_past;
use crate::mail::Notice;
use crate::time::Timestamp;
use crate::user::EmailAddress;

/// The most notices that are owed at a time; the oldest makes way for a new one, with an event.
pub(crate) const MAX_OWED: usize = 12;
/// How long a notice is left to the request that owes it, before another one sends it.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(60);

/// A notice of a change.
#[derive(Clone)]
pub(crate) struct OutgoingNotice {
    pub(crate) to: EmailAddress,
    pub(crate) notice: Notice,
    pub(crate) name: Option<String>,
    pub(crate) replaced: Option<String>,
}

impl OutgoingNotice {
    /// A notice, if there is an address for it.
    pub(crate) fn new(contact: &Contact, notice: Notice) -> Option<Self> {
        Self::naming(contact, notice, None, None)
    }

    pub(crate) fn of_device(contact: &Contact, notice: Notice, device: &DeviceName) -> Option<Self> {
        Self::naming(contact, notice, Some(device.as_str()), None)
    }

    pub(crate) fn of_replacement(contact: &Contact, replaced: &DeviceName, device: &DeviceName) -> Option<Self> {
        Self::naming(contact, Notice::DeviceReplaced, Some(device.as_str()), Some(replaced.as_str()))
    }

    pub(crate) fn of_browser(contact: &Contact, notice: Notice, browser: &BrowserName) -> Option<Self> {
        Self::naming(contact, notice, Some(browser.as_str()), None)
    }

    fn naming(contact: &Contact, notice: Notice, name: Option<&str>, replaced: Option<&str>) -> Option<Self> {
        let (name, replaced) = (name.map(String::from), replaced.map(String::from));
        Some(Self { to: contact.address()?.clone(), notice, name, replaced })
    }
}

/// The notices that are owed, and the number of the last one.
#[derive(Default)]
pub(crate) struct Owed {
    pub(crate) last: u64,
    /// Oldest first.
    pub(crate) notices: Vec<OwedNotice>,
}

#[derive(Clone)]
pub(crate) struct OwedNotice {
    pub(crate) number: u64,
    pub(crate) notice: OutgoingNotice,
    /// When a request last undertook to send it.
    pub(crate) tried_at: Timestamp,
    /// Whether it has failed before: an event is written once.
    pub(crate) failed: bool,
}

/// The last events of the user, and the number of the last one.
#[derive(Default)]
pub(crate) struct Tail {
    pub(crate) last: u64,
    /// Oldest first.
    pub(crate) events: Vec<(Timestamp, EventKind)>,
}

/// An event as it is observed after the commit.
pub(crate) struct NumberedEvent {
    pub(crate) seq: Option<u64>,
    pub(crate) kind: EventKind,
}

impl Account {
    /// Takes the events and notices of a decision into the account, which is about to be written. Returns the events with
    /// their numbers, and the notices that the request has to send.
    pub(crate) fn book<T>(
        &mut self,
        now: Timestamp,
        decision: &mut Decision<T>,
    ) -> (Vec<NumberedEvent>, Vec<OwedNotice>) {
        let mut due = self.overdue(now);
        for notice in decision.notices.drain(..) {
            self.owed.last = self.owed.last.saturating_add(1);
            let owed = OwedNotice { number: self.owed.last, notice, tried_at: now, failed: false };
            self.owed.notices.push(owed.clone());
            due.push(owed);
        }
        while self.owed.notices.len() > MAX_OWED {
            self.owed.notices.remove(0);
            decision.events.push(EventKind::NoticeDropped);
        }
        // Another request would send them as well, if this one did not undertake it.
        for owed in &mut self.owed.notices {
            if due.iter().any(|due| due.number == owed.number) {
                owed.tried_at = now;
            }
        }
        let events = decision.events.drain(..).map(|kind| NumberedEvent { seq: Some(self.record(now, &kind)), kind });
        (events.collect(), due)
    }

    /// The notices that an earlier request has left behind.
    pub(crate) fn overdue(&self, now: Timestamp) -> Vec<OwedNotice> {
        let is_overdue =
            |owed: &&OwedNotice| !can_be_past(owed.tried_at, now) || owed.tried_at.saturating_add(RETRY_AFTER) <= now;
        self.owed.notices.iter().filter(is_overdue).cloned().collect()
    }

    /// Clears what was delivered. What was not stays owed.
    pub(crate) fn settle(&mut self, now: Timestamp, delivered: &[u64], failed: &[u64]) -> Decision<()> {
        let before = self.owed.notices.len();
        self.owed.notices.retain(|owed| !delivered.contains(&owed.number));
        let mut decision = Decision::unchanged(());
        decision.changed = before != self.owed.notices.len();
        for owed in self.owed.notices.iter_mut().filter(|owed| failed.contains(&owed.number)) {
            owed.tried_at = now;
            decision.changed = true;
            if !core::mem::replace(&mut owed.failed, true) {
                decision.events.push(EventKind::MailUndelivered);
            }
        }
        decision
    }

    fn record(&mut self, now: Timestamp, kind: &EventKind) -> u64 {
        self.tail.last = self.tail.last.saturating_add(1);
        if self.tail.events.len() >= MAX_TAIL {
            self.tail.events.remove(0);
        }
        self.tail.events.push((now, kind.clone()));
        self.tail.last
    }
}
