//! Verifying what a user has typed. Each guess is counted by the very change that judges it.

use alloc::vec::Vec;

use super::turn::{Turn, Verdict as Ruling};
use super::{Account, Context, Decision, Device, Fresh, OpenFlow, Progress, Request};
use crate::audit::{CodeFault, EventKind, Factor};
use crate::code::Code;
use crate::device::DeviceId;
use crate::flow::Refusal;
use crate::limits::{Guessing, IssuanceBudget, Target};
use crate::otp::Verdict;
use crate::policy::Step;
use crate::ticket::Ticket;

impl Account {
    /// Sends an e-mail code, or another one.
    pub(crate) fn send_email_code(&mut self, rq: &Request<'_>, fresh: Fresh) -> Decision<Progress> {
        let taken = match self.take_at(rq, Step::EmailCode) {
            Ok(taken) => taken,
            Err(decision) => return *decision,
        };
        match self.mail_wait(rq, &taken.flow) {
            // What was refused is not written.
            Some(retry_at) => {
                let refused = |_: &mut Self, _: &mut OpenFlow| Turn::refused(Refusal::TooSoon { retry_at });
                self.in_step(rq, fresh, taken, Step::EmailCode, refused)
            }
            None => {
                let (at, flow) = taken.into_flow();
                self.send(rq, fresh, at, flow)
            }
        }
    }

    pub(crate) fn verify_email_code(&mut self, rq: &Request<'_>, fresh: Fresh, code: &Code) -> Decision<Progress> {
        self.at_step(rq, fresh, Step::EmailCode, |account, flow| account.judge_email_code(&rq.cx, flow, code))
    }

    fn judge_email_code(&mut self, cx: &Context<'_>, flow: &mut OpenFlow, code: &Code) -> Turn {
        if code.digits() != cx.rules.email_digits {
            return Turn::refused(Refusal::Malformed);
        }
        let refused = |fault| EventKind::CodeRefused { factor: Factor::Email, fault };
        let fault = match &flow.code {
            // An expired code is dead: nothing is compared, and nothing is counted.
            None => return Turn::new(Ruling::Refused(Refusal::WrongCode), [refused(CodeFault::NoneOutstanding)]),
            Some(issued) if issued.expires_at <= cx.now => {
                return Turn::new(Ruling::Refused(Refusal::WrongCode), [refused(CodeFault::Expired)]);
            }
            Some(issued) => match self.not_compared(cx, flow, Target::Email, 1) {
                Some(turn) => return turn,
                None if issued.digest.is_of_code(cx, flow, code) => {
                    let Some(address) = flow.contact.address().cloned() else { return Turn::refused(Refusal::NotOpen) };
                    flow.code = None;
                    flow.evidence.email_code = Some((address.clone(), cx.now));
                    flow.prove(Target::Email);
                    self.email_failures = 0;
                    let was_verified = flow.contact.email.as_ref().is_some_and(|(_, email)| email.verified);
                    let verified = (!was_verified).then_some(EventKind::EmailVerified { address });
                    return Turn::new(
                        Ruling::Proved,
                        [EventKind::CodeAccepted { factor: Factor::Email }].into_iter().chain(verified),
                    );
                }
                None if issued.superseded.is_some_and(|old| old.is_of_code(cx, flow, code)) => CodeFault::Superseded,
                None => CodeFault::Wrong,
            },
        };
        flow.code.take_if(|issued| {
            issued.attempts += 1;
            issued.attempts >= IssuanceBudget::ATTEMPTS_PER_CODE
        });
        self.email_failures = self.email_failures.saturating_add(1);
        let disabled = (self.email_failures == Guessing::CONSECUTIVE_CAP).then_some(EventKind::EmailDisabled);
        Turn::new(Ruling::Wrong { target: Target::Email, cost: 1 }, [refused(fault)].into_iter().chain(disabled))
    }

    /// Verifies a code of any device, or of the one that the user has named: `only`.
    pub(crate) fn verify_app_code(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        code: &Code,
        only: Option<DeviceId>,
    ) -> Decision<Progress> {
        self.at_step(rq, fresh, Step::AppCode, |account, flow| account.judge_app_code(&rq.cx, flow, code, only))
    }

    fn judge_app_code(&mut self, cx: &Context<'_>, flow: &mut OpenFlow, code: &Code, only: Option<DeviceId>) -> Turn {
        if let Some(named) = only {
            match self.devices.iter().find(|held| held.id == named) {
                None => return Turn::refused(Refusal::Unknown),
                Some(held) if held.is_disabled() => return Turn::refused(Refusal::DeviceDisabled),
                Some(_) => {}
            }
        }
        // Against two devices it is two guesses, and both are paid for before they are compared. The number of devices is
        // bounded.
        let devices = self.devices.iter().filter(|device| device.takes(code, only)).count() as u32;
        if devices == 0 {
            return Turn::refused(Refusal::Malformed);
        }
        let cost = devices * Self::weight(cx);
        if let Some(turn) = self.not_compared(cx, flow, Target::App, cost) {
            return turn;
        }
        match self.guess_app_code(cx, code, only) {
            Ok(device) => {
                flow.evidence.app_code = Some((device, cx.now));
                flow.prove(Target::App);
                Turn::new(Ruling::Proved, [EventKind::CodeAccepted { factor: Factor::App }])
            }
            // A used code costs what a wrong one costs: the difference would tell that the code was right.
            Err(fault) => {
                let mut events = Vec::from([EventKind::CodeRefused { factor: Factor::App, fault }]);
                for device in self.devices.iter_mut().filter(|device| device.takes(code, only)) {
                    device.failures += 1;
                    if device.is_disabled() {
                        events.push(EventKind::DeviceDisabled { device: device.id });
                    }
                }
                flow.wrong_app_codes += 1;
                Turn::new(Ruling::Wrong { target: Target::App, cost }, events)
            }
        }
    }

    /// Compares a code with every device that is not disabled, or with `only` one, and spends its step if it is right.
    fn guess_app_code(&mut self, cx: &Context<'_>, code: &Code, only: Option<DeviceId>) -> Result<DeviceId, CodeFault> {
        let (mut accepted, mut fault) = (None, CodeFault::Wrong);
        for device in self.devices.iter_mut().filter(|device| device.takes(code, only)) {
            match device.totp.check(&device.secret, code, cx.now, cx.rules.window, Some(device.last_step)) {
                Verdict::Accepted(step) => {
                    device.last_step = step;
                    device.last_used_at = Some(cx.now);
                    // NIST SP 800-63B-4 section 3.2.2: a success disregards the failures of its authenticator.
                    device.failures = 0;
                    accepted = accepted.or(Some(device.id));
                }
                Verdict::Replayed => fault = CodeFault::Replayed,
                Verdict::Wrong => {}
            }
        }
        accepted.ok_or(fault)
    }

    pub(crate) fn redeem_ticket(&mut self, rq: &Request<'_>, fresh: Fresh, ticket: &Ticket) -> Decision<Progress> {
        self.at_step(rq, fresh, Step::Ticket, |account, flow| {
            if !account.ticket.as_ref().is_some_and(|stored| stored.digest.is_of_ticket(&rq.cx, ticket)) {
                let refused = EventKind::CodeRefused { factor: Factor::Ticket, fault: CodeFault::Wrong };
                // 128 bits cannot be guessed: nothing is counted, and nobody is locked.
                return Turn::new(Ruling::Refused(Refusal::WrongCode), [refused]);
            }
            // The step is open, so the ticket has not expired.
            account.ticket = None;
            flow.evidence.ticket = Some(rq.cx.now);
            Turn::new(Ruling::Proved, [EventKind::CodeAccepted { factor: Factor::Ticket }])
        })
    }
}

impl Device {
    fn takes(&self, code: &Code, only: Option<DeviceId>) -> bool {
        !self.is_disabled() && only.is_none_or(|named| named == self.id) && self.totp.digits() == code.digits()
    }
}
