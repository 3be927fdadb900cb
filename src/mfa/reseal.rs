//! New server keys: sealing anew what nobody writes, and which keys are still needed.

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;
use core::ops::{AddAssign, ControlFlow};

use super::walk::{Walk, row};
use super::{Mfa, TRIES};
use crate::error::{Error, MfaError};
use crate::keys::KeyId;
use crate::mailer::Mailer;
use crate::record;
use crate::store::{Store, Swap};
use crate::user::UserId;

impl<S: Store, M: Mailer> Mfa<S, M> {
    /// Seals the record of a user anew, if it is sealed under a retired key or written in an older format. Nothing in it
    /// changes, and no login that is under way is disturbed.
    ///
    /// Do it when every server has the new key as its current one: another one would seal under the old key again.
    ///
    /// # Errors
    ///
    /// As [`Mfa::begin_login`]. A record that cannot be opened is left as it is.
    pub async fn reseal(&self, user: &UserId) -> Result<Resealed, MfaError<S, M>> {
        for _ in 0..TRIES {
            let now = self.clock.now().ok_or(Error::Clock)?;
            let Some(stored) = self.store.load(user).await.map_err(Error::Store)? else {
                return Ok(Resealed::NoRecord);
            };
            let account = record::open(&stored, user, &self.keys)?;
            let needed = account.keys_needed(now);
            if record::sealed_by(&stored) == Some((self.keys.current_id(), true)) {
                return Ok(Resealed::Current { needed });
            }
            let (_, nonce) = self.draw(user)?;
            let version = stored.version();
            let next = record::seal(&account, user, version.next(), &self.keys, &nonce)?;
            match self.store.compare_and_swap(user, Some(version), &next).await.map_err(Error::Store)? {
                Swap::Applied => return Ok(Resealed::Changed { needed }),
                // Somebody else has written it, most likely under the current key: look again.
                Swap::Conflict => {}
            }
        }
        Err(Error::Contention)
    }

    /// Seals the records of all `users` anew, one after the other, as [`Mfa::reseal`] does; `each` sees what became of each
    /// of them, and can stop the walk. Nothing but the sum is kept, so that any number of users can be named; to spare
    /// the database, name them in batches and pause in between.
    ///
    /// ```
    /// # use factorgate::testing::{MemoryStore, Outbox};
    /// # use factorgate::{Mfa, MfaError, ServerKey, UserId};
    /// use core::ops::ControlFlow;
    /// use factorgate::Walk;
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
    ///     walk.merge(mfa.reseal_all(batch, |_, _| ControlFlow::Continue(())).await);
    /// }
    /// if walk.failed == 0 && !walk.total.needed.contains_key(&retired.id()) {
    ///     println!("the key {} can be dropped", retired.id());
    /// }
    /// # }
    /// ```
    pub async fn reseal_all<I>(
        &self,
        users: I,
        mut each: impl FnMut(&UserId, &Result<Resealed, MfaError<S, M>>) -> ControlFlow<()> + Send,
    ) -> Walk<Reseals, MfaError<S, M>>
    where
        I: IntoIterator<Item = UserId>,
        I::IntoIter: Send,
    {
        let mut walk = Walk::<Reseals, _>::default();
        for user in users {
            let result = self.reseal(&user).await;
            let flow = each(&user, &result);
            walk.last = Some(user.clone());
            match result {
                Ok(resealed) => walk.total.count(&resealed),
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
    /// As [`Mfa::begin_login`].
    pub async fn key_usage(&self, user: &UserId) -> Result<KeyUsage, MfaError<S, M>> {
        let now = self.clock.now().ok_or(Error::Clock)?;
        let Some(stored) = self.store.load(user).await.map_err(Error::Store)? else { return Ok(KeyUsage::default()) };
        let needed = record::open(&stored, user, &self.keys)?.keys_needed(now);
        Ok(KeyUsage { sealed_under: record::sealed_by(&stored).map(|(key, _)| key), needed })
    }
}

/// What became of the record of a user. Recovery codes, tickets, trusted browsers and open logins are kept as digests, which
/// cannot be made anew; `needed` names the keys of those that are still good. Tickets and logins expire within a day,
/// the trust in a browser within 30, recovery codes never.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resealed {
    /// It is sealed anew.
    Changed {
        /// The keys of digests in it.
        needed: BTreeSet<KeyId>,
    },
    /// It was sealed under the current key already, in the newest format.
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
    /// The key that opens it; `None` if there is no record. [`Mfa::reseal`] makes it the current one.
    pub sealed_under: Option<KeyId>,
    /// The keys of digests in it that are still good. Only time and their users change them.
    pub needed: BTreeSet<KeyId>,
}

/// The sum of [`Resealed`] over many users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reseals {
    /// Sealed anew.
    pub changed: u64,
    /// As they should be already.
    pub current: u64,
    /// Without a record.
    pub without_record: u64,
    /// For how many users each key is needed still, for digests that cannot be made anew. What is not in it, and sealed
    /// nothing that failed, can be dropped.
    pub needed: BTreeMap<KeyId, u64>,
}

impl Reseals {
    fn count(&mut self, resealed: &Resealed) {
        let needed = match resealed {
            Resealed::Changed { needed } => {
                self.changed += 1;
                needed
            }
            Resealed::Current { needed } => {
                self.current += 1;
                needed
            }
            Resealed::NoRecord => {
                self.without_record += 1;
                return;
            }
        };
        for key in needed {
            *self.needed.entry(*key).or_default() += 1;
        }
    }
}

impl AddAssign for Reseals {
    fn add_assign(&mut self, other: Self) {
        let Self { changed, current, without_record, needed } = other;
        self.changed += changed;
        self.current += current;
        self.without_record += without_record;
        for (key, users) in needed {
            *self.needed.entry(key).or_default() += users;
        }
    }
}

impl fmt::Display for Reseals {
    /// A table of two columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changed, current, without_record, needed } = self;
        row(f, "sealed anew", *changed)?;
        for (name, users) in [("as they should be", *current), ("without a record", *without_record)] {
            f.write_str("\n")?;
            row(f, name, users)?;
        }
        needed.iter().try_for_each(|(key, users)| {
            f.write_str("\n")?;
            row(f, &alloc::format!("key {key} needed"), *users)
        })
    }
}
