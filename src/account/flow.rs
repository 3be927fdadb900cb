//! Opening a flow, and where it stands: the policy is asked anew at every step.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{
    Account, Context, Decision, Digest, FLOW_LIFETIME, Fresh, IssuedCode, MAX_FLOWS, OpenFlow, Outgoing, Progress,
};
use crate::event::EventKind;
use crate::login::{Contact, DeniedReason, EmailStatus, Evidence, Finished, Open, Purpose, Refusal, SentCode, Token};
use crate::otpauth::KeyUri;
use crate::policy::{Path, Plan, Policy, Step};

/// What the policy says of an open flow, its evidence taken into account.
pub(super) enum Outlook {
    Denied(DeniedReason),
    Finished { remind_enrollment: bool },
    Open { paths: Vec<Path>, remind_enrollment: bool },
}

impl Account {
    /// Begins a flow, unless nothing is owed or there is no way through.
    pub(crate) fn begin(
        &mut self,
        cx: Context<'_>,
        fresh: Fresh,
        purpose: Purpose,
        contact: Contact,
        policy: &Policy,
    ) -> Decision<Progress> {
        let flow = OpenFlow {
            begun_at: cx.now,
            code: None,
            contact,
            epoch: self.epoch,
            evidence: Evidence::default(),
            expires_at: cx.now.saturating_add(FLOW_LIFETIME),
            pending: None,
            policy: policy.clone(),
            purpose,
            token: Digest::of_token(&cx, purpose, &fresh.token),
        };
        match self.outlook(&cx, &flow, policy) {
            Outlook::Denied(reason) => denied(reason),
            // Nothing is owed, so nothing need be written.
            Outlook::Finished { remind_enrollment } => {
                Decision::unchanged(Progress::Finished(finished(&cx, &flow, remind_enrollment)))
                    .with_event(EventKind::LoginCompleted)
            }
            Outlook::Open { .. } => {
                if let Some(until) = self.failures.locked(cx.now) {
                    return denied(DeniedReason::Locked { until });
                }
                self.flows.retain(|flow| cx.now < flow.expires_at);
                if self.flows.len() >= MAX_FLOWS {
                    self.flows.remove(0);
                }
                self.flows.push(flow);
                let mut decision = self.advance(cx, fresh, self.flows.len() - 1, policy);
                decision.events.insert(0, EventKind::LoginBegun);
                decision
            }
        }
    }

    /// Shows a flow as it is. Nothing changes.
    pub(crate) fn resume(
        &self,
        cx: Context<'_>,
        purpose: Purpose,
        token: &Token,
        policy: &Policy,
    ) -> Decision<Progress> {
        let Some(flow) = self.find(&cx, purpose, token).and_then(|at| self.flows.get(at)) else {
            return denied(DeniedReason::FlowEnded);
        };
        if let Some(until) = self.failures.locked(cx.now) {
            return denied(DeniedReason::Locked { until });
        }
        Decision::unchanged(match self.outlook(&cx, flow, policy) {
            Outlook::Denied(reason) => return denied(reason),
            // What is finished is revealed by the step that finishes it, never by a look. It was finished by a
            // change of the policy or the account; the user begins again.
            Outlook::Finished { .. } => return denied(DeniedReason::FlowEnded),
            Outlook::Open { paths, remind_enrollment } => self.show(&cx, flow, paths, remind_enrollment, None),
        })
    }

    /// Ends a flow.
    pub(crate) fn cancel(&mut self, cx: Context<'_>, purpose: Purpose, token: &Token) -> Decision<()> {
        match self.find(&cx, purpose, token) {
            Some(at) => {
                self.flows.remove(at);
                Decision::changed(())
            }
            None => Decision::unchanged(()),
        }
    }

    /// The flow of a token, if it is alive.
    pub(super) fn find(&self, cx: &Context<'_>, purpose: Purpose, token: &Token) -> Option<usize> {
        self.flows.iter().position(|flow| {
            flow.purpose == purpose
                && flow.epoch == self.epoch
                && cx.now < flow.expires_at
                && flow.token.is_of_token(cx, purpose, token)
        })
    }

    /// Finds a flow in which `step` is open now; `Err` is the answer if there is none.
    pub(super) fn enter(
        &self,
        cx: &Context<'_>,
        purpose: Purpose,
        token: &Token,
        policy: &Policy,
        is_step: impl Fn(Step) -> bool,
        tried: Step,
    ) -> Result<usize, Box<Decision<Progress>>> {
        let found = self.find(cx, purpose, token).and_then(|at| Some((at, self.flows.get(at)?)));
        let Some((at, flow)) = found else { return Err(Box::new(denied(DeniedReason::FlowEnded))) };
        if let Some(until) = self.failures.locked(cx.now) {
            return Err(Box::new(denied(DeniedReason::Locked { until })));
        }
        match self.outlook(cx, flow, policy) {
            Outlook::Denied(reason) => Err(Box::new(denied(reason))),
            Outlook::Finished { .. } => Err(Box::new(denied(DeniedReason::FlowEnded))),
            Outlook::Open { paths, remind_enrollment } => {
                if paths.iter().filter_map(|path| path.steps().first()).any(|step| is_step(*step)) {
                    return Ok(at);
                }
                let shown = self.show(cx, flow, paths, remind_enrollment, Some(Refusal::NotOpen));
                Err(Box::new(Decision::unchanged(shown).with_event(EventKind::StepNotOpen { step: tried })))
            }
        }
    }

    /// Goes on after a step was proved: finishes the flow, or takes the next step as far as it needs no choice.
    pub(super) fn advance(&mut self, cx: Context<'_>, fresh: Fresh, at: usize, policy: &Policy) -> Decision<Progress> {
        let Some(flow) = self.flows.get(at) else { return denied(DeniedReason::FlowEnded) };
        match self.outlook(&cx, flow, policy) {
            Outlook::Denied(reason) => {
                let mut decision = denied(reason);
                decision.changed = true;
                decision
            }
            Outlook::Finished { remind_enrollment } => {
                let flow = self.flows.remove(at);
                if flow.purpose == Purpose::Login {
                    self.failures.restore();
                }
                Decision::changed(Progress::Finished(finished(&cx, &flow, remind_enrollment)))
                    .with_event(EventKind::LoginCompleted)
            }
            Outlook::Open { paths, .. } => {
                let only = |wanted: fn(Step) -> bool| {
                    paths.iter().all(|path| path.steps().first().is_some_and(|step| wanted(*step)))
                };
                if only(is_email) && flow.code.is_none() {
                    self.send(cx, fresh, at, policy)
                } else if only(|step| step == Step::EnrollApp) && flow.pending.is_none() {
                    self.enroll(cx, fresh, at, policy)
                } else {
                    Decision::changed(self.look(&cx, at, policy, None))
                }
            }
        }
    }

    /// Makes an e-mail code for the flow at `at`, within the issuance budget.
    pub(super) fn send(&mut self, cx: Context<'_>, fresh: Fresh, at: usize, policy: &Policy) -> Decision<Progress> {
        if let Some(retry_at) = self.issues.wait(&cx.rules.issuance, cx.now) {
            // A flow that was just begun is stored all the same: the user asks again in it.
            return Decision::changed(self.look(&cx, at, policy, Some(Refusal::TooSoon { retry_at })));
        }
        let Some(flow) = self.flows.get_mut(at) else { return denied(DeniedReason::FlowEnded) };
        let Some((to, _)) = flow.contact.email.clone() else { return denied(DeniedReason::FlowEnded) };
        flow.code = Some(IssuedCode {
            attempts: 0,
            digest: Digest::of_code(&cx, flow, &fresh.code),
            expires_at: cx.now.saturating_add(cx.rules.email_lifetime),
            sent_at: cx.now,
            superseded: flow.code.as_ref().map(|code| code.digest),
        });
        // The user has chosen this way; a secret that is on another screen is not registered any more.
        flow.pending = None;
        self.issues.count(&cx.rules.issuance, cx.now);
        Decision::changed(self.look(&cx, at, policy, None))
            .with_event(EventKind::CodeIssued)
            .with_mail(Some(Outgoing::Code { to, code: fresh.code }))
    }

    /// Shows the flow at `at`.
    pub(super) fn look(&self, cx: &Context<'_>, at: usize, policy: &Policy, refusal: Option<Refusal>) -> Progress {
        let Some(flow) = self.flows.get(at) else { return Progress::Denied(DeniedReason::FlowEnded) };
        match self.outlook(cx, flow, policy) {
            Outlook::Denied(reason) => Progress::Denied(reason),
            Outlook::Finished { .. } => Progress::Denied(DeniedReason::FlowEnded),
            Outlook::Open { paths, remind_enrollment } => self.show(cx, flow, paths, remind_enrollment, refusal),
        }
    }

    /// What is still owed, by the stricter of the policy when the flow began and the policy now.
    pub(super) fn outlook(&self, cx: &Context<'_>, flow: &OpenFlow, policy: &Policy) -> Outlook {
        let policy = Policy::strictest(&flow.policy, [policy]);
        let mut standing = self.standing(cx.now, &flow.contact);
        // A ticket that was redeemed in this flow is gone from the account, but not from its path.
        standing.ticket |= flow.evidence.ticket.is_some();
        let plan = match flow.purpose {
            Purpose::Login => policy.evaluate(&standing),
            Purpose::Registration if flow.evidence.enrolled.is_some() => Plan::Allow { remind_enrollment: false },
            Purpose::Registration => then_enroll(policy.registration_plan(&standing)),
        };
        let (paths, remind_enrollment) = match plan {
            Plan::Allow { remind_enrollment } => return Outlook::Finished { remind_enrollment },
            Plan::Deny(denial) => return Outlook::Denied(DeniedReason::Policy(denial)),
            Plan::Paths { paths, remind_enrollment } => (paths, remind_enrollment),
        };
        let usable = self.devices.iter().any(|device| !device.is_disabled());
        let mut open = Vec::with_capacity(paths.len());
        for path in &paths {
            let owed: Vec<Step> = path.steps().iter().copied().filter(|step| !flow.evidence.answers(*step)).collect();
            if owed.contains(&Step::AppCode) && !usable {
                continue;
            }
            match Path::new(owed) {
                Some(path) => open.push(path),
                None => return Outlook::Finished { remind_enrollment },
            }
        }
        match open.is_empty() {
            true => Outlook::Denied(DeniedReason::DevicesDisabled),
            false => Outlook::Open { paths: open, remind_enrollment },
        }
    }

    fn show(
        &self,
        cx: &Context<'_>,
        flow: &OpenFlow,
        paths: Vec<Path>,
        remind_enrollment: bool,
        refusal: Option<Refusal>,
    ) -> Progress {
        let is_next =
            |wanted: fn(Step) -> bool| paths.iter().any(|path| path.steps().first().is_some_and(|step| wanted(*step)));
        let email = flow.contact.email.as_ref().filter(|_| is_next(is_email)).map(|(address, _)| EmailStatus {
            masked_address: address.masked(),
            sent: flow.code.as_ref().filter(|code| cx.now < code.expires_at).map(IssuedCode::as_sent),
            resend_at: self.issues.wait(&cx.rules.issuance, cx.now),
        });
        let enrolling = is_next(|step| step == Step::EnrollApp);
        let open = Open {
            attempts_left: self.failures.left(&cx.rules.failures),
            email,
            expires_at: flow.expires_at,
            paths,
            refusal,
            remind_enrollment,
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
}

impl IssuedCode {
    fn as_sent(&self) -> SentCode {
        SentCode { sent_at: self.sent_at, expires_at: self.expires_at }
    }
}

pub(super) fn is_email(step: Step) -> bool {
    matches!(step, Step::EmailCode | Step::VerifyEmail)
}

/// A denial that costs no write.
pub(super) fn denied(reason: DeniedReason) -> Decision<Progress> {
    let decision = Decision::unchanged(Progress::Denied(reason));
    match reason {
        DeniedReason::Policy(denial) => decision.with_event(EventKind::LoginDenied { reason: denial.reason }),
        DeniedReason::Locked { until } => decision.with_event(EventKind::RefusedWhileLocked { until }),
        DeniedReason::DevicesDisabled | DeniedReason::FlowEnded => decision,
    }
}

fn finished(cx: &Context<'_>, flow: &OpenFlow, remind_enrollment: bool) -> Finished {
    Finished { user: cx.user.clone(), at: cx.now, evidence: flow.evidence, remind_enrollment }
}

/// A registration from the profile is its proofs, and the registration itself.
fn then_enroll(plan: Plan) -> Plan {
    let proofs: Vec<&[Step]> = match &plan {
        Plan::Allow { .. } => alloc::vec![&[]],
        Plan::Paths { paths, .. } => paths.iter().map(Path::steps).collect(),
        Plan::Deny(_) => return plan,
    };
    let with_enrollment = |proof: &[Step]| Path::new(proof.iter().copied().chain([Step::EnrollApp]).collect());
    let paths = proofs.into_iter().filter_map(with_enrollment).collect();
    Plan::Paths { paths, remind_enrollment: false }
}
