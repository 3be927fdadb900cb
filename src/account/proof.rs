//! The fresh proof that a change from the profile takes, and the changes that need no more.

use alloc::vec::Vec;

use super::{Account, Context, Decision};
use crate::account::verify::Guess;
use crate::code::Code;
use crate::device::{DeviceId, DeviceName};
use crate::event::{CodeFault, EventKind, Factor};
use crate::login::ChangeRefused;
use crate::time::Timestamp;

/// Why a change was not proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unproved {
    DevicesDisabled,
    Locked(Timestamp),
    Malformed,
    WrongCode,
}

impl From<Unproved> for ChangeRefused {
    fn from(unproved: Unproved) -> Self {
        match unproved {
            Unproved::DevicesDisabled => Self::DevicesDisabled,
            Unproved::Locked(until) => Self::Locked { until },
            Unproved::Malformed => Self::Malformed,
            Unproved::WrongCode => Self::WrongCode,
        }
    }
}

impl Account {
    /// Makes a change on a fresh code of any device that the user holds (OWASP ASVS 5.0, 7.5.1). A wrong one is
    /// counted as at a login, and a right one is spent.
    pub(super) fn with_fresh_code<T, E: From<Unproved>>(
        &mut self,
        cx: &Context<'_>,
        code: &Code,
        change: impl FnOnce(&mut Self) -> Decision<Result<T, E>>,
    ) -> Decision<Result<T, E>> {
        let refused = |unproved| Err(E::from(unproved));
        if let Some(until) = self.failures.locked(cx.now) {
            return Decision::unchanged(refused(Unproved::Locked(until)))
                .with_event(EventKind::RefusedWhileLocked { until });
        }
        if self.devices.iter().all(super::Device::is_disabled) {
            return Decision::unchanged(refused(Unproved::DevicesDisabled));
        }
        match self.guess_app_code(cx, code, None) {
            Guess::Accepted(_) => {}
            Guess::Malformed => return Decision::unchanged(refused(Unproved::Malformed)),
            Guess::Replayed => {
                return Decision::unchanged(refused(Unproved::WrongCode))
                    .with_event(EventKind::CodeRefused { factor: Factor::App, fault: CodeFault::Replayed });
            }
            Guess::Wrong => {
                let (cost, mut events) = self.count_wrong_app_code(code, None);
                let locked = self.failures.spend(cost, &cx.rules.failures, cx.now);
                events.extend(locked.map(|until| EventKind::Locked { until }));
                let mut decision = Decision::changed(refused(locked.map_or(Unproved::WrongCode, Unproved::Locked)));
                decision.events = events;
                return decision;
            }
        }
        let mut decision = change(self);
        // The code is spent, whatever the change came to.
        decision.changed = true;
        decision.events.splice(0..0, Vec::from([EventKind::CodeAccepted { factor: Factor::App }]));
        decision
    }

    /// Gives a device another name, on a fresh code: by a familiar name a user could be made to remove the wrong one.
    pub(crate) fn rename_device(
        &mut self,
        cx: Context<'_>,
        device: DeviceId,
        name: &DeviceName,
        code: &Code,
    ) -> Decision<Result<(), ChangeRefused>> {
        let Some(at) = self.devices.iter().position(|held| held.id == device) else {
            return Decision::unchanged(Err(ChangeRefused::UnknownDevice));
        };
        self.with_fresh_code(&cx, code, |account| {
            if let Some(held) = account.devices.get_mut(at) {
                held.name = name.clone();
            }
            Decision::changed(Ok(())).with_event(EventKind::DeviceRenamed { device })
        })
    }
}
