//! For the tests of a host: a store and a mailer in memory, a clock that stands still, randomness that repeats,
//! and the conformance kit for a store. Behind the feature `testing`; never in production.

mod conformance;
mod kit;
mod outbox;
mod store;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use crate::mac::hmac_sha256;
use crate::random::{RandomUnavailable, SecureRandom};
use crate::time::{Clock, Timestamp};

pub use self::{
    conformance::{NotConforming, check_blocking_store, check_store},
    kit::{App, Kit},
    outbox::{MailFailed, MailFault, Outbox, Sent},
    store::{MemoryStore, StoreFailed, StoreFault},
};

/// A clock that stands still until it is moved. Its clones are the same clock.
///
/// ```
/// use factorgate::testing::FixedClock;
/// use factorgate::{Timestamp, env::Clock};
///
/// let clock = FixedClock::at(1_900_000_000);
/// clock.advance(std::time::Duration::from_secs(30));
/// assert_eq!(clock.now(), Some(Timestamp::from_secs(1_900_000_030)));
/// ```
#[derive(Clone, Debug)]
pub struct FixedClock(Arc<(AtomicU64, AtomicBool)>);

impl FixedClock {
    /// A clock that shows `secs` seconds since the Unix epoch.
    #[must_use]
    pub fn at(secs: u64) -> Self {
        Self(Arc::new((AtomicU64::new(secs), AtomicBool::new(false))))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.0.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Sets the clock, also back.
    pub fn set(&self, secs: u64) {
        self.0.0.store(secs, Ordering::SeqCst);
    }

    /// Breaks the clock, or repairs it.
    pub fn set_broken(&self, broken: bool) {
        self.0.1.store(broken, Ordering::SeqCst);
    }

    /// The time it shows, broken or not.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        Timestamp::from_secs(self.0.0.load(Ordering::SeqCst))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Option<Timestamp> {
        (!self.0.1.load(Ordering::SeqCst)).then(|| self.time())
    }
}

/// Randomness that is the same for the same seed: HMAC-SHA-256 of a counter. Its clones draw on together.
///
/// Anyone who knows the seed can compute every secret.
#[derive(Clone, Debug)]
pub struct SeededRandom(Arc<(u64, AtomicU64, AtomicBool)>);

impl SeededRandom {
    /// The randomness of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new((seed, AtomicU64::new(0), AtomicBool::new(false))))
    }

    /// Breaks the source, or repairs it.
    pub fn set_broken(&self, broken: bool) {
        self.0.2.store(broken, Ordering::SeqCst);
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
        let (seed, counter, broken) = &*self.0;
        if broken.load(Ordering::SeqCst) {
            return Err(RandomUnavailable);
        }
        for chunk in out.chunks_mut(32) {
            let mut block = [0; 32];
            let count = counter.fetch_add(1, Ordering::SeqCst);
            hmac_sha256(&[0; 32], &[&seed.to_be_bytes(), &count.to_be_bytes()], &mut block);
            for (to, from) in chunk.iter_mut().zip(block) {
                *to = from;
            }
        }
        Ok(())
    }
}
