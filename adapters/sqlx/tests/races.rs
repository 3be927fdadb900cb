//! The races of the engine on an SQLite file. Each has its control: on a store that reads the version and then
//! writes without asking, the same race is lost.

#[path = "../../../tests/race/mod.rs"]
mod race;

use std::time::Duration;

use factorgate::UserId;
use factorgate::store::{Record, Store, Swap, Version};
use factorgate_sqlx::{Error, SqliteStore};
use race::{LIMIT, LoginRace, Race};

/// Read, compare, write: three steps, where there must be one.
#[derive(Clone)]
struct ReadThenWrite(SqliteStore);

impl Store for ReadThenWrite {
    type Error = Error;

    async fn load(&self, user: &UserId) -> Result<Option<Record>, Error> {
        self.0.load(user).await
    }

    async fn compare_and_swap(&self, user: &UserId, expected: Option<Version>, next: &Record) -> Result<Swap, Error> {
        if self.load(user).await?.map(|record| record.version()) != expected {
            return Ok(Swap::Conflict);
        }
        sqlx::query("INSERT OR REPLACE INTO factorgate_records (user_id, version, record) VALUES (?1, ?2, ?3)")
            .bind(user.as_str())
            .bind(i64::from(next.version()))
            .bind(next.sealed())
            .execute(self.0.pool())
            .await?;
        Ok(Swap::Applied)
    }
}

async fn check(race: impl Race, expected: usize) {
    let folder = tempfile::tempdir().unwrap();
    let open = async |name: &str| {
        let store = SqliteStore::open(&format!("sqlite:{}", folder.path().join(name).display())).await.unwrap();
        // A race is about order, not about time: a slow disk, with 32 requests in line, is no failure.
        store.with_timeout(Duration::from_secs(120))
    };
    race::check(open("atomic.db").await, async || ReadThenWrite(open("control.db").await), race, expected).await;
}

race::login_tests!(check);
