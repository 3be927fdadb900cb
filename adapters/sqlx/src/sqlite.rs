//! SQLite: one file, or memory.

use std::str::FromStr as _;
use std::time::Duration;

use factorgate::{Record, Store, Swap, UserId, Version};
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
    /// How long a call may take, unless [`SqliteStore::with_timeout`] says otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

    /// Opens a database by its URL, `sqlite:path/to/file` or `sqlite::memory:`, makes it if there is none, and
    /// makes the table.
    ///
    /// A file is written ahead of a log and synced at every commit: a code that was accepted stays spent when the
    /// power fails. A database in memory is one connection, and gone with the store.
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
            .busy_timeout(Self::DEFAULT_TIMEOUT);
        let pool = match in_memory {
            // A second connection would be a second database.
            true => SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None),
            false => SqlitePoolOptions::new(),
        };
        let store = Self::new(pool.connect_with(options).await?);
        store.migrate().await?;
        Ok(store)
    }

    /// A store on the host's own pool. Its connections must sync at every commit (`synchronous` full or, with a
    /// write-ahead log, a code that was accepted can be good again after a power failure).
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
        let Some((version, sealed)) = in_time(self.timeout, query).await? else { return Ok(None) };
        let version = u64::try_from(version).map_err(|_| Error::Version)?;
        Ok(Some(Record::new(Version::new(version), sealed)))
    }

    async fn compare_and_swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap, Error> {
        let version = number(next.version())?;
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
            .bind(number(expected)?),
        };
        Ok(match in_time(self.timeout, query.fetch_optional(&self.pool)).await? {
            Some(_) => Swap::Applied,
            None => Swap::Conflict,
        })
    }
}

fn number(version: Version) -> Result<i64, Error> {
    i64::try_from(version.get()).map_err(|_| Error::Version)
}
