//! Removing a device, and ending what is open.

use alloc::vec::Vec;

use super::{Account, Context, Decision, Device, HeldFactor, Outgoing, Unproved};
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
    UnknownFactor,
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
        let removable = self.can_spare(now, device, contact, policy);
        match removable {
            Ok(()) | Err(RemovalRefusal::OthersDisabled) if self.devices.iter().all(Device::is_disabled) => {
                Err(Unproved::DevicesDisabled.into())
            }
            removable => removable,
        }
    }

    /// Whether a device could go now, on whatever proof.
    pub(super) fn can_spare(
        &self,
        now: Timestamp,
        device: DeviceId,
        contact: &Contact,
        policy: &Policy,
    ) -> Result<(), RemovalRefusal> {
        let held = self.devices.iter().find(|held| held.id == device).ok_or(RemovalRefusal::UnknownDevice)?;
        let others: Vec<&Device> = self.devices.iter().filter(|held| held.id != device).collect();
        if others.is_empty() {
            policy.allows_removal_of_last_device(&self.standing(now, contact)).map_err(RemovalRefusal::Policy)?;
        }
        if let Some(until) = self.failures.locked(now) {
            return Err(Unproved::Locked(until).into());
        }
        // A disabled device is asked for, and takes no code: with nothing beside it nobody gets in. One that is disabled
        // itself is no loss.
        match !held.is_disabled() && are_disabled(others, &self.external) {
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
            Err(refusal) => removal_refused(refusal, EventKind::DeviceRemovalRefused { device }),
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
            .with_mail(Outgoing::device_notice(contact, Notice::DeviceRemoved, &removed.name))
    }

    /// Lets the user ask for another code at once.
    pub(crate) fn lift_pause(&mut self) -> Decision<()> {
        self.issues.lift_pause();
        Decision::changed(())
    }

    /// Ends every open flow and every session, of which the record keeps no list: the password was changed, or the
    /// user asked for it. Gives the epoch that begins with it.
    pub(crate) fn revoke_flows(&mut self) -> Decision<u64> {
        self.end_flows();
        Decision::changed(self.epoch).with_event(EventKind::LoginsRevoked)
    }
}

/// Whether what would be asked for of these is disabled, all of it: the devices, and without one the factors of the
/// host.
pub(super) fn are_disabled<'a>(
    devices: impl IntoIterator<Item = &'a Device>,
    external: impl IntoIterator<Item = &'a HeldFactor>,
) -> bool {
    let devices: Vec<bool> = devices.into_iter().map(Device::is_disabled).collect();
    let asked = if devices.is_empty() { external.into_iter().map(HeldFactor::is_disabled).collect() } else { devices };
    !asked.is_empty() && asked.into_iter().all(|disabled| disabled)
}

/// The answer to a removal that cannot be.
pub(super) fn removal_refused(refusal: RemovalRefusal, event: EventKind) -> Decision<Result<u64, RemovalRefusal>> {
    let decision = Decision::unchanged(Err(refusal));
    match refusal {
        RemovalRefusal::OthersDisabled | RemovalRefusal::Policy(_) => decision.with_event(event),
        RemovalRefusal::Unproved(Unproved::Locked(until)) => {
            decision.with_event(EventKind::RefusedWhileLocked { until })
        }
        _ => decision,
    }
}
