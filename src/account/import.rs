//! Import of another system's devices and recovery codes, and the use of a recovery code of either kind.

use alloc::vec::Vec;
use core::time::Duration;

use super::recovery::Found;
use super::turn::{Turn, Verdict};
use super::{Account, Change, Context, Decision, Device, Fresh, Progress, RecoverySet, Request};
use crate::audit::{CodeFault, EventKind, Factor};
use crate::device::DeviceId;
use crate::flow::Refusal;
use crate::limits::{SharedBudget, Spent, Target};
use crate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
use crate::policy::Step;
use crate::recovery_code::RecoveryCode;
use crate::secret::{Secret, SecretText};
use crate::user::UserId;

/// How far ahead a last step may lie: more than every clock is off that gave a right code.
const FUTURE: Duration = Duration::from_secs(60 * 60);

/// A guess at hashed recovery codes that was counted as a wrong one, and is to be checked now.
pub(crate) struct Prepaid {
    before: SharedBudget,
    after: SharedBudget,
    pub(crate) code: LegacyRecoveryCode,
    /// What was to be guessed.
    pub(crate) hashes: Vec<SecretText>,
}

impl Account {
    /// Takes over what `import` holds, unless the user holds a factor or has held one.
    ///
    /// What others have opened was opened by less than is asked for now, as after a registration.
    pub(crate) fn import(&mut self, cx: &Context<'_>, import: &Import, by: &UserId, checks_hashes: bool) -> Change<()> {
        if self.erased {
            return Decision::unchanged(Err(Refusal::AccountChanged));
        }
        if self.ever_had_factor || !self.devices.is_empty() {
            return Decision::unchanged(Err(Refusal::HasFactor));
        }
        if !import.hashes.is_empty() && !checks_hashes {
            return Decision::unchanged(Err(Refusal::NoHashChecker));
        }
        let mut devices = Vec::with_capacity(import.devices.len());
        for (id, device) in (self.last_device.saturating_add(1)..).zip(&import.devices) {
            match Device::imported(cx, DeviceId::new(id), device) {
                Some(device) => devices.push(device),
                None => return Decision::unchanged(Err(Refusal::ImportInFuture)),
            }
        }
        self.last_device = self.last_device.saturating_add(devices.len() as u64);
        self.ever_had_factor = true;
        self.recovery = Some(RecoverySet::of_import(cx, import)).filter(|set| set.left() > 0);
        self.end_sessions();
        let recovery_codes = self.recovery.as_ref().map_or(0, RecoverySet::left);
        let mut decision =
            Decision::changed(Ok(())).with_event(EventKind::FactorsImported { by: by.clone(), recovery_codes });
        decision.events.extend(devices.iter().map(|device| EventKind::DeviceAdded { device: device.id }));
        self.devices = devices;
        decision
    }

    /// Verifies a recovery code in place of an app code, of this library or of another system, and spends it. If only a
    /// hash can tell whether it is right, the guess is counted as a wrong one first, and what is to be checked comes with
    /// the answer.
    pub(crate) fn verify_recovery_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        typed: &str,
    ) -> Decision<(Progress, Option<Prepaid>)> {
        let (mut guessed, before) = (None, self.shared.recovery);
        let decision = self.at_step(rq, fresh, Step::RecoveryCode, |account, flow| {
            let Some(set) = &account.recovery else { return Turn::refused(Refusal::WrongCode) };
            let Some(hashes) = &set.imported else {
                let Ok(code) = RecoveryCode::parse(typed) else { return Turn::refused(Refusal::Malformed) };
                let found = set.find(&rq.cx, &code);
                return account.judge_recovery_code(&rq.cx, flow, found);
            };
            let Ok(code) = LegacyRecoveryCode::parse(typed) else { return Turn::refused(Refusal::Malformed) };
            if let Some(turn) = account.not_compared(&rq.cx, flow, Target::Recovery, 1) {
                return turn;
            }
            let found = set.find_imported(&rq.cx, &code);
            if found == Found::Guess && !hashes.is_empty() {
                guessed = Some((code, hashes.iter().map(SecretText::duplicate).collect()));
            }
            account.judge_recovery_code(&rq.cx, flow, found)
        });
        let after = self.shared.recovery;
        let prepaid = guessed.map(|(code, hashes)| Prepaid { before, after, code, hashes });
        decision.map(|progress| (progress, prepaid))
    }

    /// Accepts the code of a guess that was checked, and is right: it was no guess. The hash is dropped with it, and so are
    /// the `notices` that its payment owed.
    pub(crate) fn accept_checked_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        prepaid: &Prepaid,
        hash: &SecretText,
        notices: &[u64],
    ) -> Decision<Progress> {
        if self.shared.recovery == prepaid.after {
            self.owed.notices.retain(|owed| !notices.contains(&owed.number));
        }
        self.shared.recovery.refund(prepaid.before, prepaid.after);
        if let Some(set) = &mut self.recovery {
            set.failures = set.failures.saturating_sub(1);
        }
        let decision = self.at_step(rq, fresh, Step::RecoveryCode, |account, flow| {
            let hashes = account.recovery.as_mut().and_then(|set| set.imported.as_mut());
            let place = hashes
                .as_ref()
                .and_then(|hashes| hashes.iter().position(|stored| stored.expose_secret() == hash.expose_secret()));
            match hashes.zip(place) {
                Some((hashes, place)) => {
                    hashes.remove(place);
                    let Spent { codes, units } = flow.spent.recovery;
                    flow.spent.recovery = Spent { codes: codes.saturating_sub(1), units: units.saturating_sub(1) };
                    account.accept_recovery_code(&rq.cx, flow)
                }
                // Another request came first.
                None => {
                    let refused = EventKind::CodeRefused { factor: Factor::Recovery, fault: CodeFault::Replayed };
                    Turn::new(Verdict::Refused(Refusal::WrongCode), [refused])
                }
            }
        });
        Decision { changed: true, ..decision }
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
