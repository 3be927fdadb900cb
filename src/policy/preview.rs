//! What a change of the settings does to the users, before it is saved.

use alloc::vec::Vec;

use super::{Denial, Path, Plan, Policy, Standing, Step};

/// What a change from one policy to another does to the users.
///
/// Users are taken one at a time from an iterator, and nothing of them is kept: a million of them cost no more memory
/// than one.
///
/// ```
/// use factorgate::policy::{Channel, FirstRegistration, Policy, Preview, Remedy, Standing, Summary};
///
/// let first = FirstRegistration::WithTicket;
/// let (now, next) = (Policy::off(first), Policy::any_of([Channel::App], first)?);
/// let mut admin = Standing::new();
/// admin.ticket = true;
///
/// let preview = Preview::new(&now, &next);
/// let users = [("ada", admin.clone()), ("bob", Standing::new())];
/// let mut locked_out = Vec::new();
/// let summary: Summary = preview
///     .findings(users)
///     .inspect(|user| locked_out.extend(user.locked_out().map(|denial| (user.id, denial.remedy))))
///     .collect();
/// assert_eq!(locked_out, [("bob", Remedy::IssueTicket)]);
/// assert_eq!((summary.users, summary.newly_locked_out, summary.must_register), (2, 1, 1));
/// assert_eq!((summary.password_alone_before, summary.password_alone_after), (2, 0));
///
/// // Only what leaves an administrator a way in is saved.
/// let saveable = preview.check_administrators([admin])?;
/// assert_eq!(*saveable.policy(), next);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Preview {
    old: Policy,
    new: Policy,
}

impl Preview {
    /// Compares the current policy with the one that is to be saved. Where several levels are folded, compare what
    /// they come to: [`Policy::strictest`] before and after.
    #[must_use]
    pub fn new(old: &Policy, new: &Policy) -> Self {
        Self { old: old.clone(), new: new.clone() }
    }

    /// What becomes of one user.
    pub fn finding<I>(&self, id: I, user: &Standing) -> Finding<I> {
        Finding { id, before: self.old.evaluate(user), after: self.new.evaluate(user) }
    }

    /// What becomes of each of `users`, one after the other, as they are asked for.
    pub fn findings<I>(&self, users: impl IntoIterator<Item = (I, Standing)>) -> impl Iterator<Item = Finding<I>> {
        users.into_iter().map(|(id, user)| self.finding(id, &user))
    }

    /// Takes the new policy for saving if it leaves one of the administrators a way in at least.
    ///
    /// A way counts if it lasts: what rests on grace, on an exemption or on a trusted browser alone does not. Where
    /// no administrator is named, none has a way in.
    ///
    /// # Errors
    ///
    /// [`LocksOutAdministrators`] if nobody were left to take the change back.
    ///
    /// ```
    /// use factorgate::policy::{Channel, FirstRegistration, Policy, Preview, Remedy, Standing};
    ///
    /// let first = FirstRegistration::WithTicket;
    /// let next = Policy::any_of([Channel::App], first)?;
    /// let refused = Preview::new(&Policy::off(first), &next).check_administrators([Standing::new()]).unwrap_err();
    /// assert_eq!(refused.denial.map(|denial| denial.remedy), Some(Remedy::IssueTicket));
    /// # Ok::<_, factorgate::policy::InvalidPolicy>(())
    /// ```
    pub fn check_administrators(
        self,
        administrators: impl IntoIterator<Item = Standing>,
    ) -> Result<Saveable, LocksOutAdministrators> {
        let (mut asked, mut denied) = (0, None);
        for administrator in administrators {
            match self.new.evaluate(&administrator.lasting()) {
                Plan::Deny(denial) => denied = denied.or(Some(denial)),
                Plan::Allow { .. } | Plan::Paths { .. } => return Ok(Saveable(self.new)),
            }
            asked += 1;
        }
        Err(LocksOutAdministrators { administrators: asked, denial: denied, policy: self.new })
    }
}

/// What becomes of one user.
///
/// ```
/// use factorgate::policy::{Channel, DeviceStanding, FirstRegistration, Policy, Preview, Standing, Step};
///
/// let old = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode)?;
/// let new = old.clone().with_email_fallback()?;
/// let mut user = Standing::new();
/// user.device = DeviceStanding::Confirmed { recovery_codes: false };
///
/// // Without a verified address nothing changes; with one, an e-mail code will do.
/// let preview = Preview::new(&old, &new);
/// assert!(!preview.finding("bob", &user).changes());
/// user.email = Some(factorgate::policy::EmailStanding { verified: true, tainted: false });
/// assert_eq!(preview.finding("bob", &user).gained(), [Step::EmailCode]);
/// # Ok::<_, factorgate::policy::InvalidPolicy>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding<I> {
    /// Who it is, as the host named the user.
    pub id: I,
    /// The plan by the old policy.
    pub before: Plan,
    /// The plan by the new one.
    pub after: Plan,
}

impl<I> Finding<I> {
    /// Whether anything changes for this user.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.before != self.after
    }

    /// Why there is no way through by the new policy, and what cures it.
    #[must_use]
    pub fn locked_out(&self) -> Option<Denial> {
        denial(&self.after)
    }

    /// Returns why the new policy locks this user out, if the old one did not.
    #[must_use]
    pub fn newly_locked_out(&self) -> Option<Denial> {
        self.locked_out().filter(|_| denial(&self.before).is_none())
    }

    /// Whether every way through by the new policy begins with, or ends in, the registration of a device.
    #[must_use]
    pub fn must_register(&self) -> bool {
        must_register(&self.after)
    }

    /// Whether the password alone is enough by the new policy.
    #[must_use]
    pub fn password_alone(&self) -> bool {
        matches!(self.after, Plan::Allow { .. })
    }

    /// The steps of the new plan that were not in the old one, each once.
    #[must_use]
    pub fn gained(&self) -> Vec<Step> {
        steps_of_the_first_alone(&self.after, &self.before)
    }

    /// The steps of the old plan that are not in the new one, each once.
    #[must_use]
    pub fn lost(&self) -> Vec<Step> {
        steps_of_the_first_alone(&self.before, &self.after)
    }
}

fn denial(plan: &Plan) -> Option<Denial> {
    match plan {
        Plan::Deny(denial) => Some(*denial),
        Plan::Allow { .. } | Plan::Paths { .. } => None,
    }
}

fn must_register(plan: &Plan) -> bool {
    !plan.paths().is_empty() && plan.paths().iter().all(Path::registers)
}

fn steps_of_the_first_alone(first: &Plan, second: &Plan) -> Vec<Step> {
    let steps = |plan: &Plan| -> Vec<Step> { plan.paths().iter().flat_map(Path::steps).copied().collect() };
    let known = steps(second);
    let mut alone = steps(first);
    alone.retain(|step| !known.contains(step));
    alone.sort_unstable();
    alone.dedup();
    alone
}

/// How many users a change concerns, and how. Collect it from [`Preview::findings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// All that were looked at.
    pub users: u64,
    /// Anything changes.
    pub changed: u64,
    /// There is a step that was not in the plan before.
    pub gain_a_step: u64,
    /// A step of the plan before is gone.
    pub lose_a_step: u64,
    /// There is no way through by the new policy.
    pub locked_out: u64,
    /// There is none by the new policy, and there is one by the old.
    pub newly_locked_out: u64,
    /// Every way through by the new policy holds the registration of a device.
    pub must_register: u64,
    /// The first registration is put off by the new policy.
    pub in_grace: u64,
    /// The password alone is enough by the old policy.
    pub password_alone_before: u64,
    /// The password alone is enough by the new policy.
    pub password_alone_after: u64,
}

impl Summary {
    /// Counts one user.
    pub fn count<I>(&mut self, finding: &Finding<I>) {
        let add = |to: &mut u64, one: bool| *to += u64::from(one);
        add(&mut self.users, true);
        add(&mut self.changed, finding.changes());
        add(&mut self.gain_a_step, !finding.gained().is_empty());
        add(&mut self.lose_a_step, !finding.lost().is_empty());
        add(&mut self.locked_out, finding.locked_out().is_some());
        add(&mut self.newly_locked_out, finding.newly_locked_out().is_some());
        add(&mut self.must_register, finding.must_register());
        add(&mut self.in_grace, finding.after.reminds_enrollment());
        add(&mut self.password_alone_before, matches!(finding.before, Plan::Allow { .. }));
        add(&mut self.password_alone_after, finding.password_alone());
    }
}

impl<I> Extend<Finding<I>> for Summary {
    fn extend<T: IntoIterator<Item = Finding<I>>>(&mut self, findings: T) {
        for finding in findings {
            self.count(&finding);
        }
    }
}

impl<I> FromIterator<Finding<I>> for Summary {
    fn from_iter<T: IntoIterator<Item = Finding<I>>>(findings: T) -> Self {
        let mut summary = Self::default();
        summary.extend(findings);
        summary
    }
}

/// A policy that leaves an administrator a way in. A host whose function for saving takes this value and no other
/// cannot forget to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Saveable(Policy);

impl Saveable {
    /// The policy to save.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0
    }

    /// The policy to save.
    #[must_use]
    pub fn into_policy(self) -> Policy {
        self.0
    }
}

/// The new policy would lock out every administrator, so that nobody could undo it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy would lock out every administrator")]
#[non_exhaustive]
pub struct LocksOutAdministrators {
    /// How many administrators were looked at.
    pub administrators: u64,
    /// What locks out the first of them, and what cures it.
    #[source]
    pub denial: Option<Denial>,
    policy: Policy,
}

impl LocksOutAdministrators {
    /// The policy for saving all the same: there is another way to take it back. Search for this in review.
    pub fn accept_lockout(self) -> Saveable {
        Saveable(self.policy)
    }
}
