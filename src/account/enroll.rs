//! Registering a device: pending until a code confirms it, and until then nothing.

use super::{
    ATTEMPTS_PER_ENROLLMENT, Account, Context, Decision, Device, FLOW_LIFETIME, Fresh, MAX_DEVICES, Outgoing, Pending,
    Progress,
};
use crate::account::flow::denied;
use crate::code::Code;
use crate::device::{DeviceId, DeviceName};
use crate::event::{CodeFault, EventKind, Factor};
use crate::login::{DeniedReason, Purpose, Refusal, Token};
use crate::mailer::Notice;
use crate::otp::Verdict;
use crate::policy::{Policy, Step};

impl Account {
    /// Begins a registration in a flow. Asked a second time it shows the same secret, so that a double click
    /// does not take away the QR code that is being scanned.
    pub(crate) fn begin_enrollment(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        purpose: Purpose,
        token: &Token,
        policy: &Policy,
    ) -> Decision<Progress> {
        let at = match self.enter(&cx, purpose, token, policy, |step| step == Step::EnrollApp, Step::EnrollApp) {
            Ok(at) => at,
            Err(answer) => return *answer,
        };
        let alive = |pending: &Pending| cx.now < pending.expires_at;
        if self.flows.get(at).is_some_and(|flow| flow.pending.as_ref().is_some_and(alive)) {
            return Decision::unchanged(self.look(&cx, at, policy, None));
        }
        self.enroll(cx, fresh, at, policy)
    }

    pub(super) fn enroll(&mut self, cx: Context<'_>, fresh: Fresh, at: usize, policy: &Policy) -> Decision<Progress> {
        if self.devices.len() >= MAX_DEVICES {
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
    #[allow(clippy::too_many_arguments, reason = "the form that confirms has this many fields")]
    pub(crate) fn confirm_enrollment(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        purpose: Purpose,
        token: &Token,
        code: &Code,
        name: &DeviceName,
        policy: &Policy,
    ) -> Decision<Progress> {
        let at = match self.enter(&cx, purpose, token, policy, |step| step == Step::EnrollApp, Step::EnrollApp) {
            Ok(at) => at,
            Err(answer) => return *answer,
        };
        let full = self.devices.len() >= MAX_DEVICES;
        let Some(flow) = self.flows.get_mut(at) else { return denied(DeniedReason::FlowEnded) };
        let Some(pending) = flow.pending.as_mut().filter(|pending| cx.now < pending.expires_at) else {
            let fault = CodeFault::NoneOutstanding;
            return Decision::unchanged(self.look(&cx, at, policy, Some(Refusal::WrongCode)))
                .with_event(EventKind::CodeRefused { factor: Factor::Enrollment, fault });
        };
        if code.digits() != pending.totp.digits() {
            return Decision::unchanged(self.look(&cx, at, policy, Some(Refusal::Malformed)));
        }
        if full {
            return Decision::unchanged(self.look(&cx, at, policy, Some(Refusal::DeviceLimit)));
        }
        let verdict = pending.totp.check(&pending.secret, code, cx.now, cx.rules.window, None);
        let Verdict::Accepted(step) = verdict else {
            pending.attempts += 1;
            if pending.attempts >= ATTEMPTS_PER_ENROLLMENT {
                flow.pending = None;
            }
            return Decision::changed(self.look(&cx, at, policy, Some(Refusal::WrongCode)))
                .with_event(EventKind::CodeRefused { factor: Factor::Enrollment, fault: CodeFault::Wrong });
        };
        let Some(Pending { secret, totp, .. }) = flow.pending.take() else { return denied(DeniedReason::FlowEnded) };
        self.last_device = self.last_device.saturating_add(1);
        let id = DeviceId::new(self.last_device);
        flow.evidence.enrolled = Some((id, cx.now));
        let notice = flow.contact.email.clone().map(|(to, _)| Outgoing::Notice {
            to,
            notice: Notice::DeviceAdded,
            device: name.clone(),
        });
        self.devices.push(Device {
            added_at: cx.now,
            failures: 0,
            id,
            last_step: step,
            last_used_at: None,
            name: name.clone(),
            secret,
            totp,
        });
        self.ever_held_factor = true;
        // What others have opened was opened by less than is asked for now.
        let own = self.flows.swap_remove(at);
        self.end_flows();
        self.flows.push(super::OpenFlow { epoch: self.epoch, ..own });
        self.advance_with(cx, fresh, 0, EventKind::DeviceAdded { device: id }, policy).with_mail(notice)
    }
}
