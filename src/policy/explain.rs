//! Why a plan is what it is.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::evaluate::without_app_clause;
use super::{Channel, ChannelSet, DenyReason, FirstRegistration, Path, Plan, Policy, Standing, Step};

/// One setting of the administrator, or one fact about the user, that a plan rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Setting: the channel is enabled.
    ChannelEnabled(Channel),
    /// Fact: the user has a confirmed device.
    ConfirmedDevice,
    /// Setting: an e-mail code may stand in for the user's own device.
    EmailFallback,
    /// Fact: there is no address on record.
    EmailMissing,
    /// Fact: the address was changed by someone who had not proved enough.
    EmailTainted,
    /// Fact: the address on record is not verified.
    EmailUnverified,
    /// Fact: the address on record is verified.
    EmailVerified,
    /// Setting: a second factor is enforced.
    Enforced,
    /// Fact: the user has no device now, and held one before.
    FormerFactor,
    /// Setting: the first registration may be put off.
    GraceAllowed,
    /// Fact: the user's grace period has not ended.
    InGrace,
    /// Fact: the user never held a device.
    NeverHeldFactor,
    /// Fact: the user has no confirmed device.
    NoDevice,
    /// Fact: the user holds no ticket.
    NoTicket,
    /// Fact: unused recovery codes are left.
    RecoveryCodes,
    /// Setting: the first registration needs an e-mail code or a ticket.
    RegistrationNeedsEmailCode,
    /// Setting: the first registration needs a ticket.
    RegistrationNeedsTicket,
    /// Fact: the user holds a ticket.
    TicketIssued,
    /// Fact: the user chose to trust this browser.
    TrustedBrowser,
    /// Setting: a trusted browser passes without a challenge.
    TrustedBrowsersAllowed,
}

/// A plan with the reasons for each of its parts. Its `Display` is a text for the administrator.
///
/// Every reason is true of the settings and the user. Every reason matters: there is a situation, made by taking
/// away some of the other reasons or none, in which the step (or the clause, or the outcome) stays as long as the
/// reason does, and goes with it. Grace is no part of that situation unless the plan makes use of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    clauses: Vec<(ChannelSet, Vec<Reason>)>,
    outcome: Vec<Reason>,
    plan: Plan,
    steps: Vec<(Step, Vec<Reason>)>,
}

impl Explanation {
    /// The plan that is explained.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is asked for before grace and trust: all of these, each answered by any of its channels.
    #[must_use]
    pub fn clauses(&self) -> &[(ChannelSet, Vec<Reason>)] {
        &self.clauses
    }

    /// Every step that occurs in the plan, once.
    #[must_use]
    pub fn steps(&self) -> &[(Step, Vec<Reason>)] {
        &self.steps
    }

    /// Why the plan asks for less than the clauses do, or is a denial; empty if neither is the case.
    #[must_use]
    pub fn outcome(&self) -> &[Reason] {
        &self.outcome
    }
}

impl Policy {
    /// The plan of [`Policy::evaluate`], and why it is what it is.
    ///
    /// ```
    /// use factorgate::policy::{Channel, DeviceStanding, FirstRegistration, Policy, Standing};
    ///
    /// let policy = Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode)?;
    /// let mut user = Standing::new();
    /// user.device = DeviceStanding::Confirmed { recovery_codes: false };
    ///
    /// assert_eq!(policy.explain(&user).to_string(), "\
    /// The login asks for
    /// - an app or an e-mail code: a second factor is enforced
    /// - an app: the user has a confirmed device
    /// The user can
    /// - enter an app code: the user has a confirmed device
    /// Plan: enter an app code");
    /// # Ok::<_, factorgate::policy::InvalidPolicy>(())
    /// ```
    #[must_use]
    pub fn explain(&self, user: &Standing) -> Explanation {
        let plan = self.evaluate(user);
        let enforced = self.clauses.iter().map(|&clause| (clause, vec![Reason::Enforced]));
        let own = self.own_device_clause(user).map(|clause| (clause, own_device_reasons(clause)));
        let all = self.requirement(user);
        let asked = if plan.reminds_enrollment() { without_app_clause(&all) } else { all };
        Explanation {
            clauses: enforced.chain(own).collect(),
            outcome: self.outcome_reasons(user, &asked, &plan),
            steps: self.steps_with_reasons(user, &asked, plan.paths()),
            plan,
        }
    }

    fn steps_with_reasons(&self, user: &Standing, asked: &[ChannelSet], paths: &[Path]) -> Vec<(Step, Vec<Reason>)> {
        let mut steps: Vec<(Step, Vec<Reason>)> = Vec::new();
        for path in paths {
            for &step in path.steps() {
                let reasons = self.step_reasons(user, asked, path, step);
                match steps.iter_mut().find(|(known, _)| *known == step) {
                    Some((_, known)) => known.extend(reasons),
                    None => steps.push((step, reasons)),
                }
            }
        }
        for (_, reasons) in &mut steps {
            reasons.sort_unstable();
            reasons.dedup();
        }
        steps
    }

    fn step_reasons(&self, user: &Standing, asked: &[ChannelSet], path: &Path, step: Step) -> Vec<Reason> {
        match step {
            Step::AppCode => vec![Reason::ConfirmedDevice],
            Step::EmailCode => self.email_reasons(user, asked, path, Reason::EmailVerified),
            Step::EnrollApp => vec![Reason::ChannelEnabled(Channel::App), Reason::NoDevice],
            Step::RecoveryCode => vec![Reason::ConfirmedDevice, Reason::RecoveryCodes],
            Step::Ticket => self.proof_reasons(user).chain([Reason::TicketIssued]).collect(),
            Step::VerifyEmail => self.email_reasons(user, asked, path, Reason::EmailUnverified),
        }
    }

    /// An e-mail step answers a clause that the rest of the path does not, or is the proof before a
    /// registration, or both.
    fn email_reasons(&self, user: &Standing, asked: &[ChannelSet], path: &Path, address: Reason) -> Vec<Reason> {
        let has = |step: Step| path.steps().contains(&step);
        let app_answers = has(Step::AppCode) || has(Step::RecoveryCode) || path.registers();
        let mut reasons = vec![address];
        if !app_answers || asked.contains(&ChannelSet::EMAIL) {
            reasons.push(Reason::ChannelEnabled(Channel::Email));
        }
        if !app_answers && user.has_device() {
            reasons.push(Reason::EmailFallback);
        }
        if path.registers() && !has(Step::Ticket) {
            reasons.extend(self.proof_reasons(user));
        }
        reasons
    }

    /// Why a first registration needs a proof.
    fn proof_reasons(&self, user: &Standing) -> impl Iterator<Item = Reason> {
        let setting = match self.first_registration {
            FirstRegistration::AfterPassword => None,
            FirstRegistration::AfterEmailCode => Some(Reason::RegistrationNeedsEmailCode),
            FirstRegistration::WithTicket => Some(Reason::RegistrationNeedsTicket),
        };
        setting.into_iter().chain(user.ever_held_factor().then_some(Reason::FormerFactor))
    }

    fn outcome_reasons(&self, user: &Standing, asked: &[ChannelSet], plan: &Plan) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if plan.reminds_enrollment() {
            reasons.extend([Reason::GraceAllowed, Reason::InGrace, Reason::NeverHeldFactor]);
        }
        match plan {
            Plan::Allow { .. } if !asked.is_empty() => {
                reasons.extend([Reason::TrustedBrowsersAllowed, Reason::TrustedBrowser]);
            }
            Plan::Allow { .. } | Plan::Paths { .. } => {}
            Plan::Deny(denial) => match denial.reason {
                DenyReason::NoUsableEmail => {
                    reasons.push(Reason::ChannelEnabled(Channel::Email));
                    reasons.extend(email_flaw(user));
                }
                DenyReason::NoFirstEnrollmentProof => {
                    reasons.extend([Reason::ChannelEnabled(Channel::App), Reason::NoDevice]);
                    // With an address, a factor held before would be no obstacle: its code is proof enough.
                    let proof = self.proof_reasons(user);
                    reasons.extend(proof.filter(|r| *r != Reason::FormerFactor || user.email_step().is_none()));
                    reasons.push(Reason::NoTicket);
                    let proves = self.first_registration_of(user) == FirstRegistration::AfterEmailCode;
                    let answers = asked.iter().all(|clause| clause.contains(Channel::Email));
                    reasons.extend(email_flaw(user).filter(|_| proves || answers));
                }
            },
        }
        reasons
    }
}

fn own_device_reasons(clause: ChannelSet) -> Vec<Reason> {
    if clause.contains(Channel::Email) {
        vec![Reason::ConfirmedDevice, Reason::EmailFallback, Reason::EmailVerified]
    } else {
        vec![Reason::ConfirmedDevice]
    }
}

/// Why no code may be sent to this user.
fn email_flaw(user: &Standing) -> Option<Reason> {
    match user.email {
        None => Some(Reason::EmailMissing),
        Some(email) => email.tainted.then_some(Reason::EmailTainted),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.clauses.is_empty() {
            f.write_str("The login asks for nothing: no factor is enforced, and the user has no confirmed device\n")?;
        } else {
            f.write_str("The login asks for\n")?;
        }
        for (channels, reasons) in &self.clauses {
            writeln!(f, "- {}: {}", ClauseText(*channels), ReasonsText(reasons))?;
        }
        if !self.outcome.is_empty() {
            f.write_str(match self.plan {
                Plan::Allow { .. } => "All of it is lifted",
                Plan::Deny(_) => "There is no way through",
                Plan::Paths { .. } => "Part of it is lifted",
            })?;
            writeln!(f, ": {}", ReasonsText(&self.outcome))?;
        }
        if !self.steps.is_empty() {
            f.write_str("The user can\n")?;
        }
        for (step, reasons) in &self.steps {
            writeln!(f, "- {step}: {}", ReasonsText(reasons))?;
        }
        write!(f, "Plan: {}", self.plan)
    }
}

struct ClauseText(ChannelSet);

impl fmt::Display for ClauseText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, channel) in self.0.iter().enumerate() {
            f.write_str(if i > 0 { " or " } else { "" })?;
            f.write_str(match channel {
                Channel::App => "an app",
                Channel::Email => "an e-mail code",
            })?;
        }
        Ok(())
    }
}

struct ReasonsText<'a>(&'a [Reason]);

impl fmt::Display for ReasonsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.0.iter().enumerate() {
            write!(f, "{}{reason}", if i > 0 { ", and " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChannelEnabled(Channel::App) => "the app channel is enabled",
            Self::ChannelEnabled(Channel::Email) => "the e-mail channel is enabled",
            Self::ConfirmedDevice => "the user has a confirmed device",
            Self::EmailFallback => "an e-mail code may stand in for the user's device",
            Self::EmailMissing => "the user has no e-mail address on record",
            Self::EmailTainted => "the user's e-mail address was changed without enough proof",
            Self::EmailUnverified => "the user's e-mail address is not verified",
            Self::EmailVerified => "the user's e-mail address is verified",
            Self::Enforced => "a second factor is enforced",
            Self::FormerFactor => "the user held a device before",
            Self::GraceAllowed => "the first registration may be put off",
            Self::InGrace => "the user's grace period has not ended",
            Self::NeverHeldFactor => "the user never held a device",
            Self::NoDevice => "the user has no confirmed device",
            Self::NoTicket => "the user holds no ticket",
            Self::RecoveryCodes => "the user has unused recovery codes",
            Self::RegistrationNeedsEmailCode => "the first registration needs an e-mail code or a ticket",
            Self::RegistrationNeedsTicket => "the first registration needs a ticket",
            Self::TicketIssued => "the user holds a ticket",
            Self::TrustedBrowser => "the user trusts this browser",
            Self::TrustedBrowsersAllowed => "trusted browsers pass without a challenge",
        })
    }
}
