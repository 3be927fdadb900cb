//! Opening a flow, and where it stands: the policy is asked anew at every step.

use alloc::vec::Vec;

use super::step_up::Session;
use super::trust::Noted;
use super::{
    Account, Context, Decision, Digest, FLOW_LIFETIME, Fresh, IssuedCode, MAX_FLOWS, OpenFlow, Outgoing, Progress,
    Request,
};
use crate::event::EventKind;
use crate::login::{
    BrowserToken, Contact, DeniedReason, EmailStatus, Finished, Open, Purpose, Refusal, SentCode, Token,
};
use crate::otpauth::KeyUri;
use crate::policy::{Path, Plan, Policy, Standing, Step};
use crate::recovery::RecoveryCodesLeft;
use crate::time::Timestamp;

/// What the policy says of an open flow, its evidence taken into account.
pub(super) enum Outlook {
    Denied(DeniedReason),
    /// Nothing is owed, or not before the end of the grace period.
    Finished {
        grace_until: Option<Timestamp>,
    },
    Open(Owed),
}

/// What is owed: the steps of one of these paths.
pub(super) struct Owed {
    paths: Vec<Path>,
    grace_until: Option<Timestamp>,
}

impl Owed {
    fn next(&self) -> impl Iterator<Item = Step> {
        self.paths.iter().filter_map(|path| path.steps().first().copied())
    }

    fn is_next(&self, wanted: impl Fn(Step) -> bool) -> bool {
        self.next().any(wanted)
    }

    fn is_all_next(&self, wanted: impl Fn(Step) -> bool) -> bool {
        self.next().all(wanted)
    }
}

/// What a request to begin a flow brings with it.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) browser: Option<&'a BrowserToken>,
    pub(crate) contact: &'a Contact,
    pub(crate) policy: &'a Policy,
    pub(crate) purpose: Purpose,
    pub(crate) session: Session<'a>,
}

impl Account {
    /// Begins a flow, unless nothing is owed or there is no way through.
    pub(crate) fn begin(&mut self, cx: Context<'_>, fresh: Fresh, opening: Opening<'_>) -> Decision<Progress> {
        let Opening { browser, contact, policy, purpose, session } = opening;
        if !self.is_open(session, cx.now) {
            return denied(DeniedReason::SessionEnded);
        }
        let mut flow = OpenFlow {
            begun_at: cx.now,
            code: None,
            contact: contact.clone(),
            epoch: self.epoch,
            evidence: self.proved_before(session, cx.now),
            expires_at: cx.now.saturating_add(FLOW_LIFETIME),
            pending: None,
            policy: policy.clone(),
            purpose,
            replaces: None,
            token: Digest::of_token(&cx, purpose, &fresh.token),
        };
        match self.outlook(&cx, &flow, policy) {
            Outlook::Denied(reason) => denied(reason),
            Outlook::Finished { grace_until } => {
                let finished = Progress::Finished(finished(&cx, &flow, policy, grace_until));
                match self.begin_grace(&cx, &flow, policy) {
                    Some(begun) => Decision::changed(finished).with_event(begun),
                    // Nothing is owed, so nothing need be written.
                    None => Decision::unchanged(finished),
                }
                .with_event(completed(purpose))
            }
            Outlook::Open(_) => {
                if let Some(until) = self.failures.locked(cx.now) {
                    return denied(DeniedReason::Locked { until });
                }
                let mut noted = Noted::default();
                if let Some(token) = browser {
                    match self.pass_as_trusted(&cx, &fresh, &mut flow, policy, token) {
                        Ok(decision) => return decision,
                        Err(refused) => noted = refused,
                    }
                }
                let Noted { mut events, notice } = noted;
                events.push(begun(purpose));
                self.flows.retain(|flow| cx.now < flow.expires_at);
                if self.flows.len() >= MAX_FLOWS {
                    self.flows.remove(0);
                }
                self.flows.push(flow);
                let mut decision = self.advance(cx, fresh, self.flows.len() - 1, policy);
                events.append(&mut decision.events);
                decision.events = events;
                decision.with_mail(notice)
            }
        }
    }

    /// Shows a flow as it is. Nothing changes.
    pub(crate) fn resume(&self, rq: &Request<'_>) -> Decision<Progress> {
        match self.open_flow(rq) {
            Ok((_, flow, outlook)) => Decision::unchanged(self.show(&rq.cx, flow, outlook, None)),
            Err(reason) => denied(reason),
        }
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

    /// Does `take` with the flow, if `step` is open in it now.
    pub(super) fn at_step(
        &mut self,
        rq: &Request<'_>,
        step: Step,
        take: impl FnOnce(&mut Self, usize) -> Decision<Progress>,
    ) -> Decision<Progress> {
        let (at, flow, outlook) = match self.open_flow(rq) {
            Ok(open) => open,
            Err(reason) => return denied(reason),
        };
        // A code by e-mail answers both steps that ask for one.
        if outlook.is_next(|next| next == step || is_email(next) && is_email(step)) {
            return take(self, at);
        }
        Decision::unchanged(self.show(&rq.cx, flow, outlook, Some(Refusal::NotOpen)))
            .with_event(EventKind::StepNotOpen { step })
    }

    /// The flow of a request that is alive and owes something, unless its user is locked.
    pub(super) fn open_flow(&self, rq: &Request<'_>) -> Result<(usize, &OpenFlow, Owed), DeniedReason> {
        let at = self.find(&rq.cx, rq.purpose, rq.token).ok_or(DeniedReason::FlowEnded)?;
        let flow = self.flows.get(at).ok_or(DeniedReason::FlowEnded)?;
        if let Some(until) = self.failures.locked(rq.cx.now) {
            return Err(DeniedReason::Locked { until });
        }
        match self.outlook(&rq.cx, flow, rq.policy) {
            Outlook::Denied(reason) => Err(reason),
            // A login is finished by the step that proves the last thing, never by a look: this one is owed nothing
            // any more because the account has changed. The user begins again.
            Outlook::Finished { .. } => Err(DeniedReason::FlowEnded),
            Outlook::Open(owed) => Ok((at, flow, owed)),
        }
    }

    /// The flow of a token, if it is alive.
    fn find(&self, cx: &Context<'_>, purpose: Purpose, token: &Token) -> Option<usize> {
        self.flows.iter().position(|flow| {
            flow.purpose == purpose
                && flow.epoch == self.epoch
                && cx.now < flow.expires_at
                && flow.token.is_of_token(cx, purpose, token)
        })
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
            Outlook::Finished { grace_until } => {
                let flow = self.flows.remove(at);
                if flow.purpose == Purpose::Login {
                    self.failures.restore();
                }
                let begun = self.begin_grace(&cx, &flow, policy);
                let mut finished = finished(&cx, &flow, policy, grace_until);
                let left = self.recovery_codes_left().unwrap_or(RecoveryCodesLeft::None);
                finished.recovery = self.lead_to_registration(&cx, fresh.token, &flow).map(|token| (token, left));
                let mut decision = Decision::changed(Progress::Finished(finished));
                decision.events.extend(begun);
                decision.with_event(completed(flow.purpose))
            }
            Outlook::Open(owed) => {
                if owed.is_all_next(is_email) && flow.code.is_none() {
                    self.send(cx, fresh, at, policy)
                } else if owed.is_all_next(|step| step == Step::EnrollApp) && flow.pending.is_none() {
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
            Outlook::Open(owed) => self.show(cx, flow, owed, refusal),
        }
    }

    /// What the policy may know of the user in a flow.
    pub(super) fn standing_in(&self, cx: &Context<'_>, flow: &OpenFlow) -> Standing {
        let mut standing = self.standing(cx.now, &flow.contact);
        // A ticket that was redeemed in this flow is gone from the account, but not from its path.
        standing.ticket |= flow.evidence.ticket.is_some();
        standing.trusted = flow.evidence.trusted_browser.is_some();
        standing
    }

    /// What is still owed, by the stricter of the policy when the flow began and the policy now.
    pub(super) fn outlook(&self, cx: &Context<'_>, flow: &OpenFlow, policy: &Policy) -> Outlook {
        let policy = Policy::strictest(&flow.policy, [policy]);
        let standing = self.standing_in(cx, flow);
        let plan = match flow.purpose {
            Purpose::Login => policy.evaluate(&standing),
            Purpose::Registration if flow.evidence.enrolled.is_some() => Plan::Allow { remind_enrollment: false },
            Purpose::Registration => then_enroll(policy.registration_plan(&standing)),
            Purpose::StepUp => standing.step_up_plan(),
        };
        let grace_until = policy.grace_until(&standing).filter(|_| plan.reminds_enrollment());
        let paths = match plan {
            Plan::Allow { .. } => return Outlook::Finished { grace_until },
            Plan::Deny(denial) => return Outlook::Denied(DeniedReason::Policy(denial)),
            Plan::Paths { paths, .. } => paths,
        };
        let mut open = Vec::with_capacity(paths.len());
        for path in &paths {
            let owed: Vec<Step> = path.steps().iter().copied().filter(|step| !flow.evidence.answers(*step)).collect();
            if owed.iter().any(|step| self.is_worn_out(*step)) {
                continue;
            }
            match Path::new(owed) {
                // An app code and the recovery code in its place leave the same to be done.
                Some(path) if open.contains(&path) => {}
                Some(path) => open.push(path),
                None => return Outlook::Finished { grace_until },
            }
        }
        if flow.purpose == Purpose::Registration && open.iter().any(|path| path.steps() == [Step::EnrollApp]) {
            // One proof is enough: the others would be detours.
            open.retain(|path| path.steps() == [Step::EnrollApp]);
        }
        match open.is_empty() {
            true => Outlook::Denied(DeniedReason::DevicesDisabled),
            false => Outlook::Open(Owed { paths: open, grace_until }),
        }
    }

    fn show(&self, cx: &Context<'_>, flow: &OpenFlow, owed: Owed, refusal: Option<Refusal>) -> Progress {
        let email = flow.contact.email.as_ref().filter(|_| owed.is_next(is_email)).map(|(address, _)| EmailStatus {
            masked_address: address.masked(),
            sent: flow.code.as_ref().filter(|code| cx.now < code.expires_at).map(IssuedCode::as_sent),
            resend_at: self.issues.wait(&cx.rules.issuance, cx.now),
        });
        let enrolling = owed.is_next(|step| step == Step::EnrollApp);
        let open = Open {
            attempts_left: self.failures.left(&cx.rules.failures),
            email,
            expires_at: flow.expires_at,
            grace_until: owed.grace_until,
            paths: owed.paths,
            recovery_codes_left: self.recovery_codes_left().filter(|_| flow.evidence.recovery_code.is_some()),
            refusal,
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
        DeniedReason::DevicesDisabled | DeniedReason::FlowEnded | DeniedReason::SessionEnded => decision,
    }
}

fn begun(purpose: Purpose) -> EventKind {
    match purpose {
        Purpose::Login => EventKind::LoginBegun,
        Purpose::Registration => EventKind::RegistrationBegun,
        Purpose::StepUp => EventKind::StepUpBegun,
    }
}

pub(super) fn completed(purpose: Purpose) -> EventKind {
    match purpose {
        Purpose::Login => EventKind::LoginCompleted,
        Purpose::Registration => EventKind::RegistrationCompleted,
        Purpose::StepUp => EventKind::StepUpCompleted,
    }
}

pub(super) fn finished(cx: &Context<'_>, flow: &OpenFlow, policy: &Policy, grace_until: Option<Timestamp>) -> Finished {
    Finished {
        user: cx.user.clone(),
        at: cx.now,
        browser: None,
        contact: flow.contact.clone(),
        epoch: flow.epoch,
        evidence: flow.evidence.clone(),
        grace_until,
        policy: Policy::strictest(&flow.policy, [policy]),
        recovery: None,
    }
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
