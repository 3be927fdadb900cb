//! Exemptions, by which an administrator excuses one user for a time.

use alloc::vec::Vec;

use super::Mfa;
use crate::account::{Account, Context};
use crate::error::MfaError;
use crate::event::Event;
use crate::login::{Administrator, Change};
use crate::mailer::Mailer;
use crate::policy::Exemption;
use crate::store::Store;
use crate::user::UserId;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Exempts a user from what the policy enforces, until the end of the exemption; an earlier one is over then. Who
    /// has granted it is in the event, and [`UserStatus::exemption`](crate::UserStatus::exemption) lists it.
    ///
    /// It does nothing for a user who ever held a factor, as [`Exemption`] says. One that has ended does nothing
    /// either, and is forgotten with the next change of the record.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn grant_exemption(
        &self,
        user: &UserId,
        exemption: &Exemption,
        by: &Administrator,
    ) -> Result<Change<()>, MfaError<S, M>> {
        let grant = |account: &mut Account, cx: Context<'_>, _| account.grant_exemption(&cx, exemption, by.id());
        let (result, events) = self.transact(user, grant).await?;
        Ok(Change::new(result, events))
    }

    /// Takes back the exemption of a user, if there is one. The next login is asked for what the policy enforces;
    /// sessions that were opened before go on, unless they are ended by [`Mfa::revoke_logins`].
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`].
    pub async fn withdraw_exemption(&self, user: &UserId, by: &Administrator) -> Result<Vec<Event>, MfaError<S, M>> {
        let ((), events) = self.transact(user, |account, cx, _| account.withdraw_exemption(&cx, by.id())).await?;
        Ok(events)
    }
}
