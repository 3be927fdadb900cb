//! Records in memory, with counters and faults.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::blocking::Immediate;
use crate::store::{Record, Store, Swap, Version};
use crate::user::UserId;

/// A store in memory. Its clones are the same store.
///
/// ```
/// use factorgate::testing::{Kit, StoreFault};
///
/// let kit = Kit::new();
/// kit.store.set_fault(Some(StoreFault::AfterSwap)); // writes are made, and their answers are lost
/// assert_eq!((kit.store.loads(), kit.store.swaps()), (0, 0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    records: HashMap<UserId, Record>,
    loads: u64,
    swaps: u64,
    fault: Option<StoreFault>,
    ignores_expected: bool,
    interleaves: bool,
}

/// How a [`MemoryStore`] fails, until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFault {
    /// The write is made, but its answer is lost.
    AfterSwap,
    /// Loads fail.
    Load,
    /// Nothing is written.
    Swap,
}

/// The fault that a [`MemoryStore`] was told to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store has the fault that it was told to have")]
pub struct StoreFailed;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store whose loads give way to other tasks, once to eight times in turn, so that requests that run at the same time
    /// come between each other. It is for tests of races, and not for [`Mfa::wait`](crate::Mfa::wait).
    #[must_use]
    pub fn interleaving() -> Self {
        let store = Self::new();
        store.inner().interleaves = true;
        store
    }

    /// A store that breaks the contract: it takes every write, whatever was expected. It is the control of a
    /// test of races, which must fail with it. On one thread it does so every time; with several, a busy machine may run one
    /// request after the other.
    #[must_use]
    pub fn ignoring_expected() -> Self {
        let store = Self::interleaving();
        store.inner().ignores_expected = true;
        store
    }

    /// Sets the fault of all later calls; `None` ends it.
    pub fn set_fault(&self, fault: Option<StoreFault>) {
        self.inner().fault = fault;
    }

    /// How many loads there were.
    #[must_use]
    pub fn loads(&self) -> u64 {
        self.inner().loads
    }

    /// How many compare-and-swaps there were, applied or not.
    #[must_use]
    pub fn swaps(&self) -> u64 {
        self.inner().swaps
    }

    /// The record of a user as it is stored.
    #[must_use]
    pub fn record(&self, user: &UserId) -> Option<Record> {
        self.inner().records.get(user).cloned()
    }

    /// Puts a record in place of the stored one, as somebody might who can write the table.
    pub fn put(&self, user: &UserId, record: Record) {
        self.inner().records.insert(user.clone(), record);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Immediate for MemoryStore {}

impl Store for MemoryStore {
    type Error = StoreFailed;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, StoreFailed> {
        let (loaded, turns) = {
            let mut inner = self.inner();
            inner.loads += 1;
            match inner.fault {
                Some(StoreFault::Load) => return Err(StoreFailed),
                // 5 is prime to 8: eight loads in a row give way for eight different lengths of time.
                _ => (inner.records.get(user).cloned(), if inner.interleaves { 1 + inner.loads * 5 % 8 } else { 0 }),
            }
        };
        GiveWay(turns).await;
        Ok(loaded)
    }

    async fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<Version>,
        next: &Record,
    ) -> Result<Swap, StoreFailed> {
        let mut inner = self.inner();
        inner.swaps += 1;
        if inner.fault == Some(StoreFault::Swap) {
            return Err(StoreFailed);
        }
        if inner.records.get(user).map(Record::version) != expected && !inner.ignores_expected {
            return Ok(Swap::Conflict);
        }
        inner.records.insert(user.clone(), next.clone());
        match inner.fault {
            Some(StoreFault::AfterSwap) => Err(StoreFailed),
            _ => Ok(Swap::Applied),
        }
    }
}

/// Pending so many times.
struct GiveWay(u64);

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(()) };
        self.0 = left;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
