//! What a flow, or a session, still owes: the policy is evaluated again at every step.

use alloc::vec::Vec;

use super::{Account, Device, OpenFlow};
use crate::flow::{Contact, Evidence, Purpose, Refusal};
use crate::limits::Guessing;
use crate::policy::{DeviceStanding, EmailStanding, Path, Plan, Policy, Standing, Step};
use crate::time::Timestamp;

/// What the policy says of evidence.
pub(super) enum Outlook {
    /// There is no way through; with the plan that would have been one, where every factor of it is disabled.
    Denied(Refusal, Plan),
    /// Nothing is owed, or not before the end of the grace period.
    Finished {
        grace_until: Option<Timestamp>,
    },
    Open(Remaining),
}

/// The steps of one of these paths are owed.
pub(super) struct Remaining {
    pub(super) grace_until: Option<Timestamp>,
    pub(super) paths: Vec<Path>,
}

impl Remaining {
    /// The steps that can be taken now, the preferred one first.
    pub(super) fn next(&self) -> Vec<Step> {
        let mut next = Vec::new();
        for step in self.paths.iter().filter_map(|path| path.steps().first()) {
            if !next.contains(step) {
                next.push(*step);
            }
        }
        next
    }

    /// Whether a device is registered on one of the ways.
    pub(super) fn registers(&self) -> bool {
        self.paths.iter().any(|path| path.steps().contains(&Step::EnrollApp))
    }

    pub(super) fn is_next(&self, wanted: impl Fn(Step) -> bool) -> bool {
        self.next().into_iter().any(wanted)
    }

    pub(super) fn is_all_next(&self, wanted: impl Fn(Step) -> bool) -> bool {
        self.next().into_iter().all(wanted)
    }
}

/// What is judged: a flow, or the claims of a session.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) contact: &'a Contact,
    pub(super) evidence: &'a Evidence,
    /// The policy when the flow began, if there is one.
    pub(super) begun_under: Option<&'a Policy>,
    pub(super) policy: &'a Policy,
    pub(super) purpose: Purpose,
}

impl OpenFlow {
    pub(super) fn view<'a>(&'a self, policy: &'a Policy) -> View<'a> {
        let Self { contact, evidence, policy: begun_under, purpose, .. } = self;
        View { contact, evidence, begun_under: Some(begun_under), policy, purpose: *purpose }
    }
}

impl View<'_> {
    /// An administrator's change can only tighten a flow that is open.
    pub(super) fn strictest(&self) -> Policy {
        Policy::strictest(self.policy, self.begun_under)
    }
}

impl Account {
    /// What the policy may know of the user.
    pub(super) fn standing(&self, now: Timestamp, email: Option<EmailStanding>) -> Standing {
        let mut standing = Standing::at(now);
        standing.exemption = self.exemption.clone();
        standing.external = self.external.iter().map(|registered| registered.factor).collect();
        standing.grace = self.grace;
        standing.device = if !self.devices.is_empty() {
            DeviceStanding::Confirmed { recovery_codes: self.has_recovery_codes() }
        } else if self.ever_had_factor {
            DeviceStanding::Formerly
        } else {
            DeviceStanding::Never
        };
        standing.pending = self.flows.iter().any(|flow| flow.pending.is_some());
        standing.email =
            email.map(|email| EmailStanding { tainted: email.tainted || self.is_email_disabled(), ..email });
        standing.ticket = self.ticket.as_ref().is_some_and(|ticket| ticket.is_valid(now));
        standing
    }

    /// After too many wrong e-mail codes no more are sent.
    pub(super) fn is_email_disabled(&self) -> bool {
        self.email_failures >= Guessing::CONSECUTIVE_CAP
    }

    /// What the policy may know of the user in a flow.
    pub(super) fn standing_in(&self, now: Timestamp, view: View<'_>) -> Standing {
        let mut standing = self.standing(now, view.contact.standing());
        // A ticket that was redeemed in this flow is gone from the account, but not from its path.
        standing.ticket |= view.evidence.ticket.is_some();
        standing.trusted = view.evidence.trusted_browser.is_some();
        standing
    }

    /// What is still owed.
    pub(super) fn outlook(&self, now: Timestamp, view: View<'_>) -> Outlook {
        let View { evidence, purpose, .. } = view;
        let policy = view.strictest();
        let standing = self.standing_in(now, view);
        let plan = match purpose {
            Purpose::Login | Purpose::Completion => policy.evaluate(&standing),
            Purpose::Registration => then_enroll(policy.registration_plan(&standing)),
            Purpose::StepUp => standing.step_up_plan(),
        };
        let grace_until = policy.grace_until(&standing).filter(|_| plan.reminds_enrollment());
        let paths = match plan {
            Plan::Allow { .. } => return Outlook::Finished { grace_until },
            Plan::Deny(denial) => return Outlook::Denied(Refusal::Policy(denial), plan),
            Plan::Paths { paths, .. } => paths,
        };
        // A recovery code opens a session, and there a device must follow.
        let must_replace = purpose == Purpose::Completion && evidence.is_recovered();
        let paths = if must_replace { with_new_device(&paths) } else { paths };
        let answers = |step: Step| match step {
            Step::AppCode if must_replace => false,
            step => evidence.answers(step),
        };
        let mut open = Vec::with_capacity(paths.len());
        for path in &paths {
            let owed: Vec<Step> = path.steps().iter().copied().filter(|step| !answers(*step)).collect();
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
        if purpose == Purpose::Registration && open.iter().any(|path| path.steps() == [Step::EnrollApp]) {
            // One proof is enough: the others would be detours.
            open.retain(|path| path.steps() == [Step::EnrollApp]);
        }
        match open.is_empty() {
            true => Outlook::Denied(Refusal::DeviceDisabled, Plan::Paths { paths, remind_enrollment: false }),
            false => Outlook::Open(Remaining { paths: open, grace_until }),
        }
    }

    /// Whether nothing is left that could complete `step`, after too many wrong codes.
    fn is_worn_out(&self, step: Step) -> bool {
        match step {
            Step::AppCode => self.devices.iter().all(Device::is_disabled),
            Step::External(factor) => {
                self.external.iter().any(|registered| registered.factor == factor && registered.is_disabled())
            }
            _ => false,
        }
    }
}

pub(super) fn is_email(step: Step) -> bool {
    matches!(step, Step::EmailCode | Step::VerifyEmail)
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

/// The ways of a user whose recovery code replaced a device: the device after all, or a new one in its place.
fn with_new_device(paths: &[Path]) -> Vec<Path> {
    let mut all = Vec::with_capacity(2 * paths.len());
    for path in paths {
        let replaced = |step: &Step| matches!(step, Step::AppCode | Step::RecoveryCode);
        let new: Vec<Step> =
            path.steps().iter().map(|step| if replaced(step) { Step::EnrollApp } else { *step }).collect();
        let found = (!path.steps().contains(&Step::RecoveryCode)).then(|| path.clone());
        for path in Path::new(new).into_iter().chain(found) {
            if !all.contains(&path) {
                all.push(path);
            }
        }
    }
    all
}
