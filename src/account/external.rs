//! External factors: registering and removing one, and the host's word that one was verified.

use alloc::vec::Vec;

use super::turn::{Turn, Verdict};
use super::{Account, Change, Context, Decision, Device, Fresh, OpenFlow, OutgoingNotice, Progress, Request};
use crate::audit::{CodeFault, EventKind, Factor};
use crate::flow::{Contact, Elevated, Purpose, Refusal, SessionClaims};
use crate::limits::{Guessing, Target};
use crate::mail::Notice;
use crate::policy::{ExternalEvidence, ExternalFactor, Step};
use crate::time::Timestamp;
use crate::user::UserId;

/// The most external factors that a user can have.
pub(crate) const MAX_EXTERNAL: usize = ExternalFactor::MAX_PER_USER;

/// An external factor that the user has registered. The host keeps what it is verified with.
pub(crate) struct RegisteredFactor {
    pub(crate) added_at: Timestamp,
    pub(crate) factor: ExternalFactor,
    /// Consecutive failed checks. Time does not reset them.
    pub(crate) failures: u32,
    pub(crate) last_used_at: Option<Timestamp>,
}

impl RegisteredFactor {
    pub(crate) fn is_disabled(&self) -> bool {
        self.failures >= Guessing::CONSECUTIVE_CAP
    }
}

impl Account {
    /// Takes the host's word on an external factor: that it was verified, that it was registered, or that it failed.
    pub(crate) fn external(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        checked: Result<&ExternalEvidence, ExternalFactor>,
    ) -> Decision<Progress> {
        let factor = checked.map_or_else(|factor| factor, ExternalEvidence::factor);
        let taken = match self.take(rq) {
            Ok(taken) => taken,
            Err(decision) => return *decision,
        };
        // In a registration, a factor is registered where a device could be: what was proved for the one is enough for the
        // other.
        let registers = rq.purpose == Purpose::Registration && taken.is_next(Step::EnrollApp);
        let step = if registers { Step::EnrollApp } else { Step::External(factor) };
        self.in_step(rq, fresh, taken, step, |account, flow| match checked {
            Ok(checked) if registers => account.register_external(&rq.cx, flow, checked),
            Ok(checked) => account.assert_external(&rq.cx, flow, checked),
            Err(_) if registers => Turn::refused(Refusal::NotOpen),
            Err(_) => account.external_failed(&rq.cx, flow, factor),
        })
    }

    fn register_external(&mut self, cx: &Context<'_>, flow: &mut OpenFlow, checked: &ExternalEvidence) -> Turn {
        let factor = checked.factor();
        if flow.replaces.is_some() {
            // A device is replaced by a device.
            return Turn::refused(Refusal::NotOpen);
        }
        if !is_of_flow(cx, flow, checked) {
            return Turn::refused(Refusal::NotFresh);
        }
        if self.external.iter().filter(|held| held.factor != factor).count() >= MAX_EXTERNAL {
            return Turn::refused(Refusal::DeviceLimit);
        }
        flow.evidence.take_external(*checked);
        flow.prove(Target::External);
        self.bind(cx.now, factor);
        flow.epoch = self.epoch;
        Turn::new(Verdict::Complete, [EventKind::ExternalAdded { factor, by: None }])
            .with_notice(OutgoingNotice::new(&flow.contact, Notice::FactorAdded { factor }))
    }

    fn assert_external(&mut self, cx: &Context<'_>, flow: &mut OpenFlow, checked: &ExternalEvidence) -> Turn {
        let factor = checked.factor();
        if !is_of_flow(cx, flow, checked) {
            let refused = EventKind::CodeRefused { factor: Factor::External(factor), fault: CodeFault::Expired };
            return Turn::new(Verdict::Refused(Refusal::NotFresh), [refused]);
        }
        if let Some(turn) = self.not_compared(cx, flow, Target::External, 1) {
            return turn;
        }
        flow.evidence.take_external(*checked);
        flow.prove(Target::External);
        if let Some(held) = self.external.iter_mut().find(|held| held.factor == factor) {
            // NIST SP 800-63B-4 section 3.2.2: a success disregards the failures of its authenticator.
            held.failures = 0;
            held.last_used_at = Some(cx.now);
        }
        Turn::new(Verdict::Proved, [EventKind::CodeAccepted { factor: Factor::External(factor) }])
    }

    /// Counts a check that has failed, as a wrong code.
    fn external_failed(&mut self, cx: &Context<'_>, flow: &OpenFlow, factor: ExternalFactor) -> Turn {
        if let Some(turn) = self.not_compared(cx, flow, Target::External, 1) {
            return turn;
        }
        let refused = EventKind::CodeRefused { factor: Factor::External(factor), fault: CodeFault::Wrong };
        let held = self.external.iter_mut().find(|held| held.factor == factor);
        let disabled = held.and_then(|held| {
            held.failures = held.failures.saturating_add(1);
            held.is_disabled().then_some(EventKind::ExternalDisabled { factor })
        });
        Turn::new(Verdict::Wrong { target: Target::External, cost: 1 }, [refused].into_iter().chain(disabled))
    }

    /// Registers the first factor of a user for whom an administrator vouches.
    pub(crate) fn register_external_by(
        &mut self,
        cx: &Context<'_>,
        factor: ExternalFactor,
        by: &UserId,
        contact: &Contact,
    ) -> Change<()> {
        if self.erased {
            return Decision::unchanged(Err(Refusal::AccountChanged));
        }
        if !self.devices.is_empty() || !self.external.is_empty() {
            return Decision::unchanged(Err(Refusal::HasFactor));
        }
        self.bind(cx.now, factor);
        Decision::changed(Ok(()))
            .with_event(EventKind::ExternalAdded { factor, by: Some(by.clone()) })
            .with_notice(OutgoingNotice::new(contact, Notice::FactorAdded { factor }))
    }

    fn bind(&mut self, now: Timestamp, factor: ExternalFactor) {
        // A factor that is registered again is no longer disabled: that is the way out of it.
        self.external.retain(|held| held.factor != factor);
        self.external.push(RegisteredFactor { added_at: now, factor, failures: 0, last_used_at: None });
        self.external.sort_by_key(|held| held.factor);
        self.ever_had_factor = true;
        // What others have opened was opened by less than is asked for now.
        self.end_sessions();
    }

    /// Removes an external factor.
    pub(crate) fn remove_external(
        &mut self,
        cx: &Context<'_>,
        elevated: &Elevated,
        factor: ExternalFactor,
    ) -> Change<SessionClaims> {
        if let Err(refusal) = self.check_elevated(cx, elevated) {
            return Decision::unchanged(Err(refusal));
        }
        if !self.external.iter().any(|held| held.factor == factor) {
            return Decision::unchanged(Err(Refusal::Unknown));
        }
        let session = elevated.session();
        let allowed =
            session.policy.allows_removal_of_external(&self.standing(cx.now, session.contact.standing()), factor);
        let (held, others): (Vec<_>, Vec<_>) = self.external.iter().partition(|held| held.factor == factor);
        let strands = !held.into_iter().all(RegisteredFactor::is_disabled) && are_disabled(&self.devices, others);
        if allowed.is_err() || strands {
            return Decision::unchanged(Err(Refusal::LastFactor))
                .with_event(EventKind::ExternalRemovalRefused { factor });
        }
        self.external.retain(|held| held.factor != factor);
        self.end_sessions();
        Decision::changed(Ok(self.continued(elevated)))
            .with_event(EventKind::ExternalRemoved { factor })
            .with_notice(OutgoingNotice::new(&session.contact, Notice::FactorRemoved { factor }))
    }
}

/// Whether the host has made its check in this flow: a check before it was of another one, and one that lies in the
/// future is of none.
fn is_of_flow(cx: &Context<'_>, flow: &OpenFlow, checked: &ExternalEvidence) -> bool {
    (flow.begun_at..=cx.now).contains(&checked.at())
}

/// Whether every factor that would be asked for is disabled: the devices, or without one the external factors.
pub(super) fn are_disabled<'a>(
    devices: impl IntoIterator<Item = &'a Device>,
    external: impl IntoIterator<Item = &'a RegisteredFactor>,
) -> bool {
    let devices: Vec<bool> = devices.into_iter().map(Device::is_disabled).collect();
    let asked =
        if devices.is_empty() { external.into_iter().map(RegisteredFactor::is_disabled).collect() } else { devices };
    !asked.is_empty() && asked.into_iter().all(|disabled| disabled)
}
