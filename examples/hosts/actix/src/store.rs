//! The records of the engine, in SQLite through rusqlite, which blocks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use factorgate::UserId;
use factorgate::blocking;
use factorgate::store::{Record, Swap, Version};
use rusqlite::{Connection, Error, OptionalExtension as _, Result, params};

const RECORDS: &str = "CREATE TABLE IF NOT EXISTS mfa_records
    (user_id TEXT PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL);";

/// One connection. Its clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite(Arc<Mutex<Connection>>);

impl Sqlite {
    /// Opens the file, or `:memory:`, and creates the tables that are missing.
    pub(crate) fn open(file: &str) -> Result<Self> {
        let connection = Connection::open(file)?;
        connection.execute_batch(RECORDS)?;
        connection.execute_batch(crate::users::TABLES)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl blocking::Store for Sqlite {
    type Error = Error;

    fn load(&self, user: &UserId) -> Result<Option<Record>> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT version, record FROM mfa_records WHERE user_id = ?1")?;
        query.query_row([user.as_str()], |row| Ok(Record::new(row.get::<_, i64>(0)?, row.get(1)?))).optional()
    }

    fn compare_and_swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap> {
        let (id, version, sealed) = (user.as_str(), i64::from(next.version()), next.sealed());
        let rows = match expected.map(i64::from) {
            None => {
                let sql = "INSERT INTO mfa_records VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                self.lock().execute(sql, params![id, version, sealed])?
            }
            Some(old) => {
                let sql = "UPDATE mfa_records SET version = ?2, record = ?3 WHERE user_id = ?1 AND version = ?4";
                self.lock().execute(sql, params![id, version, sealed, old])?
            }
        };
        Ok(Swap::from_rows(rows as u64))
    }
}
