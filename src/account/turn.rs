//! One step in an open flow: the flow is taken out of the account, worked on, and put back.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::outlook::{Outlook, Remaining, is_email};
use super::{
    Account, CodeToSend, Context, Decision, Digest, Fresh, IssuedCode, OpenFlow, OutgoingNotice, Progress, Request,
};
use crate::audit::EventKind;
use crate::flow::{AddressPermit, Authenticated, EmailStatus, Open, Passed, Purpose, Refusal, SessionClaims};
use crate::limits::{Issues, Target, is_running};
use crate::otpauth::KeyUri;
use crate::policy::{Grace, Policy, Step};
use crate::time::Timestamp;

/// What became of a step.
pub(super) struct Turn {
    pub(super) verdict: Verdict,
    pub(super) events: Vec<EventKind>,
    pub(super) notice: Option<OutgoingNotice>,
}

pub(super) enum Verdict {
    /// Nothing has changed.
    Refused(Refusal),
    /// The flow stays where it is, and has changed.
    Stays(Option<Refusal>),
    /// A guess that is counted.
    Wrong { target: Target, cost: u32 },
    /// The step is proved.
    Proved,
    /// The flow is complete, whatever the plan would ask for.
    Complete,
}

impl Turn {
    pub(super) fn new(verdict: Verdict, events: impl IntoIterator<Item = EventKind>) -> Self {
        Self { verdict, events: events.into_iter().collect(), notice: None }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::new(Verdict::Refused(refusal), None)
    }

    pub(super) fn with_notice(mut self, notice: Option<OutgoingNotice>) -> Self {
        self.notice = notice;
        self
    }
}

/// What became of a wrong code that was paid for.
pub(super) struct Charged {
    pub(super) events: Vec<EventKind>,
    pub(super) notice: Option<OutgoingNotice>,
    pub(super) refusal: Refusal,
}

/// A flow that was taken out of the account.
pub(super) struct Taken {
    at: usize,
    pub(super) flow: OpenFlow,
    remaining: Remaining,
}

impl Taken {
    pub(super) fn into_flow(self) -> (usize, OpenFlow) {
        (self.at, self.flow)
    }

    pub(super) fn is_next(&self, step: Step) -> bool {
        self.remaining.is_next(|next| next == step)
    }
}

impl Account {
    /// Shows a flow as it is. Nothing changes.
    pub(crate) fn resume(&mut self, rq: &Request<'_>) -> Decision<Progress> {
        match self.take(rq) {
            Ok(Taken { at, flow, remaining }) => {
                let shown = self.show(rq, &flow, remaining, None);
                self.put_back(at, flow);
                Decision::unchanged(shown)
            }
            Err(decision) => *decision,
        }
    }

    /// Refuses what costs nothing: text that no code can have.
    pub(crate) fn refuse(&mut self, rq: &Request<'_>, refusal: Refusal) -> Decision<Progress> {
        match self.take(rq) {
            Ok(Taken { at, flow, remaining }) => {
                let shown = self.show(rq, &flow, remaining, Some(refusal));
                self.put_back(at, flow);
                Decision::unchanged(shown)
            }
            Err(decision) => *decision,
        }
    }

    /// Ends a flow.
    pub(crate) fn cancel(&mut self, rq: &Request<'_>) -> Decision<Progress> {
        let ended = Progress::Denied(Refusal::FlowEnded);
        match self.find(rq) {
            Some(at) => {
                self.flows.remove(at);
                Decision::changed(ended)
            }
            None => Decision::unchanged(ended),
        }
    }

    /// Does `work` in the flow of a request, if `step` is open in it now.
    pub(super) fn at_step(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        step: Step,
        work: impl FnOnce(&mut Self, &mut OpenFlow) -> Turn,
    ) -> Decision<Progress> {
        match self.take(rq) {
            Ok(taken) => self.in_step(rq, fresh, taken, step, work),
            Err(decision) => *decision,
        }
    }

    /// As [`Account::at_step`], in a flow that was taken out already.
    pub(super) fn in_step(
        &mut self,
        rq: &Request<'_>,
        fresh: Fresh,
        taken: Taken,
        step: Step,
        work: impl FnOnce(&mut Self, &mut OpenFlow) -> Turn,
    ) -> Decision<Progress> {
        let Taken { at, mut flow, remaining } = match self.require(rq, taken, step) {
            Ok(taken) => taken,
            Err(decision) => return *decision,
        };
        let Turn { verdict, events, notice } = work(self, &mut flow);
        let decision = match verdict {
            Verdict::Refused(refusal) => {
                let shown = self.show(rq, &flow, remaining, Some(refusal));
                self.put_back(at, flow);
                Decision::unchanged(shown)
            }
            Verdict::Stays(refusal) => {
                let shown = self.look(rq, &flow, refusal);
                self.put_back(at, flow);
                Decision::changed(shown)
            }
            Verdict::Wrong { target, cost } => {
                let Charged { events, notice, refusal } = self.charge(&rq.cx, &mut flow, target, cost);
                let shown = self.look(rq, &flow, Some(refusal));
                self.put_back(at, flow);
                Decision::changed(shown).with_events(events).with_notice(notice)
            }
            Verdict::Proved => self.advance(rq, fresh, at, flow),
            Verdict::Complete => self.complete(rq, &fresh, &flow, None),
        };
        decision.after(events).with_notice(notice)
    }

    /// The flow of a request, if `step` is open in it now.
    pub(super) fn take_at(&mut self, rq: &Request<'_>, step: Step) -> Result<Taken, Box<Decision<Progress>>> {
        let taken = self.take(rq)?;
        self.require(rq, taken, step)
    }

    /// The flow that was taken, if `step` is open in it; otherwise it is put back.
    fn require(&mut self, rq: &Request<'_>, taken: Taken, step: Step) -> Result<Taken, Box<Decision<Progress>>> {
        // A code by e-mail answers both steps that ask for one.
        if taken.remaining.is_next(|next| next == step || is_email(next) && is_email(step)) {
            return Ok(taken);
        }
        let shown = self.show(rq, &taken.flow, taken.remaining, Some(Refusal::NotOpen));
        self.put_back(taken.at, taken.flow);
        Err(Box::new(Decision::unchanged(shown).with_event(EventKind::StepNotOpen { step })))
    }

    /// The flow of a request that is open and owes something.
    pub(super) fn take(&mut self, rq: &Request<'_>) -> Result<Taken, Box<Decision<Progress>>> {
        let Some(at) = self.find(rq) else { return Err(Box::new(denied(Refusal::FlowEnded))) };
        let flow = self.flows.remove(at);
        match self.outlook(rq.cx.now, flow.view(rq.judge.policy)) {
            Outlook::Open(remaining) => Ok(Taken { at, flow, remaining }),
            // A flow is finished by the step that proves the last thing, never by a look: this one owes nothing because
            // the account has changed. The user begins again.
            Outlook::Finished { .. } => {
                self.put_back(at, flow);
                Err(Box::new(denied(Refusal::FlowEnded)))
            }
            Outlook::Denied(refusal, _) => {
                self.put_back(at, flow);
                Err(Box::new(denied(refusal)))
            }
        }
    }

    pub(super) fn put_back(&mut self, at: usize, flow: OpenFlow) {
        self.flows.insert(at.min(self.flows.len()), flow);
    }

    /// The flow of a token, if it is open, and was begun in the session of the request.
    fn find(&self, rq: &Request<'_>) -> Option<usize> {
        let Request { cx, judge, purpose, token } = rq;
        self.flows.iter().position(|flow| {
            let of_session = judge.session.is_none_or(|session| {
                let claims = &session.claims;
                claims.user == *cx.user
                    && claims.epoch == flow.epoch
                    && claims.number == flow.session
                    && claims.row == flow.row
            });
            flow.purpose == *purpose
                && flow.is_open(self.epoch, cx.now)
                && of_session
                && flow.token.is_of_token(cx, *purpose, token)
        })
    }

    /// Continues after a step was proved: completes the flow, or takes the next step as far as it needs no choice.
    pub(super) fn advance(&mut self, rq: &Request<'_>, fresh: Fresh, at: usize, flow: OpenFlow) -> Decision<Progress> {
        match self.outlook(rq.cx.now, flow.view(rq.judge.policy)) {
            Outlook::Denied(refusal, _) => {
                self.put_back(at, flow);
                Decision { changed: true, ..denied(refusal) }
            }
            Outlook::Finished { grace_until } => {
                let begun = self.begin_grace(&rq.cx, &flow, rq.judge.policy);
                self.complete(rq, &fresh, &flow, grace_until).after(begun.into_iter().collect())
            }
            Outlook::Open(remaining) => {
                if remaining.is_all_next(is_email) && flow.code.is_none() {
                    self.send(rq, fresh, at, flow)
                } else if remaining.is_all_next(|step| step == Step::EnrollApp) && flow.pending.is_none() {
                    self.enroll(rq, fresh, at, flow)
                } else {
                    let shown = self.show(rq, &flow, remaining, None);
                    self.put_back(at, flow);
                    Decision::changed(shown)
                }
            }
        }
    }

    /// Ends a flow in which nothing is owed.
    fn complete(
        &mut self,
        rq: &Request<'_>,
        fresh: &Fresh,
        flow: &OpenFlow,
        grace_until: Option<Timestamp>,
    ) -> Decision<Progress> {
        self.pay_back(&rq.cx, flow);
        match self.passed(rq, flow, grace_until) {
            Some(mut passed) => {
                let (browser, displaced) = self.know(&rq.cx, fresh, flow);
                passed.authenticated.browser = browser;
                let events = [completed(flow.purpose)].into_iter().chain(displaced);
                Decision::changed(Progress::Finished(passed)).with_events(events)
            }
            // The step that has just been proved stays spent.
            None => Decision { changed: true, ..denied(Refusal::FlowEnded) },
        }
    }

    /// What a flow ends in; `None` if the key that bound it to a row is gone.
    pub(super) fn passed(&self, rq: &Request<'_>, flow: &OpenFlow, grace_until: Option<Timestamp>) -> Option<Passed> {
        let (cx, session) = (&rq.cx, rq.judge.session);
        let key = cx.keys.by_id(flow.row.key)?;
        let claims = match session {
            Some(session) => session.claims.raised(&flow.evidence, self.epoch),
            None => SessionClaims {
                user: cx.user.clone(),
                epoch: self.epoch,
                number: flow.session,
                auth_time: cx.now,
                evidence: flow.evidence.clone(),
                row: flow.row,
            },
        };
        let session = session.map(|session| session.with_claims(claims.clone()));
        let was_verified = flow.contact.email.as_ref().is_some_and(|(_, email)| email.verified);
        let verified = flow.evidence.email_code.as_ref().map(|(address, _)| address.clone()).filter(|_| !was_verified);
        let authenticated = Authenticated { grace_until, verified, ..Authenticated::new(claims, key.clone()) };
        Some(Passed { authenticated, at: cx.now, session })
    }

    /// The codes that were mailed to the browser of a flow, or to all unknown ones.
    fn issues(&self, flow: &OpenFlow) -> &Issues {
        let browser = self.browsers.of_flow(flow).and_then(|at| self.browsers.known.get(at));
        browser.map_or(&self.issues, |browser| &browser.sent)
    }

    fn issues_mut(&mut self, flow: &OpenFlow) -> &mut Issues {
        match self.browsers.of_flow(flow).and_then(|at| self.browsers.known.get_mut(at)) {
            Some(browser) => &mut browser.sent,
            None => &mut self.issues,
        }
    }

    /// Generates an e-mail code for a flow, within the issuance budget.
    pub(super) fn send(&mut self, rq: &Request<'_>, fresh: Fresh, at: usize, mut flow: OpenFlow) -> Decision<Progress> {
        let cx = &rq.cx;
        let decision = match (self.mail_wait(rq, &flow), flow.contact.address().cloned()) {
            // A flow that was just begun is stored all the same: the user asks again in it.
            (Some(retry_at), _) => Decision::changed(self.look(rq, &flow, Some(Refusal::TooSoon { retry_at }))),
            (None, None) => Decision::changed(self.look(rq, &flow, Some(Refusal::NotOpen))),
            (None, Some(to)) => {
                // Nothing is promised to outlive the flow.
                let expires_at = cx.now.saturating_add(cx.rules.email_lifetime).min(flow.expires_at);
                flow.code = Some(IssuedCode {
                    attempts: 0,
                    digest: Digest::of_code(cx, &flow, &fresh.code),
                    expires_at,
                    sent_at: Some(cx.now),
                    superseded: flow.code.as_ref().map(|code| code.digest),
                });
                // The user has chosen this way; a secret on another screen can no longer be registered.
                flow.pending = None;
                self.issues_mut(&flow).count(cx.now);
                let valid_for = expires_at.saturating_since(cx.now);
                let mut decision = Decision::changed(self.look(rq, &flow, None)).with_event(EventKind::CodeIssued);
                decision.code = Some(CodeToSend { code: fresh.code, to, valid_for });
                decision
            }
        };
        self.put_back(at, flow);
        decision
    }

    /// When the next code may be mailed, if that is later than now.
    pub(super) fn mail_wait(&self, rq: &Request<'_>, flow: &OpenFlow) -> Option<Timestamp> {
        let now = rq.cx.now;
        let held_back = self.address_change.filter(|until| is_running(*until, AddressPermit::LIFETIME, now));
        self.issues(flow).wait(&rq.cx.rules.issuance, now).max(held_back)
    }

    /// The mail system has refused the code of a flow: nothing was sent, and the user can ask again at once.
    pub(crate) fn code_was_refused(&mut self, rq: &Request<'_>) -> Decision<Progress> {
        let Some(at) = self.find(rq) else {
            self.issues.lift_pause();
            return Decision { changed: true, ..denied(Refusal::FlowEnded) };
        };
        let mut flow = self.flows.remove(at);
        self.issues_mut(&flow).lift_pause();
        if let Some(code) = &mut flow.code {
            code.sent_at = None;
        }
        let shown = self.look(rq, &flow, Some(Refusal::MailRefused));
        self.put_back(at, flow);
        Decision::changed(shown).with_event(EventKind::MailUndelivered)
    }

    /// It is unknown whether a code was sent: it stays valid, and the user can ask for another one at once.
    pub(crate) fn code_is_uncertain(&mut self, rq: &Request<'_>) -> Decision<()> {
        match self.find(rq) {
            Some(at) => {
                let flow = self.flows.remove(at);
                self.issues_mut(&flow).lift_pause();
                self.put_back(at, flow);
            }
            None => self.issues.lift_pause(),
        }
        Decision::changed(()).with_event(EventKind::MailUndelivered)
    }

    /// Shows a flow after it has changed.
    pub(super) fn look(&self, rq: &Request<'_>, flow: &OpenFlow, refusal: Option<Refusal>) -> Progress {
        match self.outlook(rq.cx.now, flow.view(rq.judge.policy)) {
            Outlook::Denied(refusal, _) => Progress::Denied(refusal),
            Outlook::Finished { .. } => Progress::Denied(Refusal::FlowEnded),
            Outlook::Open(remaining) => self.show(rq, flow, remaining, refusal),
        }
    }

    pub(super) fn show(
        &self,
        rq: &Request<'_>,
        flow: &OpenFlow,
        remaining: Remaining,
        refusal: Option<Refusal>,
    ) -> Progress {
        let cx = &rq.cx;
        let email = flow.contact.address().filter(|_| remaining.is_next(is_email)).map(|address| {
            let code = flow.code.as_ref().filter(|code| cx.now < code.expires_at);
            let sent_at = code.and_then(|code| code.sent_at);
            EmailStatus {
                masked_address: address.masked(),
                sent_at,
                expires_at: code.filter(|_| sent_at.is_some()).map(|code| code.expires_at),
                resend_at: self.mail_wait(rq, flow),
            }
        });
        let next = remaining.next();
        let enrolling = next.contains(&Step::EnrollApp);
        // A page asks for the code that was mailed, and otherwise for the first of the steps.
        let is_sent = email.as_ref().is_some_and(|email| email.expires_at.is_some());
        let asked = next.iter().find(|step| is_sent && is_email(**step)).or(next.first()).copied();
        let open = Open {
            attempts_left: self.attempts_left(cx, flow, asked.as_ref()),
            email,
            expires_at: flow.expires_at,
            grace_until: remaining.grace_until,
            next,
            paths: remaining.paths,
            recovery_codes_left: self.recovery_codes_left().filter(|_| flow.evidence.recovery_code.is_some()),
            refusal: refusal.or_else(|| self.block(cx, flow, asked.as_ref())),
        };
        let pending = flow.pending.as_ref().filter(|pending| enrolling && cx.now < pending.expires_at);
        // The builder of the engine takes no TOTP that a Key URI cannot express.
        match pending.and_then(|pending| {
            KeyUri::totp(&cx.rules.issuer, &flow.contact.account, &pending.secret, &pending.totp).ok()
        }) {
            Some(key_uri) => Progress::Enroll(open, key_uri),
            None => Progress::Challenge(open),
        }
    }

    /// Begins the grace period with a login that it lets through, if none has begun; the deadline is part of the change
    /// that pays for the login. Nothing begins it again: it outlives devices, policies and resets.
    pub(super) fn begin_grace(&mut self, cx: &Context<'_>, flow: &OpenFlow, policy: &Policy) -> Option<EventKind> {
        if flow.purpose != Purpose::Login {
            return None;
        }
        let view = flow.view(policy);
        let begun = view.strictest().grace_to_start(&self.standing_in(cx.now, view))?;
        self.grace = begun;
        match begun {
            Grace::Started { until, .. } => Some(EventKind::GraceBegun { until }),
            Grace::NotStarted => None,
        }
    }
}

/// A denial that costs no write.
pub(super) fn denied(refusal: Refusal) -> Decision<Progress> {
    let decision = Decision::unchanged(Progress::Denied(refusal));
    match refusal {
        Refusal::Policy(denial) => decision.with_event(EventKind::LoginDenied { reason: denial.reason }),
        Refusal::AccountChanged => decision.with_event(EventKind::StaleRowRefused),
        _ => decision,
    }
}

pub(super) fn completed(purpose: Purpose) -> EventKind {
    match purpose {
        Purpose::Login => EventKind::LoginCompleted,
        Purpose::Completion => EventKind::CompletionCompleted,
        Purpose::Registration => EventKind::RegistrationCompleted,
        Purpose::StepUp => EventKind::StepUpCompleted,
    }
}
