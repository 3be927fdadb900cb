//! Counts over all users: how many have a factor, how many have none, and how many could not sign in.

use alloc::collections::BTreeMap;
use core::ops::ControlFlow;

use super::Maintenance;
use super::walk::{Walk, totals};
use crate::error::MfaError;
use crate::flow::{Contact, UserStatus};
use crate::mail::Mailer;
use crate::policy::{DenyReason, Plan, Policy, Standing, Step};
use crate::recovery_code::RecoveryCodesLeft;
use crate::store::Store;
use crate::user::UserId;

impl<S: Store, M: Mailer> Maintenance<'_, S, M> {
    /// Looks at all `users`, one after the other, and counts what they hold, and what `policy` would ask of them now; `each`
    /// sees each of them, and can stop the walk. One load for each, and nothing is written or kept but the sum.
    ///
    /// What `each` sees feeds a [`Preview`](crate::policy::Preview), which tells what another policy would do to them:
    ///
    /// ```
    /// use core::ops::ControlFlow;
    /// use factorgate::policy::{Policy, Preview, Summary};
    /// use factorgate::{Contact, Mfa, Mailer, MfaError, Store, UserId};
    ///
    /// /// What an administrator sees before saving `next`: how many it would lock out, and who they are.
    /// async fn before_saving<S: Store, M: Mailer>(
    ///     mfa: &Mfa<S, M>,
    ///     users: impl Iterator<Item = (UserId, Contact)> + Send,
    ///     now: &Policy,
    ///     next: &Policy,
    /// ) -> (Summary, Vec<UserId>) {
    ///     let (preview, mut summary, mut locked_out) = (Preview::new(now, next), Summary::default(), Vec::new());
    ///     let walk = mfa.maintenance().coverage(users, now, |user| {
    ///         let finding = preview.finding(&user.user, &user.standing);
    ///         summary.count(&finding);
    ///         locked_out.extend(finding.newly_locked_out().map(|_| user.user.clone()));
    ///         ControlFlow::Continue(())
    ///     });
    ///     println!("{}", walk.await);
    ///     (summary, locked_out)
    /// }
    /// ```
    pub async fn coverage<I>(
        self,
        users: I,
        policy: &Policy,
        mut each: impl FnMut(&Covered) -> ControlFlow<()> + Send,
    ) -> Walk<Coverage, MfaError<S, M>>
    where
        I: IntoIterator<Item = (UserId, Contact)>,
        I::IntoIter: Send,
    {
        let mut walk = Walk::<Coverage, _>::default();
        for (user, contact) in users {
            walk.last = Some(user.clone());
            match self.mfa.read(&user, |account, cx| account.status(cx)).await {
                Ok(status) => {
                    let standing = status.standing(&contact);
                    let covered = Covered { plan: policy.evaluate(&standing), standing, status, user };
                    walk.total.count(&covered);
                    if each(&covered).is_break() {
                        break;
                    }
                }
                Err(error) => walk.fail(user, error),
            }
        }
        walk
    }
}

/// What one user holds, and what is asked of the user now. No secret is in it.
///
/// ```
/// # async fn report<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, users: Vec<(factorgate::UserId, factorgate::Contact)>,
/// #     policy: &factorgate::policy::Policy,
/// # ) {
/// use std::ops::ControlFlow;
///
/// let walk = mfa.maintenance().coverage(users, policy, |covered| {
///     if covered.must_register() {
///         println!("remind {}", covered.user);
///     }
///     ControlFlow::Continue(())
/// });
/// println!("{}", walk.await.total);
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Covered {
    /// What the policy asks at the next login, from a browser that is not trusted.
    pub plan: Plan,
    /// What the policy knows of the user.
    pub standing: Standing,
    /// What the user holds.
    pub status: UserStatus,
    /// The user.
    pub user: UserId,
}

impl Covered {
    /// Whether every way in holds the registration of a device.
    #[must_use]
    pub fn must_register(&self) -> bool {
        let paths = self.plan.paths();
        !paths.is_empty() && paths.iter().all(|path| path.steps().contains(&Step::EnrollApp))
    }

    /// Whether the user holds devices, and every one of them is disabled.
    #[must_use]
    pub fn devices_disabled(&self) -> bool {
        let devices = &self.status.devices;
        !devices.is_empty() && devices.iter().all(|device| device.disabled)
    }
}

totals! {
    /// How many users hold what. [`Maintenance::coverage`] counts them; sums are added by `+=`.
    Coverage {
        /// All users that were looked at.
        users: u64 = "users",
        /// Users who never had a factor.
        never: u64 = "no factor, and never one",
        /// Users who had a factor and have none now.
        formerly: u64 = "no factor now, but once",
        /// Users with an external factor, with or without devices.
        external: u64 = "an external factor",
        /// Users with devices, by the number of devices.
        devices: BTreeMap<usize, u64> = "devices",
        /// Users with devices that are all disabled after wrong codes.
        devices_disabled: u64 = "every device disabled",
        /// Users with an imported device whose secret is too short.
        short_secrets: u64 = "a device with a short secret",
        /// Users with a device and enough recovery codes.
        recovery_codes_enough: u64 = "recovery codes: enough",
        /// Users with a device and few recovery codes.
        recovery_codes_few: u64 = "recovery codes: few",
        /// Users with a device and no recovery code.
        recovery_codes_none: u64 = "recovery codes: none",
        /// Users with a trusted browser.
        trusting: u64 = "a trusted browser",
        /// Users who are locked now.
        locked: u64 = "locked",
        /// Users in grace: they can put off the registration that the policy requires.
        in_grace: u64 = "in grace",
        /// Users whom an administrator has exempted.
        exempt: u64 = "exempt",
        /// Users who have begun to register a device.
        registering: u64 = "a registration under way",
        /// Users who sign in with the password alone.
        password_alone: u64 = "signed in by the password alone",
        /// Users who must register a device at the next login.
        must_register: u64 = "must register at the next login",
        /// Users who cannot sign in, by the reason.
        denied: BTreeMap<DenyReason, u64> = "cannot sign in",
    }
}

impl Coverage {
    fn count(&mut self, covered: &Covered) {
        let Covered { plan, standing, status, user: _ } = covered;
        let add = |to: &mut u64, one: bool| *to += u64::from(one);
        let held = status.devices.len();
        let left = status.recovery_codes.unwrap_or(RecoveryCodesLeft::None);
        add(&mut self.users, true);
        match held {
            0 if !status.external.is_empty() => {}
            0 => add(if status.ever_had_factor { &mut self.formerly } else { &mut self.never }, true),
            _ => *self.devices.entry(held).or_default() += 1,
        }
        if held > 0 {
            *match left {
                RecoveryCodesLeft::Enough(_) => &mut self.recovery_codes_enough,
                RecoveryCodesLeft::Few(_) => &mut self.recovery_codes_few,
                RecoveryCodesLeft::None => &mut self.recovery_codes_none,
            } += 1;
        }
        add(&mut self.external, !status.external.is_empty());
        add(&mut self.in_grace, plan.reminds_enrollment());
        add(&mut self.exempt, status.exemption.is_some());
        add(&mut self.devices_disabled, covered.devices_disabled());
        add(&mut self.short_secrets, status.has_short_secret);
        add(&mut self.trusting, !status.browsers.is_empty());
        add(&mut self.locked, status.locked_until.is_some());
        add(&mut self.registering, standing.pending);
        add(&mut self.password_alone, matches!(plan, Plan::Allow { .. }));
        add(&mut self.must_register, covered.must_register());
        if let Plan::Deny(denial) = plan {
            *self.denied.entry(denial.reason).or_default() += 1;
        }
    }

    /// How many hold a device.
    #[must_use]
    pub fn registered(&self) -> u64 {
        self.devices.values().sum()
    }
}
