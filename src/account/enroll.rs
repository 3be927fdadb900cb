//! Registering a device: pending until a code confirms it, and until then nothing.

use super::turn::{Turn, Verdict as Ruling};
use super::{
    ATTEMPTS_PER_ENROLLMENT, Account, Context, Decision, Device, FLOW_LIFETIME, Fresh, MAX_DEVICES, OpenFlow,
    OutgoingNotice, Pending, Progress, Request,
};
use crate::audit::{CodeFault, EventKind, Factor};
use crate::code::Code;
use crate::device::{DeviceId, DeviceName};
use crate::flow::Refusal;
use crate::limits::Target;
use crate::mail::Notice;
use crate::otp::{Algorithm, Verdict};
use crate::policy::Step;

impl Account {
    /// Begins a registration in a flow, in place of a device if one is named. Asked a second time it shows the same
    /// secret, so that a double click does not take away the QR code that is being scanned.
    pub(crate) fn begin_enrollment(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        replaces: Option<DeviceId>,
    ) -> Decision<Progress> {
        if replaces.is_some_and(|device| !self.devices.iter().any(|held| held.id == device)) {
            return self.at_step(rq, fresh, Step::EnrollApp, |_, _| Turn::refused(Refusal::Unknown));
        }
        let (at, mut flow) = match self.take_at(rq, Step::EnrollApp) {
            Ok(taken) => taken.into_flow(),
            Err(decision) => return *decision,
        };
        let chosen = replaces.is_some() && flow.replaces != replaces;
        if chosen {
            flow.replaces = replaces;
        }
        if flow.pending.as_ref().is_some_and(|pending| rq.cx.now < pending.expires_at) {
            let shown = self.look(rq, &flow, None);
            self.put_back(at, flow);
            return if chosen { Decision::changed(shown) } else { Decision::unchanged(shown) };
        }
        self.enroll(rq, fresh, at, flow)
    }

    pub(super) fn enroll(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        at: usize,
        mut flow: OpenFlow,
    ) -> Decision<Progress> {
        let cx = &rq.cx;
        let full = self.is_full_for(&flow);
        if !full {
            let expires_at = cx.now.saturating_add(FLOW_LIFETIME);
            flow.pending = Some(Pending { attempts: 0, expires_at, secret: fresh.secret, totp: cx.rules.totp });
            // A user who must install an app first gets the whole time for it, but only once.
            let last = flow.begun_at.saturating_add(FLOW_LIFETIME).saturating_add(FLOW_LIFETIME);
            flow.expires_at = flow.expires_at.max(expires_at).min(last);
        }
        let shown = self.look(rq, &flow, full.then_some(Refusal::DeviceLimit));
        self.put_back(at, flow);
        Decision::changed(shown).with_events((!full).then_some(EventKind::EnrollmentBegun))
    }

    /// Confirms a registration by a code of the new device. The step of that code is spent.
    pub(crate) fn confirm_enrollment(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        code: &Code,
        name: &DeviceName,
    ) -> Decision<Progress> {
        self.at_step(rq, fresh, Step::EnrollApp, |account, flow| account.confirm(&rq.cx, flow, code, name))
    }

    fn confirm(&mut self, cx: &Context<'_>, flow: &mut OpenFlow, code: &Code, name: &DeviceName) -> Turn {
        let refused = |fault| EventKind::CodeRefused { factor: Factor::Enrollment, fault };
        let full = self.is_full_for(flow);
        let Some(mut pending) = flow.pending.take_if(|pending| cx.now < pending.expires_at) else {
            return Turn::new(Ruling::Refused(Refusal::WrongCode), [refused(CodeFault::NoneOutstanding)]);
        };
        if full || code.digits() != pending.totp.digits() {
            flow.pending = Some(pending);
            return Turn::refused(if full { Refusal::DeviceLimit } else { Refusal::Malformed });
        }
        let verdict = pending.totp.check(&pending.secret, code, cx.now, cx.rules.window, None);
        let Verdict::Accepted(step) = verdict else {
            pending.attempts += 1;
            let refusal = pending.diagnosis(cx, code);
            flow.pending = Some(pending).filter(|pending| pending.attempts < ATTEMPTS_PER_ENROLLMENT);
            let refusal = if flow.pending.is_some() { refusal } else { Refusal::WrongCode };
            return Turn::new(Ruling::Stays(Some(refusal)), [refused(CodeFault::Wrong)]);
        };
        self.last_device = self.last_device.saturating_add(1);
        let id = DeviceId::new(self.last_device);
        flow.evidence.registered = Some((id, cx.now));
        flow.prove(Target::App);
        // What others have opened was opened by less than is asked for now.
        self.end_sessions();
        flow.epoch = self.epoch;
        let replaced = self.take_replaced(flow);
        self.devices.push(Device {
            added_at: cx.now,
            failures: 0,
            id,
            last_step: step,
            last_used_at: None,
            name: name.clone(),
            secret: pending.secret,
            totp: pending.totp,
        });
        self.ever_had_factor = true;
        match replaced {
            Some(Device { id: old, name: ref old_name, .. }) => {
                let notice = OutgoingNotice::of_replacement(&flow.contact, old_name, name);
                Turn::new(Ruling::Proved, [EventKind::DeviceReplaced { device: old, by: id }]).with_notice(notice)
            }
            None => {
                let notice = OutgoingNotice::of_device(&flow.contact, Notice::DeviceAdded, name);
                Turn::new(Ruling::Proved, [EventKind::DeviceAdded { device: id }]).with_notice(notice)
            }
        }
    }

    /// Whether the registration of `flow` would give the user too many devices.
    fn is_full_for(&self, flow: &OpenFlow) -> bool {
        let stay = self.devices.iter().filter(|held| Some(held.id) != flow.replaces).count();
        stay >= MAX_DEVICES
    }

    /// Takes out the device that `flow` replaces.
    fn take_replaced(&mut self, flow: &OpenFlow) -> Option<Device> {
        let at = self.devices.iter().position(|held| Some(held.id) == flow.replaces)?;
        Some(self.devices.remove(at))
    }
}

impl Pending {
    /// Why a code does not confirm a registration. The answer helps no guesser: this user was shown the secret a moment
    /// ago.
    fn diagnosis(&self, cx: &Context<'_>, code: &Code) -> Refusal {
        if let Some(skew) = self.totp.diagnose(&self.secret, code, cx.now) {
            return Refusal::ClockOff { skew };
        }
        let plain = self.totp.with_algorithm(Algorithm::Sha1);
        match plain.check(&self.secret, code, cx.now, cx.rules.window, None) {
            Verdict::Accepted(_) => Refusal::AlgorithmIgnored,
            _ => Refusal::WrongCode,
        }
    }
}
