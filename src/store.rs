//! The port to the host's database: one versioned record for each user, two methods.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use crate::user::UserId;

/// The number of a record's state; every write increases it by one.
///
/// It converts to and from the `i64` of a `bigint` column.
///
/// ```
/// use factorgate::store::Version;
///
/// assert_eq!(i64::from(Version::FIRST), 1);
/// assert_eq!(Version::from(7), Version::from(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// The version of the first record of a user: 1.
    pub const FIRST: Self = Self(1);

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl From<Version> for i64 {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl From<i64> for Version {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

/// What a store keeps of a user: sealed bytes, which it can neither read nor change unnoticed, and their version.
///
/// ```
/// use factorgate::store::Record;
///
/// let record = Record::new(7, vec![1, 2, 3]);
/// assert_eq!((i64::from(record.version()), record.sealed()), (7, &[1, 2, 3][..]));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    version: Version,
    sealed: Vec<u8>,
}

impl Record {
    /// The longest record, in bytes: 16 KiB. A usual one has less than 1.25 KiB.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Takes the record as it was stored.
    #[must_use]
    pub fn new(version: impl Into<Version>, sealed: Vec<u8>) -> Self {
        Self { version: version.into(), sealed }
    }

    /// Returns the version of this state.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the sealed bytes.
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

/// The record cannot be opened: it was changed, moved from another user, or sealed under a key that the
/// configuration does not hold. It signs nobody in, and the engine does not overwrite it.
///
/// ```
/// # fn advice<S, M>(error: &factorgate::Error<S, M>) -> &'static str {
/// use factorgate::Error;
/// use factorgate::store::CorruptRecord;
///
/// match error {
///     Error::Corrupt(CorruptRecord::UnknownKey) => "add the previous server key as a retired key",
///     Error::Corrupt(_) => "restore the row of this user from a backup",
///     _ => "try again",
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CorruptRecord {
    /// The seal is broken: the record was changed, or is another user's or another version's.
    #[error("the seal of the record is broken: it was changed, or moved from another user")]
    BrokenSeal,
    /// The seal is whole, but what it holds is not understood: a newer version of this library wrote it.
    #[error("the record was written by a newer version of this library")]
    Content,
    /// It is no record, or of a newer format.
    #[error("the bytes are no record that this version of the library can read")]
    Format,
    /// It was sealed under a key that is neither the current one nor a retired one.
    #[error("the record was sealed under a server key that is not configured; add it as a retired key")]
    UnknownKey,
}

/// The answer to a compare-and-swap. Exhaustive on purpose: there is no third.
///
/// ```
/// use factorgate::store::Swap;
///
/// // What the driver reports for UPDATE .. WHERE user_id = $1 AND version = $2.
/// assert_eq!(Swap::from_rows(1), Swap::Applied);
/// assert_eq!(Swap::from_rows(0), Swap::Conflict);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a verdict may be revealed only if the swap was applied"]
pub enum Swap {
    /// The record is stored, durably.
    Applied,
    /// Another version was stored; nothing has changed.
    Conflict,
}

impl Swap {
    /// Returns [`Swap::Applied`] for one affected row and [`Swap::Conflict`] for none. Use the count that means "changed":
    /// some drivers report the rows that were found.
    pub fn from_rows(affected: u64) -> Self {
        if affected == 1 { Self::Applied } else { Self::Conflict }
    }
}

/// Where the host keeps the records.
///
/// The whole of the library's protection from races and replay rests on [`Store::compare_and_swap`]: a
/// store that reports [`Swap::Applied`] although another write came first lets a code be used twice. The
/// conformance kit of the feature `testing` checks a store.
///
/// A store:
///
/// - compares user ids byte for byte: without case folding, Unicode normalization, trimming or patterns. The id column
///   holds [`UserId::MAX_LEN`] bytes.
/// - stores the version that [`Record::version`] of `next` gives, whatever the version before it, in a 64-bit integer
///   column.
/// - stores the bytes of the record unchanged, from none to 16 KiB, in a binary column.
/// - returns [`Swap::Applied`] only after the database has committed the write. An error of the commit is an error of the
///   call.
///
/// A future of this trait may be dropped at any await. A write must then be done as a whole or not at all.
/// A store bounds its own calls in time: the library has no timer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store",
    note = "implement `factorgate::Store`, or wrap a blocking store: `factorgate::blocking::Ready(store)`"
)]
pub trait Store: Send + Sync {
    /// Why the database could not answer.
    type Error: Error + Send + Sync + 'static;

    /// The record of `user`, or `None` if there never was one. It must see every write that was applied
    /// before: no lagging replica.
    fn load(&self, user: &UserId) -> impl Future<Output = Result<Option<Record>, Self::Error>> + Send;

    /// Stores `next` if, and only if, the stored version equals `expected` (`None`: there is no record), in one
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

/// A port whose type is chosen at run time, and why it failed.
macro_rules! erased {
    ($(#[$doc:meta])* $any:ident, $port:ident, $erased:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $any(alloc::sync::Arc<dyn $erased>);

        impl $any {
            /// Hides the type. A clone is a handle to the same.
            #[must_use]
            pub fn new(port: impl $port + 'static) -> Self {
                Self(alloc::sync::Arc::new(port))
            }
        }

        impl core::fmt::Debug for $any {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($any), "(..)"))
            }
        }
    };
}
pub(crate) use erased;

erased! {
    /// A store whose type is chosen at run time.
    AnyStore, Store, ErasedStore
}

/// The error of a store or mailer whose type is hidden.
#[derive(Debug)]
pub struct AnyError(Box<dyn Error + Send + Sync>);

impl AnyError {
    /// Erases the type of `error`.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
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
