//! The port to the host's database: one versioned record for each user, two methods.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use crate::user::UserId;

/// The number of a record's state. Every write makes it greater by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of the first record of a user.
    pub const FIRST: Self = Self(1);

    /// The version as a store gives it back.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for a store to keep. It counts the writes of one user, so that it fits every integer
    /// column.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What a store keeps of a user: sealed bytes, which it can neither read nor change unnoticed.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    version: Version,
    sealed: Vec<u8>,
}

impl Record {
    /// The record as it was stored.
    #[must_use]
    pub fn new(version: Version, sealed: Vec<u8>) -> Self {
        Self { version, sealed }
    }

    /// The version of this state.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The sealed bytes. A few hundred, and less than 16 KiB whatever the user holds.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record(version {}, {} bytes)", self.version.0, self.sealed.len())
    }
}

/// The answer to a compare-and-swap. Exhaustive on purpose: there is no third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a verdict may be revealed only if the swap was applied"]
pub enum Swap {
    /// The record is stored, durably.
    Applied,
    /// Another state was stored; nothing has changed.
    Conflict,
}

/// Where the host keeps the records.
///
/// The whole of the library's protection from races and replay rests on [`Store::compare_and_swap`]: a
/// store that reports [`Swap::Applied`] although another write came first lets a code be used twice. The
/// conformance kit of the feature `testing` tries a store out.
///
/// A future of this trait may be dropped at any await. A write must then be done as a whole or not at all.
/// A store bounds its own calls in time: the library has no timer.
pub trait Store: Send + Sync {
    /// Why the database could not answer.
    type Error: Error + Send + Sync + 'static;

    /// The record of `user`, or `None` if there never was one. It must see every write that was applied
    /// before: no lagging replica.
    fn load(&self, user: &UserId) -> impl Future<Output = Result<Option<Record>, Self::Error>> + Send;

    /// Stores `next` if, and only if, the stored version is `expected` (`None`: there is no record), in one
    /// atomic step. Of any number of calls that expect the same version one is applied at most.
    fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<Version>,
        next: &Record,
    ) -> impl Future<Output = Result<Swap, Self::Error>> + Send;
}

macro_rules! forward_store {
    ($($pointer:ty),*) => {$(
        impl<S: Store> Store for $pointer {
            type Error = S::Error;

            fn load(&self, user: &UserId) -> impl Future<Output = Result<Option<Record>, Self::Error>> + Send {
                S::load(self, user)
            }

            fn compare_and_swap(
                &self,
                user: &UserId,
                expected: Option<Version>,
                next: &Record,
            ) -> impl Future<Output = Result<Swap, Self::Error>> + Send {
                S::compare_and_swap(self, user, expected, next)
            }
        }
    )*};
}

forward_store!(&S, Arc<S>);

/// A store whose type is chosen at run time.
#[derive(Clone)]
pub struct AnyStore(Arc<dyn ErasedStore>);

impl AnyStore {
    /// Hides the type of `store`.
    #[must_use]
    pub fn new(store: impl Store + 'static) -> Self {
        Self(Arc::new(store))
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyStore(..)")
    }
}

/// The error of a store or mailer whose type is hidden.
#[derive(Debug)]
pub struct AnyError(Box<dyn Error + Send + Sync>);

impl AnyError {
    pub(crate) fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

impl fmt::Display for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for AnyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Store for AnyStore {
    type Error = AnyError;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, AnyError> {
        self.0.load(user).await
    }

    async fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<Version>,
        next: &Record,
    ) -> Result<Swap, AnyError> {
        self.0.compare_and_swap(user, expected, next).await
    }
}

pub(crate) type Erased<'a, T> = Pin<Box<dyn Future<Output = Result<T, AnyError>> + Send + 'a>>;

trait ErasedStore: Send + Sync {
    fn load<'a>(&'a self, user: &'a UserId) -> Erased<'a, Option<Record>>;
    fn compare_and_swap<'a>(
        &'a self,
        user: &'a UserId,
        expected: Option<Version>,
        next: &'a Record,
    ) -> Erased<'a, Swap>;
}

impl<S: Store> ErasedStore for S {
    fn load<'a>(&'a self, user: &'a UserId) -> Erased<'a, Option<Record>> {
        Box::pin(async move { Store::load(self, user).await.map_err(AnyError::new) })
    }

    fn compare_and_swap<'a>(
        &'a self,
        user: &'a UserId,
        expected: Option<Version>,
        next: &'a Record,
    ) -> Erased<'a, Swap> {
        Box::pin(async move { Store::compare_and_swap(self, user, expected, next).await.map_err(AnyError::new) })
    }
}
