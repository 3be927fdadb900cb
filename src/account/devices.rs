//! Removing a device, and ending what is open.

use super::{Account, Context, Decision, Outgoing, Unproved};
use crate::code::Code;
use crate::device::DeviceId;
use crate::event::EventKind;
use crate::login::{Contact, SignedIn};
use crate::mailer::Notice;
use crate::policy::{Policy, RemovalRefused};
use crate::time::Timestamp;

/// Why a device was not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemovalRefusal {
    OthersDisabled,
    Policy(RemovalRefused),
    SessionEnded,
    StepUpEnded,
    UnknownDevice,
    Unproved(Unproved),
}

impl From<Unproved> for RemovalRefusal {
    fn from(unproved: Unproved) -> Self {
        Self::Unproved(unproved)
    }
}

impl Account {
    /// Whether a device could go now, on a fresh code.
    pub(crate) fn can_remove(
        &self,
        now: Timestamp,
        device: DeviceId,
        contact: &Contact,
        policy: &Policy,
    ) -> Result<(), RemovalRefusal> {
        if !self.devices.iter().any(|held| held.id == device) {
            return Err(RemovalRefusal::UnknownDevice);
        }
        let others = || self.devices.iter().filter(|held| held.id != device);
        if others().next().is_none() {
            policy.allows_removal_of_last_device(&self.standing(now, contact)).map_err(RemovalRefusal::Policy)?;
        }
        if let Some(until) = self.failures.locked(now) {
            return Err(Unproved::Locked(until).into());
        }
        if self.devices.iter().all(super::Device::is_disabled) {
            return Err(Unproved::DevicesDisabled.into());
        }
        // A disabled device is asked for, and takes no code: with nothing beside it nobody gets in.
        match others().next().is_some() && others().all(super::Device::is_disabled) {
            true => Err(RemovalRefusal::OthersDisabled),
            false => Ok(()),
        }
    }

    /// Removes a device, on a fresh code of any device that the user holds. The removal that the policy forbids
    /// is refused before the code is looked at.
    pub(crate) fn remove_device(
        &mut self,
        cx: Context<'_>,
        session: &SignedIn,
        device: DeviceId,
        code: &Code,
        contact: &Contact,
        policy: &Policy,
    ) -> Decision<Result<u64, RemovalRefusal>> {
        if !self.is_current(session) {
            return Decision::unchanged(Err(RemovalRefusal::SessionEnded));
        }
        match self.can_remove(cx.now, device, contact, policy) {
            // What else stands in the way is what the code is asked for.
            Ok(()) | Err(RemovalRefusal::Unproved(_)) => {
                self.with_fresh_code(&cx, code, |account| account.take_out(device, contact))
            }
            Err(refusal) => removal_refused(refusal, device),
        }
    }

    /// Removes a device, the removal being proved; gives the epoch that begins with it.
    pub(super) fn take_out(&mut self, device: DeviceId, contact: &Contact) -> Decision<Result<u64, RemovalRefusal>> {
        let Some(at) = self.devices.iter().position(|held| held.id == device) else {
            return Decision::unchanged(Err(RemovalRefusal::UnknownDevice));
        };
        let removed = self.devices.remove(at);
        self.end_flows();
        if self.devices.is_empty() {
            // Recovery codes stand in for a device, and there is none.
            self.recovery = None;
        }
        Decision::changed(Ok(self.epoch))
            .with_event(EventKind::DeviceRemoved { device })
            .with_mail(Outgoing::device_notice(contact, Notice::DeviceRemoved, removed.name))
    }

    /// Lets the user ask for another code at once.
    pub(crate) fn lift_pause(&mut self) -> Decision<()> {
        self.issues.lift_pause();
        Decision::changed(())
    }

    /// Ends every open flow and every session, of which the record keeps no list: the password was changed, or the
    /// user asked for it.
    pub(crate) fn revoke_flows(&mut self) -> Decision<()> {
        self.end_flows();
        Decision::changed(()).with_event(EventKind::LoginsRevoked)
    }
}

/// The answer to a removal that cannot be.
pub(super) fn removal_refused(refusal: RemovalRefusal, device: DeviceId) -> Decision<Result<u64, RemovalRefusal>> {
    let decision = Decision::unchanged(Err(refusal));
    match refusal {
        RemovalRefusal::OthersDisabled | RemovalRefusal::Policy(_) => {
            decision.with_event(EventKind::DeviceRemovalRefused { device })
        }
        RemovalRefusal::Unproved(Unproved::Locked(until)) => {
            decision.with_event(EventKind::RefusedWhileLocked { until })
        }
        _ => decision,
    }
}
