//! New server keys: re-encrypting what nobody writes, and which keys are still needed.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::ControlFlow;

use super::Maintenance;
use super::commit::TRIES;
use super::walk::{Walk, totals};
use crate::error::{Error, MfaError};
use crate::keys::KeyId;
use crate::mail::Mailer;
use crate::record;
use crate::store::{Store, Swap};
use crate::user::UserId;

impl<S: Store, M: Mailer> Maintenance<'_, S, M> {
    /// Encrypts the record of a user under the current server key, if it is encrypted under a retired one. Nothing in it
    /// changes, and no flow that is open is disturbed.
    ///
    /// Run it when every server has the new key as its current one: another one would encrypt under the old key again.
    ///
    /// # Errors
    ///
    /// [`Error`] if a part failed. A record that cannot be opened is left as it is.
    pub async fn reencrypt(self, user: &UserId) -> Result<Reencrypted, MfaError<S, M>> {
        for _ in 0..TRIES {
            let now = self.mfa.now()?;
            let Some(stored) = self.mfa.store.load(user).await.map_err(Error::Store)? else {
                return Ok(Reencrypted::NoRecord);
            };
            let mut account = record::open(&stored, user, &self.mfa.keys)?;
            let needed = account.keys_needed(now);
            if record::sealed_by(&stored) == Some(self.mfa.keys.current_id()) {
                return Ok(Reencrypted::Current { needed });
            }
            let (_, nonce) = self.mfa.draw(user)?;
            let version = stored.version();
            let next = record::seal(&mut account, user, version.next(), &self.mfa.keys, &nonce)
                .map_err(|_| Error::TooLarge)?;
            match self.mfa.store.compare_and_swap(user, Some(version), &next).await.map_err(Error::Store)? {
                Swap::Applied => return Ok(Reencrypted::Changed { needed }),
                // Somebody else has written it, most likely under the current key: look again.
                Swap::Conflict => {}
            }
        }
        Err(Error::Contention)
    }

    /// Encrypts the records of all `users`, one after the other, as [`Maintenance::reencrypt`] does; `each` sees the result for
    /// each of them, for a progress line, and can stop the walk. Only the sum is kept, so that any number of users can be
    /// named; to spare the database, name them in batches and pause in between.
    ///
    /// ```
    /// # use factorgate::testing::{MemoryStore, Outbox};
    /// # use factorgate::{Mfa, MfaError, UserId, keys::ServerKey};
    /// use core::ops::ControlFlow;
    /// use factorgate::maintenance::Walk;
    ///
    /// # async fn all(
    /// #     mfa: Mfa<MemoryStore, Outbox>,
    /// #     retired: ServerKey,
    /// #     next_batch: impl Fn(Option<&UserId>) -> Vec<UserId>,
    /// # ) {
    /// let mut walk = Walk::default();
    /// loop {
    ///     // SELECT user_id FROM factorgate_records WHERE user_id > $1 ORDER BY user_id LIMIT 1000
    ///     let batch = next_batch(walk.last.as_ref());
    ///     if batch.is_empty() {
    ///         break;
    ///     }
    ///     walk.merge(mfa.maintenance().reencrypt_all(batch, |_, _| ControlFlow::Continue(())).await);
    /// }
    /// if walk.failed == 0 && !walk.total.needed.contains_key(&retired.id()) {
    ///     println!("the key {} can be dropped", retired.id());
    /// }
    /// # }
    /// ```
    pub async fn reencrypt_all<I>(
        self,
        users: I,
        mut each: impl FnMut(&UserId, &Result<Reencrypted, MfaError<S, M>>) -> ControlFlow<()> + Send,
    ) -> Walk<Reencryptions, MfaError<S, M>>
    where
        I: IntoIterator<Item = UserId>,
        I::IntoIter: Send,
    {
        let mut walk = Walk::<Reencryptions, _>::default();
        for user in users {
            let result = self.reencrypt(&user).await;
            let flow = each(&user, &result);
            walk.last = Some(user.clone());
            match result {
                Ok(reencrypted) => walk.total.count(&reencrypted),
                Err(error) => walk.fail(user, error),
            }
            if flow.is_break() {
                break;
            }
        }
        walk
    }

    /// Which of the server's keys the record of a user still needs. Nothing is written.
    ///
    /// # Errors
    ///
    /// [`Error`] if a part failed.
    pub async fn key_usage(self, user: &UserId) -> Result<KeyUsage, MfaError<S, M>> {
        let now = self.mfa.now()?;
        let Some(stored) = self.mfa.store.load(user).await.map_err(Error::Store)? else {
            return Ok(KeyUsage::default());
        };
        let needed = record::open(&stored, user, &self.mfa.keys)?.keys_needed(now);
        Ok(KeyUsage { sealed_under: record::sealed_by(&stored), needed })
    }
}

/// The result of re-encrypting the record of one user. Recovery codes, tickets, and the tokens of browsers and flows are kept
/// as digests, which stay under their key; `needed` names those keys. Flows expire within 20 minutes, tickets within 24 hours,
/// trusted browsers within 30 days, recovery codes never.
///
/// ```
/// # async fn rotate<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, user: &factorgate::UserId,
/// # ) -> Result<(), factorgate::MfaError<S, M>> {
/// use factorgate::maintenance::Reencrypted;
///
/// match mfa.maintenance().reencrypt(user).await? {
///     Reencrypted::Changed { needed } | Reencrypted::Current { needed } => println!("keys still needed: {needed:?}"),
///     _ => println!("nothing is stored for {user}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reencrypted {
    /// It was re-encrypted.
    Changed {
        /// The keys of digests in it.
        needed: BTreeSet<KeyId>,
    },
    /// It was encrypted under the current key already.
    Current {
        /// The keys of digests in it.
        needed: BTreeSet<KeyId>,
    },
    /// The user has none.
    NoRecord,
}

/// Which keys a record needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUsage {
    /// The key that opens it; `None` if there is no record. [`Maintenance::reencrypt`] makes it the current one.
    pub sealed_under: Option<KeyId>,
    /// The keys of digests in it that are still good. Only time and their users change them.
    pub needed: BTreeSet<KeyId>,
}

totals! {
    /// The sum of [`Reencrypted`] over many users.
    Reencryptions {
        /// Re-encrypted.
        changed: u64 = "re-encrypted",
        /// Already current.
        current: u64 = "already current",
        /// Without a record.
        without_record: u64 = "without a record",
        /// The number of users that still need each key. A retired key can be dropped if it is not listed and no record failed.
        needed: BTreeMap<KeyId, u64> = "key needed",
    }
}

impl Reencryptions {
    fn count(&mut self, reencrypted: &Reencrypted) {
        let needed = match reencrypted {
            Reencrypted::Changed { needed } => {
                self.changed += 1;
                needed
            }
            Reencrypted::Current { needed } => {
                self.current += 1;
                needed
            }
            Reencrypted::NoRecord => {
                self.without_record += 1;
                return;
            }
        };
        for key in needed {
            *self.needed.entry(*key).or_default() += 1;
        }
    }
}
