//! What comes from another system: its devices, and its recovery codes.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Account, Context, Decision, Device, Fresh, Progress, RecoverySet, Request};
use crate::device::DeviceId;
use crate::event::{CodeFault, EventKind, Factor};
use crate::login::Refusal;
use crate::moving::{Import, ImportedDevice, LegacyRecoveryCode, NotImported};
use crate::policy::Step;
use crate::recovery::RecoveryCode;
use crate::secret::{Secret, SecretText};
use crate::throttle::Failures;
use crate::user::UserId;

/// How far ahead a last step may lie: more than every clock is off that gave a right code.
const FUTURE: Duration = Duration::from_secs(60 * 60);

/// A guess at hashed recovery codes that was counted as a wrong one, and is to be checked now.
pub(crate) struct Prepaid {
    before: Failures,
    after: Failures,
    /// What was to be guessed.
    pub(crate) hashes: Vec<SecretText>,
}

impl Account {
    /// Takes over what `import` holds, unless the user holds a factor or has held one.
    ///
    /// What others have opened was opened by less than is asked for now, as after a registration.
    pub(crate) fn import(
        &mut self,
        cx: Context<'_>,
        import: &Import,
        by: &UserId,
        checks_hashes: bool,
    ) -> Decision<Result<(), NotImported>> {
        if self.ever_held_factor || !self.devices.is_empty() {
            return Decision::unchanged(Err(NotImported::HeldFactor));
        }
        if !import.hashes.is_empty() && !checks_hashes {
            return Decision::unchanged(Err(NotImported::NoHashChecker));
        }
        let mut devices = Vec::with_capacity(import.devices.len());
        for (id, device) in (self.last_device.saturating_add(1)..).zip(&import.devices) {
            match Device::imported(&cx, DeviceId::new(id), device) {
                Some(device) => devices.push(device),
                None => return Decision::unchanged(Err(NotImported::InFuture)),
            }
        }
        self.last_device = self.last_device.saturating_add(devices.len() as u64);
        self.ever_held_factor = true;
        self.recovery = Some(RecoverySet::of_import(&cx, import)).filter(|set| set.left() > 0);
        self.end_flows();
        let recovery_codes = self.recovery.as_ref().map_or(0, RecoverySet::left);
        let mut decision =
            Decision::changed(Ok(())).with_event(EventKind::FactorsImported { by: by.clone(), recovery_codes });
        decision.events.extend(devices.iter().map(|device| EventKind::DeviceAdded { device: device.id }));
        self.devices = devices;
        decision
    }

    /// Spends a recovery code, of another system or of this library. Where only a hash can tell whether it is right, the
    /// guess is counted as a wrong one first, and what is to be checked comes with it.
    pub(crate) fn guess_legacy_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        code: &LegacyRecoveryCode,
    ) -> Decision<(Progress, Option<Prepaid>)> {
        let mut prepaid = None;
        let Decision { changed, events, mails, value } = self.at_step(rq, Step::RecoveryCode, |account, at| {
            let Some(set) = &account.recovery else { return account.refuse(rq, at, Refusal::WrongCode) };
            let Some(hashes) = &set.imported else {
                return match RecoveryCode::parse(code.expose_secret()) {
                    Ok(code) => {
                        let found = set.find(&rq.cx, &code);
                        account.judge_recovery_code(rq, fresh, at, found)
                    }
                    Err(_) => account.refuse(rq, at, Refusal::Malformed),
                };
            };
            let found = set.find_legacy(&rq.cx, code);
            if found.is_some() || hashes.is_empty() {
                return account.judge_recovery_code(rq, fresh, at, found);
            }
            let (before, hashes) = (account.failures, hashes.iter().map(SecretText::duplicate).collect());
            let decision = account.judge_recovery_code(rq, fresh, at, None);
            prepaid = Some(Prepaid { before, after: account.failures, hashes });
            decision
        });
        Decision { changed, events, mails, value: (value, prepaid) }
    }

    /// Accepts the code of a guess that was checked, and is right: it was no guess. The hash is dropped with it.
    pub(crate) fn accept_checked_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        prepaid: &Prepaid,
        hash: &SecretText,
    ) -> Decision<Progress> {
        self.failures.refund(prepaid.before, prepaid.after);
        if let Some(set) = &mut self.recovery {
            set.failures = set.failures.saturating_sub(1);
        }
        let mut decision = self.at_step(rq, Step::RecoveryCode, |account, at| {
            let hashes = account.recovery.as_mut().and_then(|set| set.imported.as_mut());
            let place = hashes
                .as_ref()
                .and_then(|hashes| hashes.iter().position(|stored| stored.expose_secret() == hash.expose_secret()));
            match hashes.zip(place) {
                Some((hashes, place)) => {
                    hashes.remove(place);
                    account.accept_recovery_code(rq, fresh, at)
                }
                // Another request came first.
                None => account
                    .refuse(rq, at, Refusal::WrongCode)
                    .with_event(EventKind::CodeRefused { factor: Factor::Recovery, fault: CodeFault::Replayed }),
            }
        });
        decision.changed = true;
        decision
    }
}

impl Device {
    /// `None` if it counts from the future.
    fn imported(cx: &Context<'_>, id: DeviceId, device: &ImportedDevice) -> Option<Self> {
        let ImportedDevice { added_at, last_step, name, secret, totp } = device;
        let now = totp.step_at(cx.now)?;
        let last_step = last_step.unwrap_or(now);
        if last_step > totp.step_at(cx.now.saturating_add(FUTURE))? {
            return None;
        }
        Some(Self {
            added_at: added_at.unwrap_or(cx.now).min(cx.now),
            failures: 0,
            id,
            last_step,
            last_used_at: None,
            name: name.clone(),
            secret: Secret::copy_of(secret.expose_secret()),
            totp: *totp,
        })
    }
}
