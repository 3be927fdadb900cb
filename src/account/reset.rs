//! What an administrator does for a user who has nothing left to prove.

use alloc::vec::Vec;

use super::{Account, Context, Decision, Digest, Fresh, Outgoing, StoredTicket, TICKET_LIFETIME};
use crate::event::EventKind;
use crate::login::Contact;
use crate::mailer::Notice;
use crate::ticket::Ticket;
use crate::time::Timestamp;
use crate::user::UserId;

impl Account {
    /// Makes a ticket; one that was issued before is dead.
    pub(crate) fn issue_ticket(&mut self, cx: Context<'_>, fresh: Fresh, by: &UserId) -> Decision<(Ticket, Timestamp)> {
        let expires_at = cx.now.saturating_add(TICKET_LIFETIME);
        self.ticket = Some(StoredTicket { digest: Digest::of_ticket(&cx, &fresh.ticket), expires_at });
        Decision::changed((fresh.ticket, expires_at)).with_event(EventKind::TicketIssued { by: by.clone() })
    }

    /// Takes all factors from the user, with what was counted against them, and makes a ticket.
    ///
    /// That the user once held a factor is kept: whatever the policy, a password alone registers none after this. So is
    /// the grace period, which does not begin anew, and an exemption, which does nothing for who once held a factor.
    /// What was counted against the codes by mail goes as well, for the administrator has vouched for the address.
    pub(crate) fn reset(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        by: &UserId,
        contact: &Contact,
    ) -> Decision<(Ticket, Timestamp)> {
        let removed: Vec<_> =
            self.devices.drain(..).map(|device| EventKind::DeviceRemoved { device: device.id }).collect();
        let factors = self.external.drain(..).map(|held| EventKind::ExternalRemoved { factor: held.factor });
        let removed: Vec<_> = removed.into_iter().chain(factors).collect();
        self.recovery = None;
        self.email_failures = 0;
        self.failures.restore();
        self.end_flows();
        let mut decision = self.issue_ticket(cx, fresh, by);
        decision.events.insert(0, EventKind::FactorsReset { by: by.clone() });
        decision.events.splice(1..1, removed);
        decision.with_mail(Outgoing::notice(contact, Notice::FactorsReset))
    }
}
