//! A commit that fails is an error. The engine then judges no code for free and accepts no code twice.

mod host;
#[cfg(unix)]
mod limit;

use std::path::Path;
use std::time::Duration;

use factorgate::store::{Record, Store as _, Swap, Version};
use factorgate::{Error, UserId};
use factorgate_sqlx::SqliteStore;
use host::{Host, LIMIT};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};

/// A pool of the host's own, on a new database.
async fn pool(file: &Path, options: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions) -> SqlitePool {
    let connect = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options(connect)).await.unwrap();
    SqliteStore::new(pool.clone()).migrate().await.unwrap();
    pool
}

/// A database with a rollback journal. A reader keeps every writer from committing: the update itself succeeds.
async fn rollback_journal(file: &Path) -> SqlitePool {
    let short = Duration::from_millis(2);
    pool(file, |connect| connect.journal_mode(SqliteJournalMode::Delete).busy_timeout(short)).await
}

#[tokio::test]
async fn swap_that_cannot_commit_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let pool = rollback_journal(&folder.path().join("mfa.db")).await;
    let store = SqliteStore::new(pool.clone());
    let user = UserId::new("alice").unwrap();
    let first = Record::new(Version::FIRST, vec![1; 300]);
    assert_eq!(store.compare_and_swap(&user, None, &first).await.unwrap(), Swap::Applied);

    let mut reader = pool.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM factorgate_records").execute(&mut *reader).await.unwrap();
    let second = Record::new(Version::from(2), vec![2; 300]);
    assert!(store.compare_and_swap(&user, Some(Version::FIRST), &second).await.is_err());
    assert!(store.compare_and_swap(&UserId::new("bob").unwrap(), None, &first).await.is_err());
    reader.rollback().await.unwrap();

    assert_eq!(store.load(&user).await.unwrap(), Some(first), "nothing was written");
    assert_eq!(store.compare_and_swap(&user, Some(Version::FIRST), &second).await.unwrap(), Swap::Applied);
    assert_eq!(store.load(&user).await.unwrap(), Some(second));
}

#[tokio::test]
async fn no_code_is_judged_while_no_write_can_commit() {
    let folder = tempfile::tempdir().unwrap();
    let pool = rollback_journal(&folder.path().join("mfa.db")).await;
    let host = Host::new(SqliteStore::new(pool.clone()));
    let (secret, flow) = (host.register().await, host.login().await);

    let mut reader = pool.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM factorgate_records").execute(&mut *reader).await.unwrap();
    let blocked = host.guess(&flow, &secret, 50).await;
    assert_eq!((blocked.judged, blocked.failed), (0, 50));
    assert_eq!(host.submit_right_code(&[&flow, &flow, &flow], &secret).await, (0, 3));
    reader.rollback().await.unwrap();

    let other = host.login().await;
    assert_eq!(host.submit_right_code(&[&flow, &other, &flow, &other], &secret).await, (1, 0));
    // The used code of the other flow has cost two attempts, as wrong ones do.
    assert_eq!(host.guess(&host.login().await, &secret, 50).await.judged, LIMIT - 2);
}

#[tokio::test]
async fn full_database_keeps_what_it_has_and_reports_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder.path().join("mfa.db"), |connect| {
        connect.journal_mode(SqliteJournalMode::Wal).pragma("max_page_count", "12")
    })
    .await;
    let store = SqliteStore::new(pool);
    let user = |number: usize| UserId::new(&format!("user-{number}")).unwrap();
    let (mut kept, mut failed) = (vec![None; 8], 0);
    // Records grow until the pages run out, and go on trying.
    for round in 0..40_u8 {
        for (number, kept) in kept.iter_mut().enumerate() {
            let expected = kept.as_ref().map(Record::version);
            let version = Version::from(expected.map_or(1, |version| i64::from(version) + 1));
            let next = Record::new(version, vec![round; 300 * usize::from(round) + 16]);
            match store.compare_and_swap(&user(number), expected, &next).await {
                Ok(swap) => {
                    assert_eq!(swap, Swap::Applied);
                    *kept = Some(next);
                }
                Err(_) => failed += 1,
            }
            assert_eq!(store.load(&user(number)).await.unwrap(), *kept);
        }
    }
    assert!(failed > 0, "the database never was full");
    assert!(kept.iter().all(Option::is_some));
}

#[tokio::test]
async fn engine_on_a_full_database_reports_the_writes_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder.path().join("mfa.db"), |connect| {
        connect.journal_mode(SqliteJournalMode::Wal).pragma("max_page_count", "4")
    })
    .await;
    let store = SqliteStore::new(pool);
    let host = Host::new(store.clone());
    let (secret, flow) = (host.register().await, host.login().await);
    // Other users fill the pages.
    for (number, size) in (0..400).zip([3000, 300, 30, 1].into_iter().cycle()) {
        let record = Record::new(Version::FIRST, vec![1; size]);
        let _ = store.compare_and_swap(&UserId::new(&format!("filler-{number}")).unwrap(), None, &record).await;
    }
    // Each login makes the record longer.
    let mut failed = 0;
    for _ in 0..4 {
        match host.begin().await {
            Ok(_) => {}
            Err(Error::Store(_)) => failed += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(failed > 0, "the database never was full");
    // A code that cannot be paid for is not judged.
    let full = host.guess(&flow, &secret, 50).await;
    assert!(full.judged <= LIMIT && full.failed > 0, "{full:?}");
    sqlx::query("DELETE FROM factorgate_records WHERE user_id LIKE 'filler-%'").execute(store.pool()).await.unwrap();
    assert_eq!(full.judged + host.guess(&flow, &secret, 50).await.judged, LIMIT);
    let by = factorgate::admin::Administrator::host("test").unwrap();
    assert!(host.mfa.admin(&by).status(&host.user).await.is_ok(), "the record can be read");
}
