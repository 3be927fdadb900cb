//! The races of the engine on an SQLite file. Each has its control: on a store that reads the version and then
//! writes without asking, the same race is lost.

#[path = "../../../tests/race/mod.rs"]
mod race;

use factorgate::{Record, Store, Swap, UserId, Version};
use factorgate_sqlx::{Error, SqliteStore};
use race::{LIMIT, ROUNDS, Race};

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
            .bind(next.version().get() as i64)
            .bind(next.sealed())
            .execute(self.0.pool())
            .await?;
        Ok(Swap::Applied)
    }
}

/// The race gives `expected` in each round, and without an atomic swap it does not.
async fn check(race: Race, expected: usize) {
    let folder = tempfile::tempdir().unwrap();
    let open =
        async |name: &str| SqliteStore::open(&format!("sqlite:{}", folder.path().join(name).display())).await.unwrap();
    assert_eq!(race::run(open("atomic.db").await, race).await, [expected; ROUNDS], "{race:?}");
    let control = race::run(ReadThenWrite(open("control.db").await), race).await;
    assert!(control.iter().any(|got| *got > expected), "the control of {race:?} must fail");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a01_b7_of_32_wrong_app_codes_five_are_judged() {
    check(Race::WrongAppCodes, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a01_a12_of_32_wrong_email_codes_five_are_judged() {
    check(Race::WrongEmailCodes, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a03_one_app_code_opens_one_of_two_logins_once() {
    check(Race::RightAppCode, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a02_one_email_code_opens_once() {
    check(Race::RightEmailCode, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a02_one_ticket_is_good_once() {
    check(Race::Ticket, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d07_one_registration_is_confirmed_once() {
    check(Race::Confirmation, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h04_one_token_of_a_browser_is_replaced_once() {
    check(Race::BrowserToken, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a01_b9_of_32_wrong_codes_in_two_step_ups_five_are_judged() {
    check(Race::WrongStepUpCodes, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a03_one_app_code_steps_up_once() {
    check(Race::StepUp, 1).await;
}
