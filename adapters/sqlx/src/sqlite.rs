//! SQLite: one file, or memory.

use std::str::FromStr as _;
use std::time::Duration;

use factorgate::UserId;
use factorgate::store::{Record, Store, Swap, Version};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::{Error, in_time};

/// Records in the table `factorgate_records` of an SQLite database. Its clones are the same store.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
    timeout: Duration,
}

impl SqliteStore {
    /// The statements that make the table, to be run in their order; each can be run again.
    pub const MIGRATIONS: &[&str] = &[include_str!("../migrations/sqlite/0001_factorgate_records.sql")];
    /// How long a call may take, unless [`SqliteStore::with_timeout`] says otherwise: 10 seconds.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// How long a connection of [`SqliteStore::open`] waits for another one that writes. It is less than the timeout of
    /// a call: a locked database then is an error that says so, before the call gives up on a write that may still be
    /// made.
    const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

    /// Opens a database by its URL, `sqlite:path/to/file` or `sqlite::memory:`, makes it if there is none, and
    /// makes the table.
    ///
    /// A file gets a write-ahead log, and SQLite syncs the log at every commit: an accepted code stays spent if the
    /// power fails. A connection waits up to 5 seconds for another one that writes. A database in memory has one
    /// connection, and ends with the store.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] if the URL is malformed or the database cannot be opened.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let in_memory = url.contains(":memory:") || url.contains("mode=memory");
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Self::BUSY_TIMEOUT);
        let pool = match in_memory {
            // A second connection would be a second database.
            // sqlx closes a connection whose test is dropped, and the database would end with it.
            true => SqlitePoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false),
            false => SqlitePoolOptions::new(),
        };
        let store = Self::new(pool.connect_with(options).await?);
        store.migrate().await?;
        Ok(store)
    }

    /// Uses the host's own pool.
    ///
    /// - `synchronous` must be `FULL` or `EXTRA` on each connection. With less, an accepted code can be valid again after
    ///   a power failure.
    /// - `journal_mode` should be `WAL`. With a rollback journal a reader keeps writers from committing; a commit that
    ///   fails is [`Error::Database`], and nothing is written.
    /// - `busy_timeout` should be shorter than the timeout of the store. Otherwise a call can end in
    ///   [`Error::TimedOut`] and its write be made afterwards.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        Self { pool, timeout: Self::DEFAULT_TIMEOUT }
    }

    /// Gives up on a call after `timeout`.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the table if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] if the database refuses.
    pub async fn migrate(&self) -> Result<(), Error> {
        for statement in Self::MIGRATIONS {
            sqlx::raw_sql(*statement).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// The pool, for the host's own statements.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }
}

impl Store for SqliteStore {
    type Error = Error;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, Error> {
        let query =
            sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT version, record FROM factorgate_records WHERE user_id = ?1")
                .bind(user.as_str())
                .fetch_optional(&self.pool);
        Ok(in_time(self.timeout, query).await?.map(|(version, sealed)| Record::new(version, sealed)))
    }

    async fn compare_and_swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap, Error> {
        let version = i64::from(next.version());
        let query = match expected {
            None => sqlx::query_scalar::<_, i64>(
                "INSERT INTO factorgate_records (user_id, version, record) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING RETURNING version",
            )
            .bind(user.as_str())
            .bind(version)
            .bind(next.sealed()),
            Some(expected) => sqlx::query_scalar::<_, i64>(
                "UPDATE factorgate_records SET version = ?2, record = ?3
                 WHERE user_id = ?1 AND version = ?4 RETURNING version",
            )
            .bind(user.as_str())
            .bind(version)
            .bind(next.sealed())
            .bind(i64::from(expected)),
        };
        // SQLite commits when the statement has run to its end, which is after its row. sqlx drops a statement at its
        // first row if it is asked for one row, and the error of the commit with it.
        let rows = in_time(self.timeout, query.fetch_all(&self.pool)).await?;
        Ok(if rows.is_empty() { Swap::Conflict } else { Swap::Applied })
    }
}
