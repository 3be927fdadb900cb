//! From settings and a standing to a plan.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::{
    Channel, ChannelSet, Denial, DeviceStanding, ExternalFactor, FirstRegistration, Grace, Path, Plan, Policy,
    RemovalRefused, Standing, Step,
};
use crate::time::Timestamp;

impl Policy {
    /// What this user must do to finish a login, once the first factor is proved.
    ///
    /// Every path of the plan meets the whole requirement. An exemption lifts what the administrator enforces, grace
    /// defers a registration, and neither does anything else; a trusted browser is a filter on the finished plan.
    ///
    /// ```
    /// use factorgate::policy::{Channel, DeviceStanding, FirstRegistration, Policy, Standing, Step};
    ///
    /// let mut user = Standing::new();
    /// user.device = DeviceStanding::Confirmed { recovery_codes: false };
    ///
    /// // A user's own device is asked for also where nothing is enforced.
    /// let plan = Policy::off(FirstRegistration::AfterEmailCode).evaluate(&user);
    /// assert_eq!(plan.paths()[0].steps(), [Step::AppCode]);
    /// ```
    #[must_use]
    pub fn evaluate(&self, user: &Standing) -> Plan {
        let clauses = self.requirement(user);
        let deferred = self.grace_until(user).is_some() && clauses.iter().any(is_deferrable);
        let asked = if deferred { not_deferrable(clauses) } else { clauses };
        if asked.is_empty() {
            return Plan::Allow { remind_enrollment: deferred };
        }
        let paths = self.paths(user, &asked);
        if paths.is_empty() {
            return Plan::Deny(self.denial(user, &asked));
        }
        if self.trusted_browsers && user.trusted && paths.iter().any(Path::is_challenge) {
            return Plan::Allow { remind_enrollment: deferred };
        }
        Plan::Paths { paths, remind_enrollment: deferred }
    }

    /// Returns what a signed-in user must prove before registering a device from the profile.
    ///
    /// It does not depend on the channels that the administrator enabled: a user may always register a device. A user with
    /// a device proves it by a code, by a recovery code in its place, or by a phishing-resistant external factor. A user
    /// with external factors alone proves the strongest. A user with neither proves what [`Policy::first_registration`]
    /// asks for.
    #[must_use]
    pub fn registration_plan(&self, user: &Standing) -> Plan {
        let proofs: Vec<Vec<Step>> = if user.has_device() {
            let as_strong = user.phishing_resistant().map(|factor| vec![Step::External(factor)]);
            as_strong.chain(self.ways(user, Channel::App)).collect()
        } else {
            self.proofs(user)
        };
        if proofs.is_empty() {
            return Plan::Deny(Denial::NO_FIRST_ENROLLMENT_PROOF);
        }
        match proofs.into_iter().map(Path::new).collect() {
            Some(paths) => Plan::Paths { paths, remind_enrollment: false },
            // An empty proof: nothing need be proved.
            None => Plan::Allow { remind_enrollment: false },
        }
    }

    /// Whether this user can do without the last device: the next login, from a browser that is not trusted,
    /// must have a way through that does not begin with a new registration. Grace and exemptions are not for who
    /// held a device.
    ///
    /// # Errors
    ///
    /// [`RemovalRefused`] says what would become of the next login.
    pub fn allows_removal_of_last_device(&self, user: &Standing) -> Result<(), RemovalRefused> {
        self.leaves_a_way(&Standing { device: DeviceStanding::Formerly, ..user.lasting() })
    }

    /// Whether this user can do without an external factor, as
    /// [`Policy::allows_removal_of_last_device`] says it of the last device. Who still holds another factor may need
    /// this one all the same.
    ///
    /// # Errors
    ///
    /// [`RemovalRefused`] says what would become of the next login.
    ///
    /// ```
    /// use factorgate::policy::{Channel, ExternalFactor, FirstRegistration, Policy, Standing};
    ///
    /// let passkey = ExternalFactor::phishing_resistant("passkey")?;
    /// let mut user = Standing::new();
    /// user.external.insert(passkey);
    ///
    /// let first = FirstRegistration::WithTicket;
    /// assert!(Policy::off(first).allows_removal_of_external(&user, passkey).is_ok());
    /// let enforced = Policy::any_of([Channel::External(passkey)], first)?;
    /// assert!(enforced.allows_removal_of_external(&user, passkey).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn allows_removal_of_external(&self, user: &Standing, factor: ExternalFactor) -> Result<(), RemovalRefused> {
        let mut after = user.lasting();
        if after.external.remove(&factor) && !after.has_device() {
            after.device = DeviceStanding::Formerly;
        }
        self.leaves_a_way(&after)
    }

    /// Whether the next login has a way through that does not begin with a new registration.
    fn leaves_a_way(&self, after: &Standing) -> Result<(), RemovalRefused> {
        match self.evaluate(after) {
            Plan::Allow { .. } => Ok(()),
            Plan::Deny(denial) => Err(RemovalRefused::LoginDenied(denial)),
            Plan::Paths { paths, .. } if paths.iter().all(Path::registers) => Err(RemovalRefused::MustRegister),
            Plan::Paths { .. } => Ok(()),
        }
    }

    /// All that must be answered: the administrator's clauses, unless the user is exempt, and the user's own.
    pub(super) fn requirement(&self, user: &Standing) -> Vec<ChannelSet> {
        let mut clauses: Vec<ChannelSet> =
            if user.exempt().is_some() { Vec::new() } else { self.clauses.iter().cloned().collect() };
        clauses.extend(self.own_clause(user));
        clauses
    }

    /// What the user holds is always asked for: the device, or else the strongest of the factors that the host
    /// checks. Another channel stands in for the device only by the administrator's leave, and an e-mail code only
    /// where the address was verified before.
    pub(super) fn own_clause(&self, user: &Standing) -> Option<ChannelSet> {
        if user.has_device() {
            let email = self.email_fallback && user.usable_email().is_some_and(|email| email.verified);
            let stand_ins = self.stand_ins.intersection(&user.external).copied().map(Channel::External);
            Some([Channel::App].into_iter().chain(email.then_some(Channel::Email)).chain(stand_ins).collect())
        } else {
            Some(user.strongest_external().map(Channel::External).collect()).filter(|set: &ChannelSet| !set.is_empty())
        }
    }

    /// Every way to answer all of `clauses`, without detours.
    pub(super) fn paths(&self, user: &Standing, clauses: &[ChannelSet]) -> Vec<Path> {
        let all = clauses.iter().fold(ChannelSet::default(), |all, clause| all.union(clause));
        let ways: Vec<_> = all.iter().map(|channel| (channel, self.ways(user, channel))).collect();
        let mut found = BTreeSet::new();
        for channels in
            smallest_answers(clauses, |channel| ways.iter().any(|(c, way)| *c == channel && !way.is_empty()))
        {
            let mut begun = vec![Vec::new()];
            // The app last: a registration comes after what must be proved before it.
            for (_, ways) in ways.iter().rev().filter(|(channel, _)| channels.contains(*channel)) {
                begun = begun.iter().flat_map(|steps| ways.iter().map(|way| followed_by(steps, way))).collect();
            }
            found.extend(begun.into_iter().filter_map(Path::new));
        }
        found.into_iter().collect()
    }

    /// Every sequence of steps by which this user can answer with `channel` now.
    fn ways(&self, user: &Standing, channel: Channel) -> Vec<Vec<Step>> {
        match channel {
            Channel::App if user.has_recovery_codes() => vec![vec![Step::AppCode], vec![Step::RecoveryCode]],
            Channel::App if user.has_device() => vec![vec![Step::AppCode]],
            Channel::App if self.channels.contains(Channel::App) => {
                self.proofs(user).iter().map(|proof| followed_by(proof, &[Step::EnrollApp])).collect()
            }
            Channel::App => Vec::new(),
            Channel::Email => user.email_step().map(|step| vec![step]).into_iter().collect(),
            Channel::External(factor) if user.external.contains(&factor) => vec![vec![Step::External(factor)]],
            Channel::External(_) => Vec::new(),
        }
    }

    /// What must be proved before a registration by a user without a device: alternatives, each a list of steps.
    fn proofs(&self, user: &Standing) -> Vec<Vec<Step>> {
        if !user.external.is_empty() {
            return user.strongest_external().map(|factor| vec![Step::External(factor)]).collect();
        }
        let ticket = user.ticket.then_some(Step::Ticket);
        match self.first_registration_of(user) {
            FirstRegistration::AfterPassword => vec![Vec::new()],
            FirstRegistration::AfterEmailCode => user.email_step().into_iter().chain(ticket).map(|s| vec![s]).collect(),
            FirstRegistration::WithTicket => ticket.map(|step| vec![step]).into_iter().collect(),
        }
    }

    /// A user who ever had a factor needs more than the password; otherwise losing a factor would be a way around it.
    pub(super) fn first_registration_of(&self, user: &Standing) -> FirstRegistration {
        if user.ever_held_factor() {
            self.first_registration.max(FirstRegistration::AfterEmailCode)
        } else {
            self.first_registration
        }
    }

    /// Why there is no path: of the clauses that this user cannot answer, the one that is cured first.
    fn denial(&self, user: &Standing, clauses: &[ChannelSet]) -> Denial {
        let unanswered = self.unanswered(user, clauses);
        let missing = |denial: &Denial| unanswered.iter().any(|clause| self.cure(clause) == *denial);
        let first = [Denial::NO_USABLE_EMAIL, Denial::NO_EXTERNAL_FACTOR].into_iter().find(missing);
        first.unwrap_or(Denial::NO_FIRST_ENROLLMENT_PROOF)
    }

    /// The clauses that this user has no way to answer.
    pub(super) fn unanswered<'a>(&self, user: &Standing, clauses: &'a [ChannelSet]) -> Vec<&'a ChannelSet> {
        let answers = |channel| !self.ways(user, channel).is_empty();
        clauses.iter().filter(|clause| !clause.iter().any(answers)).collect()
    }

    /// What is missing where a clause has no answer.
    pub(super) fn cure(&self, clause: &ChannelSet) -> Denial {
        if clause.contains(Channel::App) && self.channels.contains(Channel::App) {
            Denial::NO_FIRST_ENROLLMENT_PROOF
        } else if clause.contains(Channel::Email) {
            Denial::NO_USABLE_EMAIL
        } else {
            Denial::NO_EXTERNAL_FACTOR
        }
    }
}

/// Whether a user who never had a factor can answer the clause by a registration alone.
fn is_deferrable(clause: &ChannelSet) -> bool {
    !clause.contains(Channel::Email)
}

/// What is left of `clauses` when a registration is deferred.
pub(super) fn not_deferrable(mut clauses: Vec<ChannelSet>) -> Vec<ChannelSet> {
    clauses.retain(|clause| !is_deferrable(clause));
    clauses
}

/// The sets of channels `at_hand` that answer every clause, and of which no part does.
fn smallest_answers(clauses: &[ChannelSet], at_hand: impl Fn(Channel) -> bool) -> Vec<ChannelSet> {
    let mut answers = vec![ChannelSet::default()];
    for clause in clauses {
        let (mut next, open): (Vec<_>, Vec<_>) = answers.into_iter().partition(|begun| begun.intersects(clause));
        for begun in &open {
            next.extend(clause.iter().filter(|channel| at_hand(*channel)).map(|channel| begun.with(channel)));
        }
        answers = next;
    }
    let has_smaller = |set: &ChannelSet| answers.iter().any(|part| part != set && part.is_subset(set));
    answers.iter().filter(|set| !has_smaller(set)).cloned().collect()
}

/// `steps`, and those of `more` that are not among them: a step is taken once, whatever it serves.
fn followed_by(steps: &[Step], more: &[Step]) -> Vec<Step> {
    let fresh = more.iter().filter(|step| !steps.contains(step));
    steps.iter().chain(fresh).copied().collect()
}

impl Policy {
    /// The deadline, if this user is in grace by this policy at the time of the standing.
    ///
    /// It is the earlier of the deadline that was written down and what the policy grants now. A user who
    /// has, or ever had, a factor is never in grace: a lost or removed device would be a way around the policy. Nobody is
    /// in grace if the time is not known.
    ///
    /// ```
    /// use core::time::Duration;
    /// use factorgate::Timestamp;
    /// use factorgate::policy::{Channel, FirstRegistration, Grace, GraceDays, Policy, Standing};
    ///
    /// let monday = Timestamp::from_secs(1_900_000_000);
    /// let days = |n: u64| monday.saturating_add(Duration::from_secs(n * 24 * 60 * 60));
    /// let policy = Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode)?.with_grace(GraceDays::new(14)?);
    ///
    /// // The first login begins the period, and the host keeps it with the user.
    /// let first = Standing::at(monday);
    /// let grace = policy.grace_to_start(&first).ok_or("not in grace")?;
    /// assert_eq!(grace, Grace::Started { at: monday, until: days(14) });
    ///
    /// let mut later = Standing::at(days(13));
    /// later.grace = grace;
    /// assert_eq!(policy.grace_until(&later), Some(days(14)));
    /// later.now = Some(days(14));
    /// assert_eq!(policy.grace_until(&later), None);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn grace_until(&self, user: &Standing) -> Option<Timestamp> {
        let (days, now) = (self.grace?, user.now?);
        let until = match user.grace {
            Grace::NotStarted => days.after(now),
            Grace::Started { at, until } => until.min(days.after(at)),
        };
        (now < until && !user.ever_held_factor()).then_some(until)
    }

    /// What must be written down with a login that begins the user's grace period, before it is let through;
    /// `None` if it begins none.
    #[must_use]
    pub fn grace_to_start(&self, user: &Standing) -> Option<Grace> {
        let begins = user.grace == Grace::NotStarted && self.evaluate(user).reminds_enrollment();
        let (at, until) = (user.now?, self.grace_until(user)?);
        begins.then_some(Grace::Started { at, until })
    }
}
