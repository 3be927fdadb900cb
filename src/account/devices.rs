//! Renaming and removing a device.

use alloc::vec::Vec;

use super::external::are_disabled;
use super::{Account, Change, Context, Decision, Device, OutgoingNotice};
use crate::audit::EventKind;
use crate::device::{DeviceId, DeviceName};
use crate::flow::{Elevated, Refusal, Session, SessionClaims};
use crate::mail::Notice;
use crate::time::Timestamp;

impl Account {
    /// Whether a device could be removed now: without it the user must still be able to sign in.
    pub(crate) fn can_remove(&self, now: Timestamp, session: &Session, device: DeviceId) -> Result<(), Refusal> {
        let held = self.devices.iter().find(|held| held.id == device).ok_or(Refusal::Unknown)?;
        let others: Vec<&Device> = self.devices.iter().filter(|held| held.id != device).collect();
        if others.is_empty() {
            let standing = self.standing(now, session.contact.standing());
            session.policy.allows_removal_of_last_device(&standing).map_err(|_| Refusal::LastFactor)?;
        }
        // A disabled device is asked for, and accepts no code: with nothing beside it nobody gets in. One that is disabled
        // itself is no loss.
        match !held.is_disabled() && are_disabled(others, &self.external) {
            true => Err(Refusal::LastFactor),
            false => Ok(()),
        }
    }

    /// Removes a device, and ends every other session.
    pub(crate) fn remove_device(
        &mut self,
        cx: &Context<'_>,
        elevated: &Elevated,
        device: DeviceId,
    ) -> Change<SessionClaims> {
        if let Err(refusal) = self.check_elevated(cx, elevated) {
            return Decision::unchanged(Err(refusal));
        }
        let session = elevated.session();
        let removed = match self.can_remove(cx.now, session, device) {
            Ok(()) => self.devices.iter().position(|held| held.id == device).map(|at| self.devices.remove(at)),
            Err(Refusal::LastFactor) => {
                let event = EventKind::DeviceRemovalRefused { device };
                return Decision::unchanged(Err(Refusal::LastFactor)).with_event(event);
            }
            Err(refusal) => return Decision::unchanged(Err(refusal)),
        };
        let Some(removed) = removed else { return Decision::unchanged(Err(Refusal::Unknown)) };
        self.end_sessions();
        if self.devices.is_empty() {
            // Recovery codes replace a device, and there is none.
            self.recovery = None;
        }
        Decision::changed(Ok(self.continued(elevated)))
            .with_event(EventKind::DeviceRemoved { device })
            .with_notice(OutgoingNotice::of_device(&session.contact, Notice::DeviceRemoved, &removed.name))
    }

    /// Renames a device: by a familiar name a user could be made to remove the wrong one.
    pub(crate) fn rename_device(
        &mut self,
        cx: &Context<'_>,
        elevated: &Elevated,
        device: DeviceId,
        name: &DeviceName,
    ) -> Change<()> {
        if let Err(refusal) = self.check_elevated(cx, elevated) {
            return Decision::unchanged(Err(refusal));
        }
        match self.devices.iter_mut().find(|held| held.id == device) {
            Some(held) => {
                held.name = name.clone();
                Decision::changed(Ok(())).with_event(EventKind::DeviceRenamed { device })
            }
            None => Decision::unchanged(Err(Refusal::Unknown)),
        }
    }
}
