//! The conformance kit: checks that a store keeps the contract of [`Store`].

mod ids;
mod race;
mod steps;
mod threads;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::error::Error;
use core::pin::pin;
use core::task::{Context, Poll};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};

use crate::blocking;
use crate::store::{Record, Store, Swap, Version};
use crate::user::UserId;

/// The longest prefix, in bytes. The kit puts it into user ids of 64 bytes.
const MAX_PREFIX: usize = 32;

/// Why a store does not conform to the contract of [`Store`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotConforming<E: Error + 'static> {
    /// The store broke the contract. The text says how, and what to change.
    #[error("{0}")]
    Contract(String),
    /// The kit cannot make user ids with this prefix.
    #[error("{0}")]
    Prefix(String),
    /// The store returned an error.
    #[error("the store failed while the kit was {during}")]
    Store {
        /// What the kit was doing.
        during: String,
        /// The error of the store.
        #[source]
        source: E,
    },
}

/// Checks that a store keeps the contract of [`Store`].
///
/// The kit checks:
///
/// - a compare-and-swap with the right version, an older one, a later one, and none;
/// - records from 0 bytes to 16 KiB, which must come back byte for byte;
/// - versions around the limits of columns of 8, 16 and 32 bits;
/// - user ids that a collation, a pattern or a short column takes for the same id;
/// - loads right after a write;
/// - many writers at once, of which one may be applied, and writes that are dropped half way.
///
/// The kit writes up to 1,500 users and deletes none. Each id contains `prefix`, which has at most 32 bytes; the store
/// must hold no user with such an id. Run the kit on a database like the one in production, with several connections.
///
/// The writers run in one task. If the futures of the store never wait, the kit also races them in threads of its own,
/// outside of any runtime, and blocks the current thread for about a second.
///
/// # Errors
///
/// - [`NotConforming::Contract`] if the store broke the contract.
/// - [`NotConforming::Prefix`] if `prefix` is too long or contains a control character.
/// - [`NotConforming::Store`] if the store returned an error.
///
/// # Panics
///
/// If the store panics.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use factorgate::testing::{MemoryStore, check_store};
///
/// check_store(&MemoryStore::new(), "conformance-").await.unwrap();
/// assert!(check_store(&MemoryStore::ignoring_expected(), "conformance-").await.is_err());
/// # }
/// ```
pub async fn check_store<S: Store>(store: &S, prefix: &str) -> Result<(), NotConforming<S::Error>> {
    let kit = Kit::new(store, prefix)?;
    kit.contract().await?;
    if kit.race_tasks().await? == Waits::Never {
        let swap = |user: &UserId, expected, next: &Record| block_on(store.compare_and_swap(user, expected, next));
        kit.race_threads(&swap)?;
    }
    kit.drop_writes().await
}

/// Checks that a [`blocking::Store`] keeps the contract, as [`check_store`] does, and races writers and readers in
/// threads.
///
/// The races take about two seconds. On a busy machine the kit can miss a race that lasts a few nanoseconds, as between
/// two locks in memory; a comparison and a write that are two calls to a database are far enough apart.
///
/// # Errors
///
/// The errors of [`check_store`].
///
/// # Panics
///
/// If the store panics.
///
/// ```
/// use std::collections::HashMap;
/// use std::convert::Infallible;
/// use std::sync::Mutex;
///
/// use factorgate::testing::check_blocking_store;
/// use factorgate::store::{Record, Swap, Version};
/// use factorgate::{UserId, blocking};
///
/// #[derive(Default)]
/// struct Records(Mutex<HashMap<UserId, Record>>);
///
/// impl blocking::Store for Records {
///     type Error = Infallible;
///
///     fn load(&self, user: &UserId) -> Result<Option<Record>, Infallible> {
///         Ok(self.0.lock().unwrap().get(user).cloned())
///     }
///
///     fn compare_and_swap(
///         &self,
///         user: &UserId,
///         expected: Option<Version>,
///         next: &Record,
///     ) -> Result<Swap, Infallible> {
///         // One lock from the comparison to the write.
///         let mut records = self.0.lock().unwrap();
///         if records.get(user).map(Record::version) != expected {
///             return Ok(Swap::Conflict);
///         }
///         records.insert(user.clone(), next.clone());
///         Ok(Swap::Applied)
///     }
/// }
///
/// check_blocking_store(&Records::default(), "conformance-").unwrap();
/// ```
pub fn check_blocking_store<S: blocking::Store>(store: &S, prefix: &str) -> Result<(), NotConforming<S::Error>> {
    let borrowed = Borrowed(store);
    let kit = Kit::new(&borrowed, prefix)?;
    block_on(kit.contract())?;
    kit.race_threads(&|user: &UserId, expected, next: &Record| store.compare_and_swap(user, expected, next))?;
    kit.read_in_threads(store)
}

/// Whether a future of the store ever waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Never,
    Sometimes,
}

/// The store under test, and the start of its user ids.
struct Kit<'a, S> {
    store: &'a S,
    prefix: &'a str,
}

type Checked<T, S> = Result<T, NotConforming<<S as Store>::Error>>;

impl<'a, S: Store> Kit<'a, S> {
    fn new(store: &'a S, prefix: &'a str) -> Checked<Self, S> {
        if prefix.len() > MAX_PREFIX {
            return Err(NotConforming::Prefix(format!(
                "the prefix is longer than {MAX_PREFIX} bytes; use a shorter one"
            )));
        }
        Ok(Self { store, prefix })
    }

    /// The user id that begins with the prefix.
    fn user(&self, name: &str) -> Checked<UserId, S> {
        Self::id(&format!("{}{name}", self.prefix))
    }

    fn id(text: &str) -> Checked<UserId, S> {
        UserId::new(text).map_err(|error| {
            NotConforming::Prefix(format!("{text:?} is not a user id ({error}); use a plain text as prefix"))
        })
    }

    /// What the contract says about one user after another. No two calls run at once.
    async fn contract(&self) -> Checked<(), S> {
        self.swaps().await?;
        self.records().await?;
        self.versions().await?;
        self.user_ids().await
    }

    async fn load(&self, user: &UserId) -> Checked<Option<Record>, S> {
        let failed = |source| NotConforming::Store { during: "loading a record".to_string(), source };
        self.store.load(user).await.map_err(failed)
    }

    async fn swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Checked<Swap, S> {
        self.store.compare_and_swap(user, expected, next).await.map_err(|source| write_failed(next, source))
    }

    /// Replaces `stored` by `next`, and checks that `next` is loaded then.
    async fn apply(&self, what: &str, user: &UserId, stored: Option<&Record>, next: &Record) -> Checked<(), S> {
        let swap = self.swap(user, stored.map(Record::version), next).await?;
        let loaded = self.load(user).await?;
        match (swap, loaded.as_ref() == Some(next)) {
            (Swap::Applied, true) => Ok(()),
            (Swap::Applied, false) => contract(difference(what, stored, next, loaded.as_ref())),
            (Swap::Conflict, true) => contract(format!(
                "{what}: the store answered `Conflict` although it stored the record; answer `Applied` if the statement \
                 changed a row"
            )),
            (Swap::Conflict, false) => contract(format!(
                "{what}: the store answered `Conflict` although the stored version is the expected one; apply such a write"
            )),
        }
    }

    /// Tries to write `next`, and checks that the store refuses and keeps `stored`.
    async fn refuse(&self, refused: &Refused<'_>, user: &UserId, next: &Record) -> Checked<(), S> {
        let &Refused { what, fix, expected, stored } = refused;
        let swap = self.swap(user, expected, next).await?;
        let loaded = self.load(user).await?;
        match (swap, loaded.as_ref() == stored) {
            (Swap::Conflict, true) => Ok(()),
            (Swap::Conflict, false) if loaded.as_ref() == Some(next) => contract(format!(
                "{what}: the store answered `Conflict` although it stored the record; write nothing on a conflict"
            )),
            (Swap::Conflict, false) => contract(format!(
                "{what}: the store answered `Conflict`, and `load` then returned another record than before; write nothing \
                 on a conflict, and load without a cache or a replica"
            )),
            (Swap::Applied, true) => contract(format!(
                "{what}: the store answered `Applied` although it stored nothing; answer `Conflict` if the statement \
                 changed no row"
            )),
            (Swap::Applied, false) => contract(format!("{what}: the store applied the write; {fix}")),
        }
    }
}

/// A write that a store must refuse.
struct Refused<'a> {
    what: &'a str,
    fix: &'a str,
    expected: Option<Version>,
    stored: Option<&'a Record>,
}

/// Says how a loaded record differs from the one that was applied.
fn difference(what: &str, stored: Option<&Record>, next: &Record, loaded: Option<&Record>) -> String {
    let wanted = i64::from(next.version());
    match loaded {
        None if next.sealed().is_empty() => {
            format!("{what}: the empty record came back as no record; tell an empty value from a missing row")
        }
        _ if loaded == stored => format!(
            "{what}: the store answered `Applied`, but `load` does not return the record; answer `Applied` only after the \
             commit, and load from the same database, without a cache or a replica"
        ),
        None => format!("{what}: the record of the user is gone; replace it in one statement"),
        Some(loaded) if loaded.version() != next.version() => format!(
            "{what}: version {wanted} came back as version {}; store the version of `next` in a 64-bit integer column",
            i64::from(loaded.version())
        ),
        Some(loaded) => {
            let differs = |(at, (got, wanted)): (usize, (&u8, &u8))| (got != wanted).then_some(at);
            let at = loaded.sealed().iter().zip(next.sealed()).enumerate().find_map(differs);
            let how = match at {
                Some(at) => format!("byte {at} came back changed"),
                None => format!("{} bytes came back instead of {}", loaded.sealed().len(), next.sealed().len()),
            };
            format!("{what}: {how}; store the bytes unchanged, in a binary column that holds 16 KiB")
        }
    }
}

fn record(version: i64, bytes: impl Into<Vec<u8>>) -> Record {
    Record::new(Version::from(version), bytes.into())
}

fn contract<T, E: Error>(text: String) -> Result<T, NotConforming<E>> {
    Err(NotConforming::Contract(text))
}

fn write_failed<E: Error>(next: &Record, source: E) -> NotConforming<E> {
    let (version, length) = (i64::from(next.version()), next.sealed().len());
    NotConforming::Store { during: format!("writing version {version} with {length} bytes"), source }
}

/// A blocking store whose futures are ready at once.
struct Borrowed<'a, S>(&'a S);

impl<S: blocking::Store> Store for Borrowed<'_, S> {
    type Error = S::Error;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, S::Error> {
        self.0.load(user)
    }

    async fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<Version>,
        next: &Record,
    ) -> Result<Swap, S::Error> {
        self.0.compare_and_swap(user, expected, next)
    }
}

/// Runs a future in this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
