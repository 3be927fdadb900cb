//! Why a plan is what it is.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::evaluate::not_deferrable;
use super::{
    Channel, ChannelSet, Denial, DenyReason, Exemption, ExternalFactor, FirstRegistration, Path, Plan, Policy,
    Standing, Step,
};
use crate::time::Timestamp;

/// One setting of the administrator, or one fact about the user, that a plan rests on.
///
/// ```
/// use factorgate::policy::{Channel, FirstRegistration, Policy, Reason, Standing, Step};
///
/// let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword)?;
/// let explained = policy.explain(&Standing::new());
/// let (step, reasons) = &explained.steps()[0];
/// assert_eq!(*step, Step::EnrollApp);
/// assert!(reasons.contains(&Reason::NoDevice));
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
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
    /// Fact: the user is exempt from what is enforced.
    Exempt {
        /// The end of the exemption.
        until: Timestamp,
    },
    /// Fact: the user holds this external factor.
    ExternalHeld(ExternalFactor),
    /// Fact: the user does not hold this factor.
    ExternalMissing(ExternalFactor),
    /// Setting: this factor may stand in for the user's own device.
    ExternalStandsIn(ExternalFactor),
    /// Fact: the user has no device now, and held one before.
    FormerFactor,
    /// Setting: the first registration may be put off.
    GraceAllowed,
    /// Fact: the user's grace period has not ended.
    InGrace {
        /// Its end.
        until: Timestamp,
    },
    /// Fact: the user never had a device, nor an external factor.
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
/// reason does, and goes with it. Grace and trust are no part of that situation unless the plan makes use of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    clauses: Vec<(ChannelSet, Vec<Reason>)>,
    exemption: Option<Exemption>,
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

    /// What is asked for before exemption, grace and trust: all of these, each answered by any of its channels.
    #[must_use]
    pub fn clauses(&self) -> &[(ChannelSet, Vec<Reason>)] {
        &self.clauses
    }

    /// The exemption that the plan makes use of, with the name of who granted it, and why.
    #[must_use]
    pub fn exemption(&self) -> Option<&Exemption> {
        self.exemption.as_ref()
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
        let enforced = self.clauses.iter().map(|clause| (clause.clone(), vec![Reason::Enforced]));
        let own = self.own_clause(user).map(|clause| {
            let reasons = own_reasons(&clause);
            (clause, reasons)
        });
        let all = self.requirement(user);
        let asked = if plan.reminds_enrollment() { not_deferrable(all) } else { all };
        Explanation {
            clauses: enforced.chain(own).collect(),
            exemption: user.exempt().filter(|_| self.is_enforced()).cloned(),
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
            Step::External(factor) => self.external_reasons(user, asked, path, factor),
            Step::RecoveryCode => vec![Reason::ConfirmedDevice, Reason::RecoveryCodes],
            Step::Ticket => self.proof_reasons(user).chain([Reason::TicketIssued]).collect(),
            Step::VerifyEmail => self.email_reasons(user, asked, path, Reason::EmailUnverified),
        }
    }

    /// An e-mail step answers a clause that the rest of the path does not, or is the proof before a
    /// registration, or both.
    fn email_reasons(&self, user: &Standing, asked: &[ChannelSet], path: &Path, address: Reason) -> Vec<Reason> {
        let mut reasons = vec![address];
        let alone = answered_alone(asked, path, Channel::Email);
        if !alone.is_empty() {
            reasons.push(Reason::ChannelEnabled(Channel::Email));
        }
        if alone.iter().any(|clause| user.has_device() && self.own_clause(user).as_ref() == Some(clause)) {
            reasons.push(Reason::EmailFallback);
        }
        if path.registers() && !path.steps().contains(&Step::Ticket) && user.external.is_empty() {
            reasons.extend(self.proof_reasons(user));
        }
        reasons
    }

    /// An external factor is the user's own and asked for as such, or else it answers the administrator's clause,
    /// stands in for the user's device, or both.
    fn external_reasons(
        &self,
        user: &Standing,
        asked: &[ChannelSet],
        path: &Path,
        factor: ExternalFactor,
    ) -> Vec<Reason> {
        let (channel, own) = (Channel::External(factor), self.own_clause(user));
        let mut reasons = vec![Reason::ExternalHeld(factor)];
        if !user.has_device() && own.as_ref().is_some_and(|own| own.contains(channel)) {
            return reasons;
        }
        // The user's own clause stands last.
        let (own, enforced) = if own.is_some() { asked.split_last().unzip() } else { (None, Some(asked)) };
        let disabled = enforced
            .into_iter()
            .flatten()
            .map(|clause| clause.without(channel))
            .chain(own.cloned())
            .collect::<Vec<_>>();
        let remains = self.paths(user, &disabled).iter().any(|path| path.steps().contains(&Step::External(factor)));
        reasons.extend((!remains).then_some(Reason::ChannelEnabled(channel)));
        let stands_in = own.is_some_and(|own| answered_alone(asked, path, channel).contains(&own));
        reasons.extend(stands_in.then_some(Reason::ExternalStandsIn(factor)));
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
        if let Some(exemption) = user.exempt().filter(|_| self.is_enforced()) {
            reasons.extend([Reason::Exempt { until: exemption.until() }, Reason::NeverHeldFactor]);
        }
        if let Some(until) = self.grace_until(user).filter(|_| plan.reminds_enrollment()) {
            reasons.extend([Reason::GraceAllowed, Reason::InGrace { until }, Reason::NeverHeldFactor]);
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
                DenyReason::NoExternalFactor => {
                    let unanswered = self.unanswered(user, asked).into_iter();
                    let without = unanswered.filter(|clause| self.cure(clause) == Denial::NO_EXTERNAL_FACTOR);
                    reasons.extend(without.flat_map(|clause| clause.external()).flat_map(|&factor| {
                        [Reason::ChannelEnabled(Channel::External(factor)), Reason::ExternalMissing(factor)]
                    }));
                    reasons.sort_unstable();
                    reasons.dedup();
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

/// Why a clause is the user's own. With an app in it, it is the device's, and the rest stands in for it.
fn own_reasons(clause: &ChannelSet) -> Vec<Reason> {
    let device = clause.contains(Channel::App);
    let mut reasons = Vec::new();
    for channel in clause.iter() {
        match channel {
            Channel::App => reasons.push(Reason::ConfirmedDevice),
            Channel::Email => reasons.extend([Reason::EmailFallback, Reason::EmailVerified]),
            Channel::External(factor) => {
                reasons.extend(device.then_some(Reason::ExternalStandsIn(factor)));
                reasons.push(Reason::ExternalHeld(factor));
            }
        }
    }
    reasons
}

/// The clauses that `path` answers by `channel` alone.
fn answered_alone<'a>(asked: &'a [ChannelSet], path: &Path, channel: Channel) -> Vec<&'a ChannelSet> {
    let answered: ChannelSet = path.steps().iter().filter_map(|step| step.channel()).collect();
    let rest: ChannelSet = answered.iter().filter(|answer| *answer != channel).collect();
    asked.iter().filter(|clause| clause.contains(channel) && !clause.intersects(&rest)).collect()
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
            writeln!(f, "- {}: {}", ClauseText(channels), ReasonsText(reasons))?;
        }
        if !self.outcome.is_empty() {
            f.write_str(match self.plan {
                Plan::Allow { .. } => "All of it is lifted",
                Plan::Deny(_) => "There is no way through",
                Plan::Paths { .. } => "Part of it is lifted",
            })?;
            writeln!(f, ": {}", ReasonsText(&self.outcome))?;
        }
        if let Some(exemption) = &self.exemption {
            writeln!(f, "The exemption was granted by {}: {}", exemption.granted_by(), exemption.reason())?;
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

struct ClauseText<'a>(&'a ChannelSet);

impl fmt::Display for ClauseText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, channel) in self.0.iter().enumerate() {
            f.write_str(if i > 0 { " or " } else { "" })?;
            match channel {
                Channel::App => f.write_str("an app")?,
                Channel::Email => f.write_str("an e-mail code")?,
                Channel::External(factor) => write!(f, "the factor {factor}")?,
            }
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
            Self::ChannelEnabled(Channel::External(factor)) => return write!(f, "the factor {factor} is enabled"),
            Self::Exempt { until } => return write!(f, "the user is exempt until {}", Utc(*until)),
            Self::ExternalHeld(factor) => return write!(f, "the user holds the factor {factor}"),
            Self::ExternalMissing(factor) => return write!(f, "the user does not hold the factor {factor}"),
            Self::ExternalStandsIn(factor) => {
                return write!(f, "the factor {factor} may stand in for the user's device");
            }
            Self::InGrace { until } => return write!(f, "the user is in grace until {}", Utc(*until)),
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
            Self::NeverHeldFactor => "the user never held a factor",
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

/// A time as people read it.
struct Utc(Timestamp);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.as_secs() / 86_400, self.0.as_secs() % 86_400);
        // Days are counted from 0000-03-01, so that a leap day ends a year, and in eras of 400 years.
        let (era, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, carried) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let (year, hour, minute) = (era * 400 + year + carried, rest / 3_600, rest % 3_600 / 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn times_read_as_dates() {
        for (secs, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_825_600, "2000-02-29 12:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (4_102_444_799, "2099-12-31 23:59 UTC"),
        ] {
            assert_eq!(Utc(Timestamp::from_secs(secs)).to_string(), text);
        }
        assert!(Utc(Timestamp::from_secs(u64::MAX)).to_string().ends_with("UTC"));
    }
}
