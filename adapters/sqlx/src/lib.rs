//! The store of [factorgate] on SQL databases, through [sqlx].
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use factorgate_sqlx::SqliteStore;
//!
//! let store = SqliteStore::open("sqlite::memory:").await?; // or "sqlite:portal.db"
//! # Ok(())
//! # }
//! ```
//!
//! A host that has a pool already gives it to [`SqliteStore::new`], and either runs [`SqliteStore::migrate`] at
//! start or puts [`SqliteStore::MIGRATIONS`] among its own migrations.
//!
//! # How a swap is decided
//!
//! By the row that the statement returns, never by a count of affected rows: some databases count the rows that they
//! have found, not the rows that they have changed. The store reads the statement to its end, because a database
//! commits after the row. If the commit fails, for example on a full disk, the swap is an error.
//!
//! Insert and update are one statement each. A dropped future or a killed process leaves the record before or after the
//! write, and nothing between.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// Why the database could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// No answer came in time. A write may have been made.
    #[error("the database did not answer in time")]
    TimedOut,
}

/// Bounds a call in time: the engine has no timer of its own.
async fn in_time<T>(
    limit: std::time::Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(Error::Database),
        Err(_) => Err(Error::TimedOut),
    }
}
