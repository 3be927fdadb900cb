//! The conformance kit accepts good stores and refuses each broken one, with a message that names the fault.

mod broken;
mod stores;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use broken::{Async, Broken, Columns, Flaw};
use factorgate::UserId;
use factorgate::blocking::Ready;
use factorgate::store::{AnyStore, Record, Store, Swap, Version};
use factorgate::testing::{MemoryStore, NotConforming, StoreFault, check_blocking_store, check_store};
use stores::{STORES, Wrong};

const PREFIX: &str = "conformance-";

/// The text of the refusal.
#[track_caller]
fn refusal(result: Result<(), NotConforming<Infallible>>, name: &str) -> String {
    match result {
        Err(NotConforming::Contract(text)) => text,
        other => panic!("{name}: {other:?}"),
    }
}

fn broken(flaw: Flaw) -> Broken {
    Broken::new(Columns { flaw: Some(flaw), ..Columns::default() })
}

#[test]
fn good_blocking_store_conforms() {
    check_blocking_store(&Broken::new(Columns::default()), PREFIX).unwrap();
}

#[tokio::test]
async fn good_async_stores_conform() {
    check_store(&MemoryStore::new(), PREFIX).await.unwrap();
    check_store(&Async(Broken::new(Columns::default())), PREFIX).await.unwrap();
    check_store(&Ready(Broken::new(Columns::default())), PREFIX).await.unwrap();
    check_store(&AnyStore::new(MemoryStore::new()), PREFIX).await.unwrap();
    check_store(&Arc::new(MemoryStore::new()), "").await.unwrap();
    check_store(&MemoryStore::new(), &"p".repeat(32)).await.unwrap();
}

#[tokio::test]
async fn check_runs_as_a_task() {
    let store = Arc::new(MemoryStore::new());
    tokio::spawn(async move { check_store(&*store, PREFIX).await }).await.unwrap().unwrap();
}

#[test]
fn broken_stores_are_distinct() {
    let names: BTreeSet<_> = STORES.iter().map(|wrong| wrong.name).collect();
    assert_eq!(names.len(), STORES.len());
    assert!(names.len() >= 27, "{}", names.len());
}

#[test]
fn blocking_kit_refuses_each_broken_store() {
    let said = |wrong: &Wrong| check_blocking_store(&Broken::new((wrong.columns)()), PREFIX);
    let all: Vec<_> = STORES.iter().map(|wrong| (wrong.name, refusal(said(wrong), wrong.name))).collect();
    compare(&all);
}

#[tokio::test]
async fn async_kit_refuses_each_broken_store() {
    let mut all = Vec::new();
    for Wrong { name, columns, .. } in STORES {
        all.push((*name, refusal(check_store(&Async(Broken::new(columns())), PREFIX).await, name)));
    }
    compare(&all);
}

/// Each refusal is the one that is expected, word for word.
#[track_caller]
fn compare(said: &[(&str, String)]) {
    let expected: Vec<_> = STORES.iter().map(|wrong| (wrong.name, wrong.says())).collect();
    let differ: Vec<_> = said.iter().zip(&expected).filter(|(said, expected)| said != expected).collect();
    assert!(differ.is_empty() && said.len() == STORES.len(), "{differ:#?}");
}

const LOST_RACES: [Flaw; 3] = [Flaw::ReadThenWrite, Flaw::ReadThenInsert, Flaw::ReadThenUpdate];

/// Whether two writers were applied. Which version they expected depends on the threads.
fn is_lost_race(said: &str) -> bool {
    said.starts_with("2 writers at once that expected ")
        && said.ends_with(" were applied; compare and write in one atomic statement, or lock the row before it is read")
}

#[test]
fn blocking_store_that_reads_and_then_writes_is_refused() {
    for flaw in LOST_RACES {
        for _ in 0..5 {
            let said = refusal(check_blocking_store(&broken(flaw), PREFIX), "read, then write");
            assert!(is_lost_race(&said), "{flaw:?}: {said}");
        }
    }
}

#[tokio::test]
async fn async_store_that_reads_and_then_writes_is_refused() {
    for (flaw, says) in [
        (Flaw::ReadThenWrite, "16 writers at once that expected no record were applied"),
        (Flaw::ReadThenInsert, "16 writers at once that expected no record were applied"),
        (Flaw::ReadThenUpdate, "16 writers at once that expected version 1 were applied"),
    ] {
        let said = refusal(check_store(&Async(broken(flaw)), PREFIX).await, "read, then write");
        let fix = "compare and write in one atomic statement, or lock the row before it is read";
        assert_eq!(said, format!("{says}; {fix}"));
    }
}

#[tokio::test]
async fn async_store_that_never_waits_is_raced_in_threads() {
    for flaw in LOST_RACES {
        let said = refusal(check_store(&Ready(broken(flaw)), PREFIX).await, "read, then write");
        assert!(is_lost_race(&said), "{flaw:?}: {said}");
    }
}

#[test]
fn blocking_store_that_writes_in_two_statements_is_refused() {
    for _ in 0..5 {
        let said = refusal(check_blocking_store(&broken(Flaw::TwoStatements), PREFIX), "two statements");
        assert_eq!(
            said,
            "a load returned the version of one write with the bytes of another; read and write both in one statement"
        );
    }
}

#[tokio::test]
async fn async_store_that_writes_in_two_statements_is_refused() {
    let said = refusal(check_store(&Async(broken(Flaw::TwoStatements)), PREFIX).await, "two statements");
    assert_eq!(
        said,
        "a load returned the version of one write with the bytes of another; read and write both in one statement"
    );
}

#[test]
fn blocking_store_whose_threads_see_different_records_is_refused() {
    let store = broken(Flaw::LoadsOneWriteLateInOtherThreads);
    assert_eq!(
        refusal(check_blocking_store(&store, PREFIX), "other threads"),
        "a load in one thread missed a write that was applied in another; load from the database that takes the writes, \
         without a cache or a replica"
    );
}

#[tokio::test]
async fn store_where_writers_keep_each_other_out_is_refused() {
    assert_eq!(
        refusal(check_store(&Async(broken(Flaw::NobodyWins)), PREFIX).await, "nobody wins"),
        "of 16 writers at once none was applied; apply the first write that finds the expected version"
    );
}

/// Writes in two statements under a lock that loads wait for: only a dropped write shows the first one alone.
struct LockedTwoStatements(tokio::sync::Mutex<()>, Async);

impl Store for LockedTwoStatements {
    type Error = Infallible;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, Infallible> {
        let _lock = self.0.lock().await;
        self.1.load(user).await
    }

    async fn compare_and_swap(
        &self,
        user: &UserId,
        expected: Option<Version>,
        next: &Record,
    ) -> Result<Swap, Infallible> {
        let _lock = self.0.lock().await;
        self.1.compare_and_swap(user, expected, next).await
    }
}

#[tokio::test]
async fn store_whose_dropped_write_is_made_in_part_is_refused() {
    let store = LockedTwoStatements(tokio::sync::Mutex::default(), Async(broken(Flaw::TwoStatements)));
    assert_eq!(
        refusal(check_store(&store, PREFIX).await, "dropped"),
        "a write whose future was dropped was made in part; write version and record in one statement or transaction"
    );
}

#[tokio::test]
async fn store_that_takes_every_write_is_refused() {
    assert!(matches!(
        check_store(&MemoryStore::ignoring_expected(), PREFIX).await,
        Err(NotConforming::Contract(text)) if text.contains("an update for a user without a record")
    ));
}

#[tokio::test]
async fn error_of_the_store_is_passed_on() {
    let store = MemoryStore::new();
    store.set_fault(Some(StoreFault::Swap));
    let error = check_store(&store, PREFIX).await.unwrap_err();
    assert_eq!(error.to_string(), "the store failed while the kit was writing version 2 with 4 bytes");
    store.set_fault(Some(StoreFault::Load));
    let error = check_store(&store, PREFIX).await.unwrap_err();
    assert_eq!(error.to_string(), "the store failed while the kit was loading a record");
}

#[tokio::test]
async fn prefix_that_cannot_be_used_is_refused() {
    let error = check_store(&MemoryStore::new(), &"p".repeat(33)).await.unwrap_err();
    assert_eq!(error.to_string(), "the prefix is longer than 32 bytes; use a shorter one");
    let error = check_store(&MemoryStore::new(), "a\n").await.unwrap_err();
    assert!(matches!(&error, NotConforming::Prefix(text) if text.contains("use a plain text as prefix")), "{error}");
}

#[tokio::test]
async fn store_that_holds_a_user_of_the_kit_is_refused() {
    let store = MemoryStore::new();
    check_store(&store, PREFIX).await.unwrap();
    let error = check_store(&store, PREFIX).await.unwrap_err();
    assert!(error.to_string().contains("give the kit a prefix that no stored user id has"), "{error}");
}
