//! Factors of the host: binding and removing one, and the host's word that one was checked.

use alloc::vec::Vec;

use super::devices::{are_disabled, removal_refused};
use super::flow::{completed, denied, finished};
use super::{Account, Context, Decision, Fresh, OpenFlow, Outgoing, Progress, RemovalRefusal, Request};
use crate::event::{CodeFault, EventKind, Factor};
use crate::login::{ChangeRefused, Contact, DeniedReason, Elevated, ExternalInfo, Purpose, Refusal};
use crate::mailer::Notice;
use crate::policy::{ExternalEvidence, ExternalFactor, Policy, Step};
use crate::throttle::FailureBudget;
use crate::time::Timestamp;
use crate::user::UserId;

/// The most factors of the host that a user can hold.
pub(crate) const MAX_EXTERNAL: usize = 5;

/// A factor of the host that the user holds. The host keeps what it is checked with.
pub(crate) struct HeldFactor {
    pub(crate) added_at: Timestamp,
    pub(crate) factor: ExternalFactor,
    /// Consecutive failed checks. Time does not reset them.
    pub(crate) failures: u32,
    pub(crate) last_used_at: Option<Timestamp>,
}

impl HeldFactor {
    pub(crate) fn is_disabled(&self) -> bool {
        self.failures >= FailureBudget::CONSECUTIVE_CAP
    }
}

impl Account {
    /// Binds a factor of the host in a registration in which a device could be registered now: what has been proved for
    /// the one is enough for the other.
    pub(crate) fn register_external(&mut self, rq: &Request<'_>, checked: &ExternalEvidence) -> Decision<Progress> {
        self.at_step(rq, Step::EnrollApp, |account, at| {
            let factor = checked.factor();
            let Some(flow) = account.flows.get(at) else { return denied(DeniedReason::FlowEnded) };
            if flow.purpose != Purpose::Registration || flow.replaces.is_some() {
                // The policy of a login has asked for a device, and a device makes way for a device.
                return account.refuse(rq, at, Refusal::NotOpen);
            }
            if !is_of_flow(rq, flow, checked) {
                return account.refuse(rq, at, Refusal::NotFresh);
            }
            // Registered anew, it is not disabled any more: that is the way out of it.
            account.external.retain(|held| held.factor != factor);
            if account.external.len() >= MAX_EXTERNAL {
                return account.refuse(rq, at, Refusal::DeviceLimit);
            }
            let mut own = account.flows.swap_remove(at);
            own.evidence.take_external(*checked);
            let notice = Outgoing::notice(&own.contact, Notice::FactorAdded { factor });
            account.bind(rq.cx.now, factor);
            let own = OpenFlow { epoch: account.epoch, ..own };
            Decision::changed(Progress::Finished(finished(&rq.cx, &own, rq.policy, None)))
                .with_event(EventKind::ExternalAdded { factor, by: None })
                .with_event(completed(Purpose::Registration))
                .with_mail(notice)
        })
    }

    /// Binds the first factor of a user for whom an administrator vouches.
    pub(crate) fn register_external_by_admin(
        &mut self,
        cx: &Context<'_>,
        factor: ExternalFactor,
        by: &UserId,
        contact: &Contact,
    ) -> Decision<Result<(), ChangeRefused>> {
        if !self.devices.is_empty() || !self.external.is_empty() {
            return Decision::unchanged(Err(ChangeRefused::HoldsFactor));
        }
        self.bind(cx.now, factor);
        Decision::changed(Ok(()))
            .with_event(EventKind::ExternalAdded { factor, by: Some(by.clone()) })
            .with_mail(Outgoing::notice(contact, Notice::FactorAdded { factor }))
    }

    fn bind(&mut self, now: Timestamp, factor: ExternalFactor) {
        self.external.push(HeldFactor { added_at: now, factor, failures: 0, last_used_at: None });
        self.external.sort_by_key(|held| held.factor);
        self.ever_held_factor = true;
        // What others have opened was opened by less than is asked for now.
        self.end_flows();
    }

    /// Takes the host's word that it has checked a factor, where that is the step to be taken now.
    pub(crate) fn assert_external(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        checked: &ExternalEvidence,
    ) -> Decision<Progress> {
        let factor = checked.factor();
        self.at_step(rq, Step::External(factor), |account, at| {
            let Some(flow) = account.flows.get_mut(at) else { return denied(DeniedReason::FlowEnded) };
            if !is_of_flow(rq, flow, checked) {
                let refused = EventKind::CodeRefused { factor: Factor::External(factor), fault: CodeFault::Expired };
                return account.refuse(rq, at, Refusal::NotFresh).with_event(refused);
            }
            flow.evidence.take_external(*checked);
            if let Some(held) = account.external.iter_mut().find(|held| held.factor == factor) {
                // NIST SP 800-63B-4 section 3.2.2: a success disregards the failures of its authenticator.
                held.failures = 0;
                held.last_used_at = Some(rq.cx.now);
            }
            account.advance_with(rq, fresh, at, EventKind::CodeAccepted { factor: Factor::External(factor) })
        })
    }

    /// Counts a check that has failed, as a wrong code.
    pub(crate) fn external_failed(&mut self, rq: &Request<'_>, factor: ExternalFactor) -> Decision<Progress> {
        self.at_step(rq, Step::External(factor), |account, at| {
            let refused = EventKind::CodeRefused { factor: Factor::External(factor), fault: CodeFault::Wrong };
            let mut events = Vec::from([refused]);
            if let Some(held) = account.external.iter_mut().find(|held| held.factor == factor) {
                held.failures = held.failures.saturating_add(1);
                if held.is_disabled() {
                    events.push(EventKind::ExternalDisabled { factor });
                }
            }
            account.after_wrong_code(rq, at, 1, events)
        })
    }

    /// Removes a factor of the host, on a step-up.
    pub(crate) fn remove_external(
        &mut self,
        cx: &Context<'_>,
        elevated: &Elevated,
        factor: ExternalFactor,
        contact: &Contact,
        policy: &Policy,
    ) -> Decision<Result<u64, RemovalRefusal>> {
        if !self.is_elevated(cx, elevated) {
            return Decision::unchanged(Err(RemovalRefusal::StepUpEnded));
        }
        if !self.external.iter().any(|held| held.factor == factor) {
            return Decision::unchanged(Err(RemovalRefusal::UnknownFactor));
        }
        let event = EventKind::ExternalRemovalRefused { factor };
        if let Err(refused) = policy.allows_removal_of_external(&self.standing(cx.now, contact), factor) {
            return removal_refused(RemovalRefusal::Policy(refused), event);
        }
        let (held, others): (Vec<&HeldFactor>, Vec<_>) = self.external.iter().partition(|held| held.factor == factor);
        if !held.into_iter().all(HeldFactor::is_disabled) && are_disabled(&self.devices, others) {
            return removal_refused(RemovalRefusal::OthersDisabled, event);
        }
        self.external.retain(|held| held.factor != factor);
        self.end_flows();
        Decision::changed(Ok(self.epoch))
            .with_event(EventKind::ExternalRemoved { factor })
            .with_mail(Outgoing::notice(contact, Notice::FactorRemoved { factor }))
    }

    pub(crate) fn external_list(&self) -> Vec<ExternalInfo> {
        let info = |held: &HeldFactor| ExternalInfo {
            factor: held.factor,
            added_at: held.added_at,
            last_used_at: held.last_used_at,
            disabled: held.is_disabled(),
        };
        self.external.iter().map(info).collect()
    }
}

/// Whether the host has made its check in this flow: a check before it was of another one, and one that lies in the
/// future is of none.
fn is_of_flow(rq: &Request<'_>, flow: &OpenFlow, checked: &ExternalEvidence) -> bool {
    (flow.begun_at..=rq.cx.now).contains(&checked.at())
}
