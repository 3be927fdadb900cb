//! Whether a store keeps the contract that everything rests on.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::error::Error;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::Poll;

use crate::store::{Record, Store, Swap, Version};
use crate::user::UserId;

/// How a store breaks the contract of [`Store`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotConforming<E: Error + 'static> {
    /// An answer is wrong.
    #[error("{0}")]
    Contract(String),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] E),
}

/// Tries a store out: creation, replacement, conflicts, users apart from each other, bytes as they are, and 16
/// writers at once of which one may win, in 50 rounds.
///
/// The users that it writes are `prefix` and a number; the store must hold none of them. The writers run in one
/// task: run the kit on a store of several connections.
///
/// # Errors
///
/// [`NotConforming`] says what the store did, and what it should have done.
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
    let user = |name: &str| {
        UserId::new(&format!("{prefix}{name}")).map_err(|error| contract(format!("the prefix is no user id: {error}")))
    };
    let (alice, bob) = (user("alice")?, user("Alice")?);
    let first = record(1, vec![0, 255, 0, 10, 39, 92]);
    let swap = async |expected, next: &Record| {
        store.compare_and_swap(&alice, expected, next).await.map_err(NotConforming::Store)
    };
    let load = async |user: &UserId| store.load(user).await.map_err(NotConforming::Store);

    expect("a user without a record has none", load(&alice).await?, None)?;
    expect("no record is replaced where there is none", swap(Some(Version::FIRST), &first).await?, Swap::Conflict)?;
    expect("and none is made by that", load(&alice).await?, None)?;
    expect("the first record is stored", swap(None, &first).await?, Swap::Applied)?;
    expect("a record comes back as it was stored", load(&alice).await?, Some(first.clone()))?;
    expect("user ids differ by case", load(&bob).await?, None)?;
    expect("no record is made where there is one", swap(None, &record(1, vec![1])).await?, Swap::Conflict)?;
    expect("the record is left as it was", load(&alice).await?, Some(first))?;

    let second = record(2, vec![7; 16 * 1024]);
    expect("a record is replaced", swap(Some(Version::FIRST), &second).await?, Swap::Applied)?;
    expect("an old version replaces nothing", swap(Some(Version::FIRST), &record(2, vec![1])).await?, Swap::Conflict)?;
    expect(
        "a later version replaces nothing",
        swap(Some(Version::from(3)), &record(4, vec![1])).await?,
        Swap::Conflict,
    )?;
    expect("the last applied record stays", load(&alice).await?, Some(second))?;

    for round in 0..50 {
        let racer = user(&format!("race-{round}"))?;
        for expected in [None, Some(Version::FIRST)] {
            let version = expected.map_or(1, |_| 2);
            let records: Vec<Record> = (0..16).map(|writer| record(version, vec![writer])).collect();
            let writes = records.iter().map(|next| store.compare_and_swap(&racer, expected, next)).collect();
            let mut winner = None;
            for (swapped, next) in join_all(writes).await.into_iter().zip(&records) {
                if swapped.map_err(NotConforming::Store)? == Swap::Applied && winner.replace(next).is_some() {
                    return Err(contract(format!(
                        "round {round}: two writers that expected {expected:?} were applied"
                    )));
                }
            }
            expect("the winner's record is stored", load(&racer).await?, winner.cloned())?;
            expect("one of the writers wins", winner.is_some(), true)?;
        }
    }
    Ok(())
}

fn record(version: i64, bytes: Vec<u8>) -> Record {
    Record::new(version, bytes)
}

fn expect<T: PartialEq + core::fmt::Debug, E: Error>(what: &str, got: T, wanted: T) -> Result<(), NotConforming<E>> {
    match got == wanted {
        true => Ok(()),
        false => Err(contract(format!("{what}: got {got:?}, expected {wanted:?}"))),
    }
}

fn contract<E: Error>(text: String) -> NotConforming<E> {
    NotConforming::Contract(text)
}

/// Runs all of the futures at the same time, in this task.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<(Pin<_>, Option<F::Output>)> =
        futures.into_iter().map(|future| (alloc::boxed::Box::pin(future), None)).collect();
    poll_fn(|cx| {
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                *output = Some(value);
            }
        }
        match running.iter().all(|(_, output)| output.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
