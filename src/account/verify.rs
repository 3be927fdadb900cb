//! Verifying what a user has typed. Each guess is counted by the very change that judges it.

use alloc::vec::Vec;

use super::{Account, Context, Decision, Fresh, Outgoing, Progress, Request};
use crate::account::flow::denied;
use crate::code::Code;
use crate::device::DeviceId;
use crate::event::{CodeFault, EventKind, Factor};
use crate::login::{DeniedReason, Refusal};
use crate::mailer::Notice;
use crate::otp::Verdict;
use crate::policy::Step;
use crate::throttle::{FailureBudget, IssuanceBudget};
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
    pub(crate) fn send_email_code(&mut self, rq: &Request<'_>, fresh: Fresh) -> Decision<Progress> {
        self.at_step(rq, Step::EmailCode, |account, at| match account.issues.wait(&rq.cx.rules.issuance, rq.cx.now) {
            Some(retry_at) => account.refuse(rq, at, Refusal::TooSoon { retry_at }),
            None => account.send(rq.cx, fresh, at, rq.policy),
        })
    }

    pub(crate) fn verify_email_code(&mut self, rq: &Request<'_>, fresh: Fresh, code: &Code) -> Decision<Progress> {
        self.at_step(rq, Step::EmailCode, |account, at| account.judge_email_code(rq, fresh, at, code))
    }

    fn judge_email_code(&mut self, rq: &Request<'_>, fresh: Fresh, at: usize, code: &Code) -> Decision<Progress> {
        let cx = &rq.cx;
        if code.digits() != cx.rules.email_digits {
            return self.refuse(rq, at, Refusal::Malformed);
        }
        let Some(flow) = self.flows.get_mut(at) else { return denied(DeniedReason::FlowEnded) };
        let fault = match &flow.code {
            None => CodeFault::NoneOutstanding,
            Some(issued) if issued.digest.is_of_code(cx, flow, code) && cx.now < issued.expires_at => {
                flow.code = None;
                flow.evidence.email_code = Some(cx.now);
                self.email_failures = 0;
                return self.advance_with(rq, fresh, at, EventKind::CodeAccepted { factor: Factor::Email });
            }
            Some(issued) if issued.digest.is_of_code(cx, flow, code) => CodeFault::Expired,
            Some(issued) if issued.superseded.is_some_and(|old| old.is_of_code(cx, flow, code)) => {
                CodeFault::Superseded
            }
            Some(_) => CodeFault::Wrong,
        };
        let refused = EventKind::CodeRefused { factor: Factor::Email, fault };
        if fault != CodeFault::Wrong {
            // A right code, or none to compare it with: no guess, and nothing to write.
            return self.refuse(rq, at, Refusal::WrongCode).with_event(refused);
        }
        flow.code.take_if(|issued| {
            issued.attempts += 1;
            issued.attempts >= IssuanceBudget::ATTEMPTS_PER_CODE
        });
        self.email_failures = self.email_failures.saturating_add(1);
        let mut events = Vec::from([refused]);
        if self.email_failures == FailureBudget::CONSECUTIVE_CAP {
            events.push(EventKind::EmailDisabled);
        }
        self.after_wrong_code(rq, at, 1, events)
    }

    /// Verifies a code of any device, or of the one that the user has named: `only`.
    pub(crate) fn verify_app_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        code: &Code,
        only: Option<DeviceId>,
    ) -> Decision<Progress> {
        self.at_step(rq, Step::AppCode, |account, at| account.judge_app_code(rq, fresh, at, code, only))
    }

    fn judge_app_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        at: usize,
        code: &Code,
        only: Option<DeviceId>,
    ) -> Decision<Progress> {
        if let Some(named) = only {
            match self.devices.iter().find(|held| held.id == named) {
                None => return self.refuse(rq, at, Refusal::UnknownDevice),
                Some(held) if held.is_disabled() => return self.refuse(rq, at, Refusal::DeviceDisabled),
                Some(_) => {}
            }
        }
        match self.guess_app_code(&rq.cx, code, only) {
            Guess::Accepted(device) => {
                if let Some(flow) = self.flows.get_mut(at) {
                    flow.evidence.app_code = Some((device, rq.cx.now));
                }
                self.advance_with(rq, fresh, at, EventKind::CodeAccepted { factor: Factor::App })
            }
            Guess::Malformed => self.refuse(rq, at, Refusal::Malformed),
            Guess::Replayed => self
                .refuse(rq, at, Refusal::WrongCode)
                .with_event(EventKind::CodeRefused { factor: Factor::App, fault: CodeFault::Replayed }),
            Guess::Wrong => {
                let (cost, events) = self.count_wrong_app_code(code, only);
                self.after_wrong_code(rq, at, cost, events)
            }
        }
    }

    pub(crate) fn redeem_ticket(&mut self, rq: &Request<'_>, fresh: Fresh, ticket: &Ticket) -> Decision<Progress> {
        self.at_step(rq, Step::Ticket, |account, at| {
            if !account.ticket.as_ref().is_some_and(|stored| stored.digest.is_of_ticket(&rq.cx, ticket)) {
                let refused = EventKind::CodeRefused { factor: Factor::Ticket, fault: CodeFault::Wrong };
                return account.after_wrong_code(rq, at, 1, Vec::from([refused]));
            }
            // The step is open, so the ticket has not expired.
            account.ticket = None;
            if let Some(flow) = account.flows.get_mut(at) {
                flow.evidence.ticket = Some(rq.cx.now);
            }
            account.advance_with(rq, fresh, at, EventKind::CodeAccepted { factor: Factor::Ticket })
        })
    }

    /// Compares a code with every device that is not disabled, or with `only` one, and spends its step where it is
    /// right.
    pub(super) fn guess_app_code(&mut self, cx: &Context<'_>, code: &Code, only: Option<DeviceId>) -> Guess {
        let (mut accepted, mut replayed, mut compared) = (None, false, false);
        for device in self.devices.iter_mut().filter(|device| device.takes(code, only)) {
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
    pub(super) fn count_wrong_app_code(&mut self, code: &Code, only: Option<DeviceId>) -> (u32, Vec<EventKind>) {
        let mut cost = 0;
        let mut events = Vec::from([EventKind::CodeRefused { factor: Factor::App, fault: CodeFault::Wrong }]);
        for device in self.devices.iter_mut().filter(|device| device.takes(code, only)) {
            cost += 1;
            device.failures += 1;
            if device.is_disabled() {
                events.push(EventKind::DeviceDisabled { device: device.id });
            }
        }
        (cost, events)
    }

    pub(super) fn after_wrong_code(
        &mut self,
        rq: &Request<'_>,
        at: usize,
        cost: u32,
        mut events: Vec<EventKind>,
    ) -> Decision<Progress> {
        let mut decision = match self.failures.spend(cost, &rq.cx.rules.failures, rq.cx.now) {
            Some(until) => {
                events.push(EventKind::Locked { until });
                // Whoever guesses has passed the first factor: its owner has to know (OWASP ASVS 5.0, 6.3.5).
                let lasts = until.saturating_since(rq.cx.now);
                let contact = self.flows.get(at).map(|flow| &flow.contact);
                let notice = contact.and_then(|contact| Outgoing::notice(contact, Notice::Locked { lasts }));
                Decision::changed(Progress::Denied(DeniedReason::Locked { until })).with_mail(notice)
            }
            None => Decision::changed(self.look(&rq.cx, at, rq.policy, Some(Refusal::WrongCode))),
        };
        decision.events = events;
        decision
    }

    pub(super) fn advance_with(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        at: usize,
        event: EventKind,
    ) -> Decision<Progress> {
        let mut decision = self.advance(rq.cx, fresh, at, rq.policy);
        decision.events.insert(0, event);
        decision
    }

    /// Refuses what costs nothing.
    pub(super) fn refuse(&self, rq: &Request<'_>, at: usize, refusal: Refusal) -> Decision<Progress> {
        Decision::unchanged(self.look(&rq.cx, at, rq.policy, Some(refusal)))
    }
}

impl super::Device {
    fn takes(&self, code: &Code, only: Option<DeviceId>) -> bool {
        !self.is_disabled() && only.is_none_or(|named| named == self.id) && self.totp.digits() == code.digits()
    }
}
