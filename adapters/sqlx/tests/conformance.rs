//! The SQLite store keeps the contract, in a file and in memory. Tables and statements that break it are refused.

use std::task::Poll;

use factorgate::UserId;
use factorgate::store::{Record, Store, Swap, Version};
use factorgate::testing::{MemoryStore, NotConforming, check_store};
use factorgate_sqlx::{Error, SqliteStore};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

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

/// A store whose table and statements are given.
struct Statements {
    pool: SqlitePool,
    select: &'static str,
    insert: &'static str,
    update: &'static str,
}

const TABLE: &str =
    "CREATE TABLE records (id TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL)";
const SELECT: &str = "SELECT version, CAST(record AS BLOB) FROM records WHERE id = ?1";
const INSERT: &str = "INSERT INTO records VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING RETURNING 1";
const UPDATE: &str = "UPDATE records SET version = ?2, record = ?3 WHERE id = ?1 AND version = ?4 RETURNING 1";

impl Statements {
    async fn new(table: &'static str, select: &'static str, insert: &'static str, update: &'static str) -> Self {
        let options = SqliteConnectOptions::new().in_memory(true);
        let pool =
            SqlitePoolOptions::new().max_connections(1).test_before_acquire(false).connect_with(options).await.unwrap();
        sqlx::raw_sql(table).execute(&pool).await.unwrap();
        Self { pool, select, insert, update }
    }
}

impl Store for Statements {
    type Error = Error;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, Error> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as(self.select).bind(user.as_str()).fetch_optional(&self.pool).await?;
        Ok(row.map(|(version, sealed)| Record::new(version, sealed)))
    }

    async fn compare_and_swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap, Error> {
        let statement = if expected.is_some() { self.update } else { self.insert };
        let query = sqlx::query(statement).bind(user.as_str()).bind(i64::from(next.version())).bind(next.sealed());
        let query = match expected {
            Some(expected) => query.bind(i64::from(expected)),
            None => query,
        };
        Ok(if query.fetch_all(&self.pool).await?.is_empty() { Swap::Conflict } else { Swap::Applied })
    }
}

#[tokio::test]
async fn tables_and_statements_that_break_the_contract_are_refused() {
    check_store(&Statements::new(TABLE, SELECT, INSERT, UPDATE).await, "conformance-").await.unwrap();

    const NOCASE: &str = "CREATE TABLE records (id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL)";
    const RTRIM: &str = "CREATE TABLE records (id TEXT NOT NULL COLLATE RTRIM PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL)";
    for (table, select, insert, update, says) in [
        (NOCASE, SELECT, INSERT, UPDATE, "user ids that differ only in the case of an ASCII letter share a record"),
        (RTRIM, SELECT, INSERT, UPDATE, "user ids that differ only in a trailing space share a record"),
        (
            TABLE,
            "SELECT version, record FROM records WHERE id LIKE ?1",
            INSERT,
            UPDATE,
            "user ids that differ only in the case of an ASCII letter share a record",
        ),
        (
            TABLE,
            "SELECT version, record FROM records WHERE id GLOB ?1",
            INSERT,
            UPDATE,
            "user ids that differ only in `*` in place of letters share a record",
        ),
        (
            TABLE,
            "SELECT version, record FROM records WHERE id = substr(?1, 1, 64)",
            "INSERT INTO records VALUES (substr(?1, 1, 64), ?2, ?3) ON CONFLICT DO NOTHING RETURNING 1",
            "UPDATE records SET version = ?2, record = ?3 WHERE id = substr(?1, 1, 64) AND version = ?4 RETURNING 1",
            "user ids that differ only in the last of 65 bytes share a record",
        ),
        (
            TABLE,
            SELECT,
            "INSERT INTO records VALUES (?1, ?2 & 65535, ?3) ON CONFLICT DO NOTHING RETURNING 1",
            "UPDATE records SET version = ?2 & 65535, record = ?3 WHERE id = ?1 AND version = ?4 & 65535 RETURNING 1",
            "a large version: version 65536 came back as version 0",
        ),
        (
            TABLE,
            "SELECT version, CAST(record AS BLOB) FROM records WHERE id = ?1",
            "INSERT INTO records VALUES (?1, ?2, coalesce(substr(?3, 1, 255), x'')) ON CONFLICT DO NOTHING RETURNING 1",
            "UPDATE records SET version = ?2, record = coalesce(substr(?3, 1, 255), x'') WHERE id = ?1 AND version = ?4 RETURNING 1",
            "255 bytes came back instead of 256",
        ),
        (
            TABLE,
            SELECT,
            "INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3) RETURNING 1",
            UPDATE,
            "an insert for a user who has a record: the store applied the write",
        ),
        (
            TABLE,
            SELECT,
            INSERT,
            "INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3) RETURNING ?4",
            "an update for a user without a record: the store applied the write",
        ),
        (
            TABLE,
            SELECT,
            INSERT,
            "UPDATE records SET version = ?2, record = ?3 WHERE id = ?1 AND version <= ?4 RETURNING 1",
            "an update that expected a later version: the store applied the write",
        ),
        (
            TABLE,
            SELECT,
            INSERT,
            "UPDATE records SET version = version + 1, record = ?3 WHERE id = ?1 AND version = ?4 RETURNING ?2",
            "an update that skips versions: version 9 came back as version 5",
        ),
    ] {
        let store = Statements::new(table, select, insert, update).await;
        match check_store(&store, "conformance-").await {
            Err(NotConforming::Contract(said)) => assert!(said.contains(says), "{says}: {said}"),
            other => panic!("{says}: {other:?}"),
        }
    }
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
