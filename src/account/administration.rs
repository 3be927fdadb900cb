//! What an administrator, or the host itself, does for a user.

use alloc::vec::Vec;

use super::{
    Account, Change, Context, Decision, Digest, Fresh, OutgoingNotice, STALE_ROW_LIFETIME, StoredTicket,
    TICKET_LIFETIME,
};
use crate::audit::{EventKind, SessionsEnd};
use crate::flow::{Contact, Refusal, RowDigest, UserRow};
use crate::mail::Notice;
use crate::policy::Exemption;
use crate::ticket::Ticket;
use crate::time::Timestamp;
use crate::user::UserId;

impl Account {
    /// Issues a ticket; one that was issued before is dead.
    pub(crate) fn issue_ticket(
        &mut self,
        cx: &Context<'_>,
        fresh: Fresh,
        by: &UserId,
    ) -> Decision<(Ticket, Timestamp)> {
        let expires_at = cx.now.saturating_add(TICKET_LIFETIME);
        if self.erased {
            // Nothing can be opened for this user, and nothing is stored of them: the ticket is worthless.
            return Decision::unchanged((fresh.ticket, expires_at));
        }
        self.ticket = Some(StoredTicket { digest: Digest::of_ticket(cx, &fresh.ticket), expires_at });
        Decision::changed((fresh.ticket, expires_at)).with_event(EventKind::TicketIssued { by: by.clone() })
    }

    /// Removes every factor of the user, with what was counted against them, and issues a ticket.
    ///
    /// That the user once had a factor is kept: whatever the policy, a password alone registers none after this. So is the
    /// grace period, which does not begin again, and an exemption, which does not apply to users who ever had a factor.
    /// What was counted against e-mail codes goes as well, because the administrator has vouched for the address.
    pub(crate) fn reset(
        &mut self,
        cx: &Context<'_>,
        fresh: Fresh,
        by: &UserId,
        contact: &Contact,
    ) -> Decision<(Ticket, Timestamp)> {
        if self.erased {
            return self.issue_ticket(cx, fresh, by);
        }
        let devices = self.devices.drain(..).map(|device| EventKind::DeviceRemoved { device: device.id });
        let mut removed: Vec<_> = [EventKind::FactorsReset { by: by.clone() }].into_iter().chain(devices).collect();
        removed.extend(self.external.drain(..).map(|held| EventKind::ExternalRemoved { factor: held.factor }));
        self.recovery = None;
        self.email_failures = 0;
        removed.extend(self.restore_guesses(Some(by)));
        self.browsers.known.clear();
        self.end_sessions();
        self.issue_ticket(cx, fresh, by).after(removed).with_notice(OutgoingNotice::new(contact, Notice::FactorsReset))
    }

    /// Exempts the user; an exemption that was granted before ends.
    pub(crate) fn exempt(&mut self, cx: &Context<'_>, exemption: Option<&Exemption>, by: &UserId) -> Change<()> {
        let Some(exemption) = exemption else {
            return match self.exemption.take_if(|exemption| cx.now < exemption.until()) {
                Some(_) => Decision::changed(Ok(())).with_event(EventKind::ExemptionWithdrawn { by: by.clone() }),
                None => Decision::unchanged(Ok(())),
            };
        };
        if self.erased {
            return Decision::unchanged(Err(Refusal::AccountChanged));
        }
        let until = exemption.until();
        if until <= cx.now {
            return Decision::unchanged(Err(Refusal::ExemptionOver));
        }
        self.exemption = Some(exemption.clone());
        Decision::changed(Ok(())).with_event(EventKind::ExemptionGranted { by: by.clone(), until })
    }

    /// The row of the user has changed: whatever rests on the row before ends.
    pub(crate) fn account_changed(&mut self, cx: &Context<'_>, row: &UserRow, cause: SessionsEnd) -> Decision<()> {
        let granted = self.grant(cx, row.contact());
        self.row_changed(cx, RowDigest::of(cx.keys.current(), row), cause).following(granted)
    }

    /// The row has changed, whatever that means for guesses.
    pub(super) fn row_changed(&mut self, cx: &Context<'_>, row: RowDigest, cause: SessionsEnd) -> Decision<()> {
        self.replace_row(cx, row);
        self.end_sessions();
        Decision::changed(()).with_event(EventKind::SessionsEnded { cause })
    }

    /// Restores the guesses of unknown browsers, at the word of an administrator who knows the user.
    pub(crate) fn unblock(&mut self, by: &UserId, contact: &Contact) -> Decision<()> {
        let Some(restored) = self.restore_guesses(Some(by)) else { return Decision::unchanged(()) };
        Decision::changed(()).with_event(restored).with_notice(OutgoingNotice::new(contact, Notice::Unblocked))
    }

    /// Takes `row` as the one that is valid now, and refuses the one before for a while.
    pub(super) fn replace_row(&mut self, cx: &Context<'_>, row: RowDigest) {
        if self.erased {
            return;
        }
        if let Some(stale) = self.row.replace(row).filter(|stale| !stale.is(&row)) {
            self.stale_row = Some((stale, cx.now.saturating_add(STALE_ROW_LIFETIME)));
        }
    }

    /// Ends every session and every open flow.
    pub(crate) fn end_all(&mut self, cause: SessionsEnd) -> Decision<()> {
        self.end_sessions();
        Decision::changed(()).with_event(EventKind::SessionsEnded { cause })
    }

    /// Erases everything but a tombstone, which keeps old sessions invalid.
    pub(crate) fn erase(&mut self, by: Option<&UserId>) -> Decision<()> {
        if self.erased {
            return Decision::unchanged(());
        }
        let epoch = self.epoch.saturating_add(1);
        // The number of the last event stays, so that a log shows no gap.
        let last = core::mem::take(&mut self.tail).last;
        *self = Self { epoch, erased: true, ..Self::default() };
        self.tail.last = last;
        Decision::changed(()).with_event(EventKind::UserErased { by: by.cloned() })
    }

    /// Forgets the tombstone; whether there was one.
    pub(crate) fn forget_tombstone(&mut self) -> Decision<bool> {
        if !self.erased {
            return Decision::unchanged(false);
        }
        *self = Self::default();
        Decision::changed(true)
    }
}
