//! Writers and readers in threads.

use alloc::format;
use alloc::vec::Vec;
use core::hint;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use core::time::Duration;
use std::panic;
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use crate::blocking;
use crate::store::{Record, Store, Swap, Version};
use crate::user::UserId;

use super::race::{FIRST_WRITE, check_wins, is_whole, payload, too_many, torn};
use super::{Checked, Kit, NotConforming, contract, write_failed};

/// Threads that each do as much as they can.
const THREADS: u8 = 4;
/// Writes that a thread tries in a row, unless the time is over first.
const ATTEMPTS: usize = 20_000;
const TIME: Duration = Duration::from_millis(400);
/// How long a thread waits for the others before each write.
const MEETING: Duration = Duration::from_millis(2);

impl<S: Store> Kit<'_, S> {
    /// Many writers in threads: the store applies each version once.
    pub(super) fn race_threads(
        &self,
        swap: &(impl Fn(&UserId, Option<Version>, &Record) -> Result<Swap, S::Error> + Sync),
    ) -> Checked<(), S> {
        // Two threads start within nanoseconds of each other; eight keep a connection pool busy.
        self.race_in_step(swap, 2, 1000)?;
        self.race_in_step(swap, 8, 100)?;
        self.race_updates(swap)
    }

    /// All threads insert the same user at the same moment, and then update it at the same moment, user by user.
    fn race_in_step(
        &self,
        swap: &(impl Fn(&UserId, Option<Version>, &Record) -> Result<Swap, S::Error> + Sync),
        count: u8,
        rounds: usize,
    ) -> Checked<(), S> {
        let mut steps = Vec::new();
        for round in 0..rounds {
            let user = self.user(&format!("step-{count}-{round}"))?;
            steps.push((AtomicUsize::new(0), user.clone(), None));
            steps.push((AtomicUsize::new(0), user, Some(Version::FIRST)));
        }
        let (is_over, end) = (AtomicBool::new(false), Instant::now() + TIME);
        let won = in_threads(count, |writer| {
            let mut won = Vec::new();
            for (number, (arrived, user, expected)) in steps.iter().enumerate() {
                if is_over.load(Ordering::SeqCst) || Instant::now() >= end {
                    break;
                }
                let next = payload(if expected.is_none() { 1 } else { 2 }, writer);
                meet(arrived, count);
                match swap(user, *expected, &next) {
                    Ok(Swap::Applied) => won.push(number),
                    Ok(Swap::Conflict) => {}
                    Err(source) => {
                        is_over.store(true, Ordering::SeqCst);
                        return Err(write_failed(&next, source));
                    }
                }
            }
            is_over.store(true, Ordering::SeqCst);
            Ok(won)
        })?;
        let mut won: Vec<usize> = won.into_iter().flatten().collect();
        won.sort_unstable();
        match won.iter().enumerate().find(|(position, number)| position != *number) {
            None if !won.is_empty() => Ok(()),
            // Steps with an even number insert.
            Some((position, number)) if position > *number => {
                contract(too_many(2, (number % 2 == 1).then_some(Version::FIRST)))
            }
            _ => contract(format!("of {count} writers at once none was applied; {FIRST_WRITE}")),
        }
    }

    /// Each thread replaces the latest version, again and again.
    fn race_updates(
        &self,
        swap: &(impl Fn(&UserId, Option<Version>, &Record) -> Result<Swap, S::Error> + Sync),
    ) -> Checked<(), S> {
        let user = self.user("threads")?;
        let first = payload(1, 0);
        let inserted = swap(&user, None, &first).map_err(|source| write_failed(&first, source))?;
        if inserted != Swap::Applied {
            return contract("an insert: the store answered `Conflict` although there was no record".into());
        }
        let (latest, end) = (AtomicI64::new(1), Instant::now() + TIME);
        let won = in_threads(THREADS, |writer| {
            let mut won = Vec::new();
            for _ in 0..ATTEMPTS {
                let version = latest.load(Ordering::SeqCst);
                let next = payload(version.saturating_add(1), writer);
                let swapped = swap(&user, Some(Version::from(version)), &next);
                if swapped.map_err(|source| write_failed(&next, source))? == Swap::Applied {
                    latest.fetch_max(version.saturating_add(1), Ordering::SeqCst);
                    won.push(version);
                }
                if Instant::now() >= end {
                    break;
                }
            }
            Ok(won)
        })?;
        check_wins(won.into_iter().flatten().collect())
    }

    /// One thread writes, and the others load: each load returns one write as a whole, and sees every write before it.
    pub(super) fn read_in_threads<B>(&self, store: &B) -> Checked<(), S>
    where
        B: blocking::Store<Error = S::Error>,
    {
        let user = self.user("readers")?;
        let (applied, is_over, end) = (AtomicI64::new(0), AtomicBool::new(false), Instant::now() + TIME);
        in_threads(THREADS, |thread| {
            if thread > 0 {
                // If the store panics, nothing tells the readers that it is over.
                return read(store, &user, &applied, || {
                    is_over.load(Ordering::SeqCst) || Instant::now() >= end + 10 * TIME
                });
            }
            let result = write(store, &user, &applied, end);
            is_over.store(true, Ordering::SeqCst);
            result
        })?;
        Ok(())
    }
}

fn write<B: blocking::Store>(
    store: &B,
    user: &UserId,
    applied: &AtomicI64,
    end: Instant,
) -> Result<(), NotConforming<B::Error>> {
    let mut expected = None;
    for version in 1..=ATTEMPTS as i64 {
        let next = payload(version, 0);
        let swap = store.compare_and_swap(user, expected, &next).map_err(|source| write_failed(&next, source))?;
        if swap != Swap::Applied {
            return contract(format!("the only writer of a user got `Conflict`; {FIRST_WRITE}"));
        }
        applied.store(version, Ordering::SeqCst);
        expected = Some(next.version());
        if Instant::now() >= end {
            break;
        }
    }
    Ok(())
}

fn read<B: blocking::Store>(
    store: &B,
    user: &UserId,
    applied: &AtomicI64,
    is_over: impl Fn() -> bool,
) -> Result<(), NotConforming<B::Error>> {
    loop {
        // Read first: the last load comes after the last write, however seldom this thread runs.
        let is_last = is_over();
        let before = applied.load(Ordering::SeqCst);
        let failed = |source| NotConforming::Store { during: "loading a record".into(), source };
        let loaded = store.load(user).map_err(failed)?;
        if loaded.as_ref().is_some_and(|record| !is_whole(record)) {
            return contract(torn());
        }
        if loaded.map_or(0, |record| i64::from(record.version())) < before {
            return contract(
                "a load in one thread missed a write that was applied in another; load from the database that takes the \
                 writes, without a cache or a replica"
                    .into(),
            );
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Runs `work` in `count` threads, and returns what each returned, or the first error.
fn in_threads<T: Send, E: Send>(count: u8, work: impl Fn(u8) -> Result<T, E> + Sync) -> Result<Vec<T>, E> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<ScopedJoinHandle<'_, _>> =
            (0..count).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))).collect()
    })
}

/// Waits until `count` threads have arrived, or for a short time.
fn meet(arrived: &AtomicUsize, count: u8) {
    arrived.fetch_add(1, Ordering::SeqCst);
    let began = Instant::now();
    for turn in 0_u32.. {
        if arrived.load(Ordering::SeqCst) >= usize::from(count) || began.elapsed() > MEETING {
            break;
        }
        match turn < 200 {
            true => hint::spin_loop(),
            false => thread::yield_now(),
        }
    }
}
