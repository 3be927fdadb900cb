//! Operations over all users.

use core::ops::ControlFlow;

use super::{Mfa, Walk};
use crate::error::MfaError;
use crate::mail::Mailer;
use crate::store::Store;
use crate::user::UserId;

/// The operations over all users. See [`Mfa::maintenance`].
///
/// ```
/// # async fn sweep<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, users: Vec<factorgate::UserId>,
/// # ) {
/// use core::ops::ControlFlow;
///
/// // Run it every few minutes: notices that a killed process or a mail failure has left behind are sent.
/// let mut done = 0;
/// let walk = mfa.maintenance().send_all_owed_notices(users, |user, sent| {
///     done += 1;
///     println!("{done}: {user}: {sent:?}");
///     ControlFlow::Continue(())
/// });
/// println!("{} notices were sent", walk.await.total);
/// # }
/// ```
#[derive(Debug)]
pub struct Maintenance<'a, S, M> {
    pub(super) mfa: &'a Mfa<S, M>,
}

impl<S: Store, M: Mailer> Maintenance<'_, S, M> {
    /// Sends the notices that are owed to a user, and returns how many the mailer has taken. A notice that another request
    /// is just sending is left to it for a minute.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed. A notice that could not be delivered stays owed and is no error.
    pub async fn send_owed_notices(self, user: &UserId) -> Result<u32, MfaError<S, M>> {
        let due = self.mfa.peek(user, |account, cx| account.overdue(cx.now)).await?;
        let (delivered, _) = self.mfa.deliver(user, &due, u64::MAX).await;
        // There are few: the record is bounded.
        Ok(delivered as u32)
    }

    /// Sends the notices that are owed to all `users`, one after the other; `each` sees each of them, for a progress line, and
    /// can stop the walk. For a user without owed notices it makes one read.
    pub async fn send_all_owed_notices<I>(
        self,
        users: I,
        mut each: impl FnMut(&UserId, &Result<u32, MfaError<S, M>>) -> ControlFlow<()> + Send,
    ) -> Walk<u64, MfaError<S, M>>
    where
        I: IntoIterator<Item = UserId>,
        I::IntoIter: Send,
    {
        let mut walk = Walk::default();
        for user in users {
            let sent = self.send_owed_notices(&user).await;
            let flow = each(&user, &sent);
            walk.last = Some(user.clone());
            match sent {
                Ok(sent) => walk.total += u64::from(sent),
                Err(error) => walk.fail(user, error),
            }
            if flow.is_break() {
                break;
            }
        }
        walk
    }

    /// Forgets the tombstone of an erased user, and returns whether there was one. Afterwards nothing of the user is left in
    /// the record, and the host can delete it.
    ///
    /// Call it only when every session of that user has ended: after the longest time that a session lasts.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if a part failed.
    pub async fn forget_tombstone(self, user: &UserId) -> Result<bool, MfaError<S, M>> {
        self.mfa.transact(user, |account, _, _| account.forget_tombstone()).await
    }
}
