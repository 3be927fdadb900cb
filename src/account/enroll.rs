//! Registering a device: pending until a code confirms it, and until then nothing.

use super::{
    ATTEMPTS_PER_ENROLLMENT, Account, Context, Decision, Device, FLOW_LIFETIME, Fresh, OpenFlow, Outgoing, Pending,
    Progress, Request,
};
use crate::account::flow::denied;
use crate::code::Code;
use crate::device::{DeviceId, DeviceName};
use crate::event::{CodeFault, EventKind, Factor};
use crate::login::{DeniedReason, Refusal};
use crate::mailer::Notice;
use crate::otp::{Algorithm, Verdict};
use crate::policy::{Policy, Step};

impl Account {
    /// Begins a registration in a flow. Asked a second time it shows the same secret, so that a double click
    /// does not take away the QR code that is being scanned.
    pub(crate) fn begin_enrollment(&mut self, rq: &Request<'_>, fresh: Fresh) -> Decision<Progress> {
        self.at_step(rq, Step::EnrollApp, |account, at| {
            let pending = account.flows.get(at).and_then(|flow| flow.pending.as_ref());
            if pending.is_some_and(|pending| rq.cx.now < pending.expires_at) {
                return Decision::unchanged(account.look(&rq.cx, at, rq.policy, None));
            }
            account.enroll(rq.cx, fresh, at, rq.policy)
        })
    }

    pub(super) fn enroll(&mut self, cx: Context<'_>, fresh: Fresh, at: usize, policy: &Policy) -> Decision<Progress> {
        if self.flows.get(at).is_some_and(|flow| self.is_full_for(flow)) {
            return Decision::changed(self.look(&cx, at, policy, Some(Refusal::DeviceLimit)));
        }
        let Some(flow) = self.flows.get_mut(at) else { return denied(DeniedReason::FlowEnded) };
        let expires_at = cx.now.saturating_add(FLOW_LIFETIME);
        flow.pending = Some(Pending { attempts: 0, expires_at, secret: fresh.secret, totp: cx.rules.totp });
        // Who has to install an app first gets the whole time for it, but only once.
        let last = flow.begun_at.saturating_add(FLOW_LIFETIME).saturating_add(FLOW_LIFETIME);
        flow.expires_at = flow.expires_at.max(expires_at).min(last);
        Decision::changed(self.look(&cx, at, policy, None)).with_event(EventKind::EnrollmentBegun)
    }

    /// Confirms a registration by a code of the new device. The step of that code is spent.
    pub(crate) fn confirm_enrollment(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        code: &Code,
        name: &DeviceName,
    ) -> Decision<Progress> {
        self.at_step(rq, Step::EnrollApp, |account, at| account.confirm(rq, fresh, at, code, name))
    }

    fn confirm(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        at: usize,
        code: &Code,
        name: &DeviceName,
    ) -> Decision<Progress> {
        let now = rq.cx.now;
        let refused = |fault| EventKind::CodeRefused { factor: Factor::Enrollment, fault };
        let full = self.flows.get(at).is_some_and(|flow| self.is_full_for(flow));
        let Some(flow) = self.flows.get_mut(at) else { return denied(DeniedReason::FlowEnded) };
        let Some(mut pending) = flow.pending.take_if(|pending| now < pending.expires_at) else {
            return self.refuse(rq, at, Refusal::WrongCode).with_event(refused(CodeFault::NoneOutstanding));
        };
        if full || code.digits() != pending.totp.digits() {
            flow.pending = Some(pending);
            return self.refuse(rq, at, if full { Refusal::DeviceLimit } else { Refusal::Malformed });
        }
        let verdict = pending.totp.check(&pending.secret, code, now, rq.cx.rules.window, None);
        let Verdict::Accepted(step) = verdict else {
            pending.attempts += 1;
            let refusal = pending.diagnosis(rq, code);
            flow.pending = Some(pending).filter(|pending| pending.attempts < ATTEMPTS_PER_ENROLLMENT);
            let refusal = if flow.pending.is_some() { refusal } else { Refusal::WrongCode };
            return Decision::changed(self.look(&rq.cx, at, rq.policy, Some(refusal)))
                .with_event(refused(CodeFault::Wrong));
        };
        self.last_device = self.last_device.saturating_add(1);
        let id = DeviceId::new(self.last_device);
        flow.evidence.enrolled = Some((id, now));
        self.devices.push(Device {
            added_at: now,
            failures: 0,
            id,
            last_step: step,
            last_used_at: None,
            name: name.clone(),
            secret: pending.secret,
            totp: pending.totp,
        });
        self.ever_held_factor = true;
        // What others have opened was opened by less than is asked for now.
        let own = self.flows.swap_remove(at);
        self.end_flows();
        let (event, notice) = match self.take_replaced(&own) {
            Some(Device { id: replaced, name: ref old, .. }) => (
                EventKind::DeviceReplaced { device: replaced, by: id },
                Outgoing::replacement_notice(&own.contact, old, name),
            ),
            None => (
                EventKind::DeviceAdded { device: id },
                Outgoing::device_notice(&own.contact, Notice::DeviceAdded, name),
            ),
        };
        self.flows.push(OpenFlow { epoch: self.epoch, ..own });
        self.advance_with(rq, fresh, 0, event).with_mail(notice)
    }
}

impl Pending {
    /// Why the code that should confirm a registration does not. Whoever confirms was shown the secret a moment ago, and
    /// learns nothing by it that helps to guess.
    fn diagnosis(&self, rq: &Request<'_>, code: &Code) -> Refusal {
        if let Some(skew) = self.totp.diagnose(&self.secret, code, rq.cx.now) {
            return Refusal::ClockOff { skew };
        }
        let plain = self.totp.with_algorithm(Algorithm::Sha1);
        match plain.check(&self.secret, code, rq.cx.now, rq.cx.rules.window, None) {
            Verdict::Accepted(_) if plain != self.totp => Refusal::AlgorithmIgnored,
            _ => Refusal::WrongCode,
        }
    }
}
