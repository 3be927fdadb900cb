//! The SQLite store keeps the contract, in a file and in memory.

use std::task::Poll;

use factorgate::testing::{MemoryStore, check_store};
use factorgate::{Record, Store as _, Swap, UserId, Version};
use factorgate_sqlx::SqliteStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&format!("sqlite:{}", folder.path().join("mfa.db").display())).await.unwrap();
    check_store(&store, "conformance-").await.unwrap();
}

#[tokio::test]
async fn memory_conforms() {
    check_store(&SqliteStore::open("sqlite::memory:").await.unwrap(), "conformance-").await.unwrap();
}

#[tokio::test]
async fn the_kit_finds_a_store_that_takes_every_write() {
    assert!(check_store(&MemoryStore::ignoring_expected(), "conformance-").await.is_err());
}

#[tokio::test]
async fn what_was_applied_is_there_after_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("mfa.db").display());
    let (user, record) = (UserId::new("alice").unwrap(), Record::new(Version::FIRST, vec![1, 2, 3]));
    let store = SqliteStore::open(&url).await.unwrap();
    assert_eq!(store.compare_and_swap(&user, None, &record).await.unwrap(), Swap::Applied);
    store.pool().close().await;
    let store = SqliteStore::open(&url).await.unwrap();
    assert_eq!(store.load(&user).await.unwrap(), Some(record));
}

#[tokio::test]
async fn a_database_that_is_gone_is_an_error_and_no_answer() {
    let store = SqliteStore::open("sqlite::memory:").await.unwrap();
    store.pool().close().await;
    let user = UserId::new("alice").unwrap();
    assert!(store.load(&user).await.is_err());
    let record = Record::new(Version::FIRST, vec![1]);
    assert!(store.compare_and_swap(&user, None, &record).await.is_err());
}

#[tokio::test]
async fn dropped_requests_do_not_end_a_database_in_memory() {
    let store = SqliteStore::open("sqlite::memory:").await.unwrap();
    let (user, record) = (UserId::new("alice").unwrap(), Record::new(Version::FIRST, vec![1]));
    assert_eq!(store.compare_and_swap(&user, None, &record).await.unwrap(), Swap::Applied);
    for polls in (0..10).cycle().take(500) {
        drop_after(polls, store.load(&user)).await;
    }
    assert_eq!(store.load(&user).await.unwrap(), Some(record));
}

/// Polls a request at most `polls` times, and drops it.
async fn drop_after(mut polls: usize, request: impl Future) {
    let mut request = std::pin::pin!(request);
    std::future::poll_fn(|cx| match polls {
        0 => Poll::Ready(()),
        _ => {
            polls -= 1;
            match request.as_mut().poll(cx) {
                Poll::Pending if polls > 0 => Poll::Pending,
                _ => Poll::Ready(()),
            }
        }
    })
    .await;
}
