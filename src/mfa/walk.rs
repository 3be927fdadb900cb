//! A walk over many users, which the host names one after the other.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::ops::AddAssign;

use crate::user::UserId;

/// What a walk over users came to: the sum of what was found, and what failed.
///
/// A user who failed does not stop it. [`Walk::merge`] adds walks that ran in batches or in parallel. A walk that was stopped
/// continues after [`Walk::last`], if the host names the users in a fixed order. Processing a user twice is harmless, but
/// counts that user twice.
///
/// ```
/// # async fn send<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, users: Vec<factorgate::UserId>,
/// # ) where factorgate::MfaError<S, M>: std::fmt::Display {
/// use std::ops::ControlFlow;
///
/// let walk = mfa.maintenance().send_all_owed_notices(users, |_, _| ControlFlow::Continue(())).await;
/// for (user, error) in &walk.failures {
///     eprintln!("{user}: {error}");
/// }
/// println!("{} failed; continue after {:?}", walk.failed, walk.last);
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Walk<T, E> {
    /// The sum over all that did not fail.
    pub total: T,
    /// How many failed.
    pub failed: u64,
    /// The first [`Walk::FAILURES_KEPT`] of them, and why.
    pub failures: Vec<(UserId, E)>,
    /// The last user that was looked at, failed or not.
    pub last: Option<UserId>,
}

impl<T, E> Walk<T, E> {
    /// How many failures are kept with their reason. All are counted, and shown to the callback of the walk.
    pub const FAILURES_KEPT: usize = 100;

    /// Adds another walk, which came later or went beside this one.
    pub fn merge(&mut self, other: Self)
    where
        T: AddAssign,
    {
        self.total += other.total;
        self.failed += other.failed;
        let room = Self::FAILURES_KEPT.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(room));
        self.last = other.last.or(self.last.take());
    }

    pub(super) fn fail(&mut self, user: UserId, error: E) {
        self.failed += 1;
        if self.failures.len() < Self::FAILURES_KEPT {
            self.failures.push((user, error));
        }
    }
}

impl<T: Default, E> Default for Walk<T, E> {
    fn default() -> Self {
        Self { total: T::default(), failed: 0, failures: Vec::new(), last: None }
    }
}

impl<T: fmt::Display, E> fmt::Display for Walk<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.total.fmt(f)?;
        row(f, "failed", self.failed)
    }
}

/// A line of a table of two columns, without its end.
fn row(f: &mut fmt::Formatter<'_>, name: &str, users: u64) -> fmt::Result {
    write!(f, "{name:<42} {users:>10}")
}

/// A number of users, or one for each key.
pub(super) trait Count {
    fn add(&mut self, other: Self);
    /// The lines of a table, each with its end.
    fn rows(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result;
}

impl Count for u64 {
    fn add(&mut self, other: Self) {
        *self += other;
    }

    fn rows(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        row(f, name, *self)?;
        f.write_str("\n")
    }
}

impl<K: Ord + fmt::Display> Count for BTreeMap<K, u64> {
    fn add(&mut self, other: Self) {
        for (key, users) in other {
            *self.entry(key).or_default() += users;
        }
    }

    fn rows(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        self.iter().try_for_each(|(key, users)| users.rows(f, &alloc::format!("{name}: {key}")))
    }
}

/// Counts of users, each with its name in a table.
macro_rules! totals {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl core::ops::AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                $($crate::mfa::walk::Count::add(&mut self.$field, other.$field);)*
            }
        }

        impl core::fmt::Display for $name {
            /// A table, a line for each count.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $($crate::mfa::walk::Count::rows(&self.$field, f, $text)?;)*
                Ok(())
            }
        }
    };
}

pub(super) use totals;
