//! Copies of the facts that may be seen of an account.

use alloc::vec::Vec;

use super::{Account, Context, Device};
use crate::audit::Event;
use crate::device::DeviceInfo;
use crate::flow::{ExternalInfo, UserStatus};
use crate::limits::Target;

impl Account {
    pub(crate) fn status(&self, cx: &Context<'_>) -> UserStatus {
        let now = cx.now;
        let info = |device: &Device| DeviceInfo {
            id: device.id,
            name: device.name.clone(),
            added_at: device.added_at,
            last_used_at: device.last_used_at,
            disabled: device.is_disabled(),
        };
        let open = |flow: &&super::OpenFlow| flow.is_open(self.epoch, now);
        UserStatus {
            devices: self.devices.iter().map(info).collect(),
            browsers: self.browser_list(now),
            external: self.external_list(),
            recovery_codes: self.recovery_codes_left(),
            locked_until: Target::ALL.iter().filter_map(|t| self.shared.of(*t).locked(&cx.rules.guessing, now)).max(),
            new_browsers_blocked_until: Target::ALL
                .iter()
                .map(|target| self.shared.of(*target))
                .filter(|budget| budget.left(&cx.rules.guessing, now) == 0)
                .map(|budget| budget.regained_at(&cx.rules.guessing, now))
                .max(),
            ticket_until: self.ticket.as_ref().filter(|ticket| ticket.is_valid(now)).map(|ticket| ticket.expires_at),
            ever_had_factor: self.ever_had_factor,
            exemption: self.exemption.clone().filter(|exemption| now < exemption.until()),
            grace: self.grace,
            open_flows: self.flows.iter().filter(open).count(),
            has_short_secret: self.devices.iter().any(|device| device.secret.is_short()),
            owed_notices: self.owed.notices.len(),
            erased: self.erased,
            recent: self.recent(cx),
            standing: self.standing(now, None),
            email_disabled: self.is_email_disabled(),
        }
    }

    fn external_list(&self) -> Vec<ExternalInfo> {
        let info = |held: &super::RegisteredFactor| ExternalInfo {
            factor: held.factor,
            added_at: held.added_at,
            last_used_at: held.last_used_at,
            disabled: held.is_disabled(),
        };
        self.external.iter().map(info).collect()
    }

    /// The last events, the newest first.
    fn recent(&self, cx: &Context<'_>) -> Vec<Event> {
        let numbered = (0..).zip(self.tail.events.iter().rev());
        let event = |(back, (at, kind)): (u64, &(_, crate::audit::EventKind))| Event {
            seq: Some(self.tail.last.saturating_sub(back)),
            user: cx.user.clone(),
            at: *at,
            kind: kind.clone(),
        };
        numbered.map(event).collect()
    }
}
