//! What a company allows one user for a time: grace, which begins once, and an exemption.

use super::{Account, Context, Decision, OpenFlow};
use crate::event::EventKind;
use crate::login::{ChangeRefused, Purpose};
use crate::policy::{Exemption, Grace, Policy};
use crate::time::Timestamp;
use crate::user::UserId;

impl Account {
    /// Begins the grace period with a login that it lets through, if none has begun; the deadline is part of the change
    /// that pays for the login. Nothing begins it anew: it outlives devices, policies and resets.
    pub(super) fn begin_grace(&mut self, cx: &Context<'_>, flow: &OpenFlow, policy: &Policy) -> Option<EventKind> {
        if flow.purpose != Purpose::Login {
            return None;
        }
        let policy = Policy::strictest(&flow.policy, [policy]);
        let begun = policy.grace_to_start(&self.standing_in(cx, flow))?;
        self.grace = begun;
        match begun {
            Grace::Started { until, .. } => Some(EventKind::GraceBegun { until }),
            Grace::NotStarted => None,
        }
    }

    /// Exempts the user; an exemption that was granted before is over.
    pub(crate) fn grant_exemption(
        &mut self,
        cx: &Context<'_>,
        exemption: &Exemption,
        by: &UserId,
    ) -> Decision<Result<(), ChangeRefused>> {
        let until = exemption.until();
        if until <= cx.now {
            return Decision::unchanged(Err(ChangeRefused::ExemptionOver));
        }
        self.exemption = Some(exemption.clone());
        Decision::changed(Ok(())).with_event(EventKind::ExemptionGranted { by: by.clone(), until })
    }

    /// Takes the exemption back, if there is one.
    pub(crate) fn withdraw_exemption(&mut self, cx: &Context<'_>, by: &UserId) -> Decision<()> {
        match self.exemption.take_if(|exemption| cx.now < exemption.until()) {
            Some(_) => Decision::changed(()).with_event(EventKind::ExemptionWithdrawn { by: by.clone() }),
            None => Decision::unchanged(()),
        }
    }

    /// Forgets what is over, on the way to a write.
    pub(crate) fn forget_what_is_over(&mut self, now: Timestamp) {
        self.exemption.take_if(|exemption| exemption.until() <= now);
    }
}
