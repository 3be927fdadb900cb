//! Removing a device, tickets, and what an administrator may see.

use alloc::vec::Vec;

use super::{Account, Context, Decision, Digest, Fresh, Outgoing, StoredTicket, TICKET_LIFETIME};
use crate::account::verify::Guess;
use crate::code::Code;
use crate::device::DeviceId;
use crate::event::{CodeFault, EventKind, Factor};
use crate::login::Contact;
use crate::mailer::Notice;
use crate::policy::{Policy, RemovalRefused};
use crate::ticket::Ticket;
use crate::time::Timestamp;

/// What the removal of a device came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    DevicesDisabled,
    Locked(Timestamp),
    Malformed,
    Refused(RemovalRefused),
    Removed,
    UnknownDevice,
    WrongCode,
}

impl Account {
    /// Removes a device, on a fresh code of any device that the user holds. The removal that the policy forbids
    /// is refused before the code is looked at.
    pub(crate) fn remove_device(
        &mut self,
        cx: Context<'_>,
        device: DeviceId,
        code: &Code,
        contact: &Contact,
        policy: &Policy,
    ) -> Decision<Removal> {
        let Some(at) = self.devices.iter().position(|held| held.id == device) else {
            return Decision::unchanged(Removal::UnknownDevice);
        };
        if let Some(until) = self.failures.locked(cx.now) {
            return Decision::unchanged(Removal::Locked(until)).with_event(EventKind::RefusedWhileLocked { until });
        }
        // A disabled device helps nobody to log in.
        let usable = |held: &&super::Device| !held.is_disabled() && held.id != device;
        if self.devices.iter().find(usable).is_none() {
            let standing = self.standing(cx.now, contact);
            if let Err(refused) = policy.allows_removal_of_last_device(&standing) {
                return Decision::unchanged(Removal::Refused(refused))
                    .with_event(EventKind::DeviceRemovalRefused { device });
            }
        }
        if self.devices.iter().all(super::Device::is_disabled) {
            return Decision::unchanged(Removal::DevicesDisabled);
        }
        match self.guess_app_code(&cx, code) {
            Guess::Accepted(_) => {}
            Guess::Malformed => return Decision::unchanged(Removal::Malformed),
            Guess::Replayed => {
                return Decision::unchanged(Removal::WrongCode)
                    .with_event(EventKind::CodeRefused { factor: Factor::App, fault: CodeFault::Replayed });
            }
            Guess::Wrong => {
                let (cost, mut events) = self.count_wrong_app_code(code);
                let locked = self.failures.spend(cost, &cx.rules.failures, cx.now);
                events.extend(locked.map(|until| EventKind::Locked { until }));
                let mut decision = Decision::changed(locked.map_or(Removal::WrongCode, Removal::Locked));
                decision.events = events;
                return decision;
            }
        }
        let removed = self.devices.remove(at);
        self.end_flows();
        let notice = contact.email.clone().map(|(to, _)| Outgoing::Notice {
            to,
            notice: Notice::DeviceRemoved,
            device: removed.name,
        });
        let mut decision = Decision::changed(Removal::Removed).with_mail(notice);
        decision.events =
            Vec::from([EventKind::CodeAccepted { factor: Factor::App }, EventKind::DeviceRemoved { device }]);
        decision
    }

    /// Makes a ticket; one that was issued before is dead.
    pub(crate) fn issue_ticket(&mut self, cx: Context<'_>, fresh: Fresh) -> Decision<(Ticket, Timestamp)> {
        let expires_at = cx.now.saturating_add(TICKET_LIFETIME);
        self.ticket = Some(StoredTicket { digest: Digest::of_ticket(&cx, &fresh.ticket), expires_at });
        Decision::changed((fresh.ticket, expires_at)).with_event(EventKind::TicketIssued)
    }

    /// Lets the user ask for another code at once.
    pub(crate) fn lift_pause(&mut self) -> Decision<()> {
        self.issues.lift_pause();
        Decision::changed(())
    }

    /// Ends every open flow: the password was changed, or the user asked for it.
    pub(crate) fn revoke_flows(&mut self) -> Decision<()> {
        if self.flows.is_empty() {
            return Decision::unchanged(());
        }
        self.end_flows();
        Decision::changed(()).with_event(EventKind::LoginsRevoked)
    }
}
