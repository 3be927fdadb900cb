//! Writers in one task, which take turns whenever one of them waits, and writes that are dropped.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;

use crate::store::{Record, Store, Swap, Version};
use crate::user::UserId;

use super::{Checked, Kit, Waits, contract, record};

const ROUNDS: usize = 50;
const WRITERS: u8 = 16;
/// Writes that each writer tries in a row.
const ATTEMPTS: usize = 12;

const ATOMIC: &str = "compare and write in one atomic statement, or lock the row before it is read";
pub(super) const FIRST_WRITE: &str = "apply the first write that finds the expected version";

impl<S: Store> Kit<'_, S> {
    /// Many writers that expect the same version: the store applies one of them.
    pub(super) async fn race_tasks(&self) -> Checked<Waits, S> {
        let mut waits = Waits::Never;
        for round in 0..ROUNDS {
            let user = self.user(&format!("race-{round}"))?;
            for expected in [None, Some(Version::FIRST)] {
                let records: Vec<Record> = (0..WRITERS).map(|writer| payload(next(expected), writer)).collect();
                let writes = records.iter().map(|next| self.swap(&user, expected, next)).collect();
                let (swaps, waited) = join_all(writes).await;
                if waited == Waits::Sometimes {
                    waits = Waits::Sometimes;
                }
                let mut applied = Vec::new();
                for (swap, next) in swaps.into_iter().zip(&records) {
                    if swap? == Swap::Applied {
                        applied.push(next);
                    }
                }
                self.one_winner(&user, expected, &applied).await?;
            }
        }
        self.race_in_a_row().await?;
        Ok(waits)
    }

    async fn one_winner(&self, user: &UserId, expected: Option<Version>, applied: &[&Record]) -> Checked<(), S> {
        match applied {
            [winner] if self.load(user).await?.as_ref() == Some(winner) => Ok(()),
            [_] => contract(format!(
                "of {WRITERS} writers at once one was applied, but the record of another is stored; {ATOMIC}"
            )),
            [] => contract(format!("of {WRITERS} writers at once none was applied; {FIRST_WRITE}")),
            several => contract(too_many(several.len(), expected)),
        }
    }

    /// Writers that each load and write again and again.
    async fn race_in_a_row(&self) -> Checked<(), S> {
        let user = self.user("race-in-a-row")?;
        self.apply("an insert", &user, None, &payload(1, 0)).await?;
        let writers = (0..WRITERS).map(|writer| self.writes(&user, writer)).collect();
        let mut won = Vec::new();
        for wins in join_all(writers).await.0 {
            won.extend(wins?);
        }
        check_wins(won)?;
        match self.load(&user).await? {
            Some(record) if is_whole(&record) => Ok(()),
            _ => contract(torn()),
        }
    }

    /// The versions that this writer has replaced.
    async fn writes(&self, user: &UserId, writer: u8) -> Checked<Vec<i64>, S> {
        let mut won = Vec::new();
        for _ in 0..ATTEMPTS {
            let Some(loaded) = self.load(user).await?.filter(is_whole) else { return contract(torn()) };
            let version = i64::from(loaded.version());
            let next = payload(version.saturating_add(1), writer);
            if self.swap(user, Some(loaded.version()), &next).await? == Swap::Applied {
                won.push(version);
            }
        }
        Ok(won)
    }

    /// Drops a write at each of its awaits: it must be done as a whole or not at all.
    pub(super) async fn drop_writes(&self) -> Checked<(), S> {
        let user = self.user("dropped")?;
        let mut stored = payload(1, 0);
        self.apply("an insert", &user, None, &stored).await?;
        for polls in 0..16 {
            let next = payload(i64::from(stored.version()).saturating_add(1), 1);
            poll_times(self.store.compare_and_swap(&user, Some(stored.version()), &next), polls).await;
            stored = self.settle(&user, stored, next).await?;
        }
        Ok(())
    }

    /// The record after a write of `next` over `stored` was dropped. The write may go on without its future.
    async fn settle(&self, user: &UserId, stored: Record, next: Record) -> Checked<Record, S> {
        for _ in 0..3 {
            let loaded = self.load(user).await?;
            if loaded.as_ref() == Some(&next) {
                return Ok(next);
            }
            if loaded.as_ref() != Some(&stored) {
                break;
            }
            let own = payload(i64::from(next.version()), 2);
            if self.swap(user, Some(stored.version()), &own).await? == Swap::Applied {
                return Ok(own);
            }
        }
        contract(
            "a write whose future was dropped was made in part; write version and record in one statement or transaction"
                .into(),
        )
    }
}

fn next(expected: Option<Version>) -> i64 {
    expected.map_or(1, |version| i64::from(version).saturating_add(1))
}

pub(super) fn too_many(count: usize, expected: Option<Version>) -> alloc::string::String {
    let expected = expected.map_or_else(|| "no record".into(), |version| format!("version {}", i64::from(version)));
    format!("{count} writers at once that expected {expected} were applied; {ATOMIC}")
}

/// Checks that no version was replaced twice.
pub(super) fn check_wins<E: core::error::Error>(mut won: Vec<i64>) -> Result<(), super::NotConforming<E>> {
    won.sort_unstable();
    let twice = won.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    });
    match twice {
        Some(version) => contract(too_many(2, Some(Version::from(version)))),
        None if won.is_empty() => contract(format!("of many writers at once none was applied; {FIRST_WRITE}")),
        None => Ok(()),
    }
}

pub(super) fn torn() -> alloc::string::String {
    "a load returned the version of one write with the bytes of another; read and write both in one statement".into()
}

/// A record whose bytes tell its version and its writer.
pub(super) fn payload(version: i64, writer: u8) -> Record {
    let mut bytes = Vec::new();
    for _ in 0..=version % 64 {
        bytes.extend(version.to_be_bytes());
    }
    bytes.push(writer);
    record(version, bytes)
}

pub(super) fn is_whole(record: &Record) -> bool {
    record.sealed().last().is_some_and(|writer| *record == payload(i64::from(record.version()), *writer))
}

/// Runs all of the futures at the same time, in this task, and says whether one of them waited.
async fn join_all<F: Future>(futures: Vec<F>) -> (Vec<F::Output>, Waits) {
    let mut running: Vec<(Pin<_>, Option<F::Output>)> =
        futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    let mut waits = Waits::Never;
    poll_fn(|cx| {
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => waits = Waits::Sometimes,
            }
        }
        match running.iter().all(|(_, output)| output.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    (running.into_iter().filter_map(|(_, output)| output).collect(), waits)
}

/// Polls a future at most `polls` times, and drops it.
async fn poll_times(future: impl Future, mut polls: usize) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        while polls > 0 {
            polls -= 1;
            match future.as_mut().poll(cx) {
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if polls > 0 => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        Poll::Ready(())
    })
    .await;
}
