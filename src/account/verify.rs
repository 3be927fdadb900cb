//! Verifying what a user has typed. Each guess is counted by the very change that judges it.

use alloc::vec::Vec;

use super::{ATTEMPTS_PER_CODE, Account, Context, Decision, Fresh, Progress};
use crate::account::flow::{denied, is_email};
use crate::code::Code;
use crate::device::DeviceId;
use crate::event::{CodeFault, EventKind, Factor};
use crate::login::{DeniedReason, Purpose, Refusal, Token};
use crate::otp::Verdict;
use crate::policy::{Policy, Step};
use crate::throttle::FailureBudget;
use crate::ticket::Ticket;

/// What a code is worth, compared with the devices of the user.
pub(super) enum Guess {
    Accepted(DeviceId),
    Malformed,
    Replayed,
    Wrong,
}

impl Account {
    /// Sends an e-mail code, or another one.
    pub(crate) fn send_email_code(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        purpose: Purpose,
        token: &Token,
        policy: &Policy,
    ) -> Decision<Progress> {
        let at = match self.enter(&cx, purpose, token, policy, is_email, Step::EmailCode) {
            Ok(at) => at,
            Err(answer) => return *answer,
        };
        if let Some(retry_at) = self.issues.wait(&cx.rules.issuance, cx.now) {
            return Decision::unchanged(self.look(&cx, at, policy, Some(Refusal::TooSoon { retry_at })));
        }
        self.send(cx, fresh, at, policy)
    }

    pub(crate) fn verify_email_code(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        purpose: Purpose,
        token: &Token,
        code: &Code,
        policy: &Policy,
    ) -> Decision<Progress> {
        let at = match self.enter(&cx, purpose, token, policy, is_email, Step::EmailCode) {
            Ok(at) => at,
            Err(answer) => return *answer,
        };
        if code.digits() != cx.rules.email_digits {
            return Decision::unchanged(self.look(&cx, at, policy, Some(Refusal::Malformed)));
        }
        let Some(flow) = self.flows.get(at) else { return denied(DeniedReason::FlowEnded) };
        let fault = match &flow.code {
            None => CodeFault::NoneOutstanding,
            Some(issued) if issued.digest.is_of_code(&cx, flow, code) => {
                if cx.now < issued.expires_at {
                    return self.accept_email_code(cx, fresh, at, policy);
                }
                CodeFault::Expired
            }
            Some(issued) if issued.superseded.is_some_and(|old| old.is_of_code(&cx, flow, code)) => {
                CodeFault::Superseded
            }
            Some(_) => CodeFault::Wrong,
        };
        let refused = EventKind::CodeRefused { factor: Factor::Email, fault };
        if fault != CodeFault::Wrong {
            // A right code, or none to compare it with: no guess, and nothing to write.
            return Decision::unchanged(self.look(&cx, at, policy, Some(Refusal::WrongCode))).with_event(refused);
        }
        if let Some(flow) = self.flows.get_mut(at) {
            flow.code.take_if(|issued| {
                issued.attempts += 1;
                issued.attempts >= ATTEMPTS_PER_CODE
            });
        }
        self.email_failures = self.email_failures.saturating_add(1);
        let mut events = Vec::from([refused]);
        if self.email_failures == FailureBudget::CONSECUTIVE_CAP {
            events.push(EventKind::EmailDisabled);
        }
        self.after_wrong_code(cx, at, 1, events, policy)
    }

    fn accept_email_code(&mut self, cx: Context<'_>, fresh: Fresh, at: usize, policy: &Policy) -> Decision<Progress> {
        if let Some(flow) = self.flows.get_mut(at) {
            flow.code = None;
            flow.evidence.email_code = Some(cx.now);
        }
        self.email_failures = 0;
        self.advance_with(cx, fresh, at, EventKind::CodeAccepted { factor: Factor::Email }, policy)
    }

    pub(crate) fn verify_app_code(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        purpose: Purpose,
        token: &Token,
        code: &Code,
        policy: &Policy,
    ) -> Decision<Progress> {
        let at = match self.enter(&cx, purpose, token, policy, |step| step == Step::AppCode, Step::AppCode) {
            Ok(at) => at,
            Err(answer) => return *answer,
        };
        match self.guess_app_code(&cx, code) {
            Guess::Accepted(device) => {
                if let Some(flow) = self.flows.get_mut(at) {
                    flow.evidence.app_code = Some((device, cx.now));
                }
                self.advance_with(cx, fresh, at, EventKind::CodeAccepted { factor: Factor::App }, policy)
            }
            Guess::Malformed => Decision::unchanged(self.look(&cx, at, policy, Some(Refusal::Malformed))),
            Guess::Replayed => Decision::unchanged(self.look(&cx, at, policy, Some(Refusal::WrongCode)))
                .with_event(EventKind::CodeRefused { factor: Factor::App, fault: CodeFault::Replayed }),
            Guess::Wrong => {
                let (cost, events) = self.count_wrong_app_code(code);
                self.after_wrong_code(cx, at, cost, events, policy)
            }
        }
    }

    pub(crate) fn redeem_ticket(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        purpose: Purpose,
        token: &Token,
        ticket: &Ticket,
        policy: &Policy,
    ) -> Decision<Progress> {
        let at = match self.enter(&cx, purpose, token, policy, |step| step == Step::Ticket, Step::Ticket) {
            Ok(at) => at,
            Err(answer) => return *answer,
        };
        if !self.ticket.as_ref().is_some_and(|stored| stored.digest.is_of_ticket(&cx, ticket)) {
            let refused = EventKind::CodeRefused { factor: Factor::Ticket, fault: CodeFault::Wrong };
            return self.after_wrong_code(cx, at, 1, Vec::from([refused]), policy);
        }
        // The step was open, so the ticket has not expired.
        self.ticket = None;
        if let Some(flow) = self.flows.get_mut(at) {
            flow.evidence.ticket = Some(cx.now);
        }
        self.advance_with(cx, fresh, at, EventKind::CodeAccepted { factor: Factor::Ticket }, policy)
    }

    /// Compares a code with every device that is not disabled, and spends its step where it is right.
    pub(super) fn guess_app_code(&mut self, cx: &Context<'_>, code: &Code) -> Guess {
        let (mut accepted, mut replayed, mut compared) = (None, false, false);
        for device in self.devices.iter_mut().filter(|device| device.takes(code)) {
            compared = true;
            match device.totp.check(&device.secret, code, cx.now, cx.rules.window, Some(device.last_step)) {
                Verdict::Accepted(step) => {
                    device.last_step = step;
                    device.last_used_at = Some(cx.now);
                    // NIST SP 800-63B-4 section 3.2.2: a success disregards the failures of its authenticator.
                    device.failures = 0;
                    accepted = accepted.or(Some(device.id));
                }
                Verdict::Replayed => replayed = true,
                Verdict::Wrong => {}
            }
        }
        match accepted {
            Some(device) => Guess::Accepted(device),
            None if replayed => Guess::Replayed,
            None if compared => Guess::Wrong,
            None => Guess::Malformed,
        }
    }

    /// Counts a wrong code against each device that it was compared with: against two devices it was two guesses.
    pub(super) fn count_wrong_app_code(&mut self, code: &Code) -> (u32, Vec<EventKind>) {
        let mut cost = 0;
        let mut events = Vec::from([EventKind::CodeRefused { factor: Factor::App, fault: CodeFault::Wrong }]);
        for device in self.devices.iter_mut().filter(|device| device.takes(code)) {
            cost += 1;
            device.failures += 1;
            if device.is_disabled() {
                events.push(EventKind::DeviceDisabled { device: device.id });
            }
        }
        (cost, events)
    }

    fn after_wrong_code(
        &mut self,
        cx: Context<'_>,
        at: usize,
        cost: u32,
        mut events: Vec<EventKind>,
        policy: &Policy,
    ) -> Decision<Progress> {
        let progress = match self.failures.spend(cost, &cx.rules.failures, cx.now) {
            Some(until) => {
                events.push(EventKind::Locked { until });
                Progress::Denied(DeniedReason::Locked { until })
            }
            None => self.look(&cx, at, policy, Some(Refusal::WrongCode)),
        };
        let mut decision = Decision::changed(progress);
        decision.events = events;
        decision
    }

    pub(super) fn advance_with(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        at: usize,
        event: EventKind,
        policy: &Policy,
    ) -> Decision<Progress> {
        let mut decision = self.advance(cx, fresh, at, policy);
        decision.events.insert(0, event);
        decision
    }
}

impl super::Device {
    fn takes(&self, code: &Code) -> bool {
        !self.is_disabled() && self.totp.digits() == code.digits()
    }
}
