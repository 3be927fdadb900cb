//! The engine's store: one table, one row for each user.

use factorgate::UserId;
use factorgate::store::{Record, Store, Swap, Version};
use sqlx::AnyPool;

pub(crate) const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS mfa_records (user_id TEXT PRIMARY KEY, version BIGINT NOT NULL, record BLOB NOT NULL)";

#[derive(Clone, Debug)]
pub(crate) struct Records(pub(crate) AnyPool);

impl Store for Records {
    type Error = sqlx::Error;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, sqlx::Error> {
        let query = sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT version, record FROM mfa_records WHERE user_id = $1");
        let row = query.bind(user.as_str()).fetch_optional(&self.0).await?;
        Ok(row.map(|(version, record)| Record::new(version, record)))
    }

    async fn compare_and_swap(&self, user: &UserId, old: Option<Version>, next: &Record) -> Result<Swap, sqlx::Error> {
        let query = match old {
            None => sqlx::query("INSERT INTO mfa_records VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"),
            Some(_) => {
                sqlx::query("UPDATE mfa_records SET version = $2, record = $3 WHERE user_id = $1 AND version = $4")
            }
        };
        let query = query.bind(user.as_str()).bind(i64::from(next.version())).bind(next.sealed().to_vec());
        let query = if let Some(old) = old { query.bind(i64::from(old)) } else { query };
        Ok(Swap::from_rows(query.execute(&self.0).await?.rows_affected()))
    }
}
