//! From settings and a standing to a plan.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::{
    Channel, ChannelSet, Denial, DeviceStanding, FirstRegistration, Path, Plan, Policy, RemovalRefused, Standing, Step,
};

impl Policy {
    /// What this user must do to finish a login, once the first factor is proved.
    ///
    /// Every path of the plan meets the whole requirement. Grace defers a registration and nothing else; a
    /// trusted browser is a filter on the finished plan.
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
        let deferred = self.defers_registration(user, &clauses);
        let asked = if deferred { without_app_clause(&clauses) } else { clauses };
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

    /// What a user who is logged in must do before a device may be registered from the profile.
    ///
    /// It does not depend on the channels that the administrator enabled: a user may always register a device.
    /// Who has one proves it, or uses a recovery code in its place; who has none proves what
    /// [`Policy::first_registration`] asks for.
    #[must_use]
    pub fn registration_plan(&self, user: &Standing) -> Plan {
        let proofs = if user.has_device() { self.ways(user, Channel::App) } else { self.proofs(user) };
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
    /// must have a way through that does not begin with a new registration.
    ///
    /// # Errors
    ///
    /// [`RemovalRefused`] says what would become of the next login.
    pub fn allows_removal_of_last_device(&self, user: &Standing) -> Result<(), RemovalRefused> {
        let after = Standing { device: DeviceStanding::Formerly, trusted: false, ..*user };
        match self.evaluate(&after) {
            Plan::Allow { .. } => Ok(()),
            Plan::Deny(denial) => Err(RemovalRefused::LoginDenied(denial)),
            Plan::Paths { paths, .. } if paths.iter().all(Path::registers) => Err(RemovalRefused::MustRegister),
            Plan::Paths { .. } => Ok(()),
        }
    }

    /// All that must be answered: the administrator's clauses, and the user's own.
    pub(super) fn requirement(&self, user: &Standing) -> Vec<ChannelSet> {
        self.clauses.iter().copied().chain(self.own_device_clause(user)).collect()
    }

    /// A user's own device is always asked for. An e-mail code stands in for it only by the administrator's
    /// leave, and only where the address was verified before.
    pub(super) fn own_device_clause(&self, user: &Standing) -> Option<ChannelSet> {
        let stand_in = self.email_fallback && user.usable_email().is_some_and(|email| email.verified);
        user.has_device().then_some(if stand_in { ChannelSet::APP_OR_EMAIL } else { ChannelSet::APP })
    }

    /// Grace is for users who never held a factor, and for the clause that only an app answers: they could answer
    /// it by a registration alone.
    fn defers_registration(&self, user: &Standing, clauses: &[ChannelSet]) -> bool {
        self.grace && user.in_grace && !user.ever_held_factor() && clauses.contains(&ChannelSet::APP)
    }

    /// Every way to answer all of `clauses`, without detours.
    fn paths(&self, user: &Standing, clauses: &[ChannelSet]) -> Vec<Path> {
        let mut found = BTreeSet::new();
        for channels in smallest_answers(clauses) {
            let mut begun = vec![Vec::new()];
            // E-mail before the app: a registration comes after what must be proved before it.
            for channel in channels.iter().rev() {
                let ways = self.ways(user, channel);
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
        }
    }

    /// What must be proved before the first registration: alternatives, each a list of steps.
    fn proofs(&self, user: &Standing) -> Vec<Vec<Step>> {
        let ticket = user.ticket.then_some(Step::Ticket);
        match self.first_registration_of(user) {
            FirstRegistration::AfterPassword => vec![Vec::new()],
            FirstRegistration::AfterEmailCode => user.email_step().into_iter().chain(ticket).map(|s| vec![s]).collect(),
            FirstRegistration::WithTicket => ticket.map(|step| vec![step]).into_iter().collect(),
        }
    }

    /// Whoever ever held a factor needs more than the password, or losing a factor would be a way around it.
    pub(super) fn first_registration_of(&self, user: &Standing) -> FirstRegistration {
        if user.ever_held_factor() {
            self.first_registration.max(FirstRegistration::AfterEmailCode)
        } else {
            self.first_registration
        }
    }

    /// Why there is no path.
    fn denial(&self, user: &Standing, clauses: &[ChannelSet]) -> Denial {
        let needs_email = clauses.contains(&ChannelSet::EMAIL) || !self.channels.contains(Channel::App);
        if needs_email && user.email_step().is_none() {
            Denial::NO_USABLE_EMAIL
        } else {
            Denial::NO_FIRST_ENROLLMENT_PROOF
        }
    }
}

/// What is left of `clauses` when a registration is deferred.
pub(super) fn without_app_clause(clauses: &[ChannelSet]) -> Vec<ChannelSet> {
    clauses.iter().copied().filter(|clause| *clause != ChannelSet::APP).collect()
}

/// The sets of channels that answer every clause, and of which no part does.
fn smallest_answers(clauses: &[ChannelSet]) -> impl Iterator<Item = ChannelSet> {
    let answers = |set: ChannelSet| clauses.iter().all(|clause| clause.intersects(set));
    ChannelSet::subsets().filter(move |&set| {
        answers(set) && !ChannelSet::subsets().any(|part| part != set && part.is_subset(set) && answers(part))
    })
}

/// `steps`, and those of `more` that are not among them: a step is taken once, whatever it serves.
fn followed_by(steps: &[Step], more: &[Step]) -> Vec<Step> {
    let fresh = more.iter().filter(|step| !steps.contains(step));
    steps.iter().chain(fresh).copied().collect()
}
