//! The joint between the portal and the library: the engine, and what it is told of a user.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::audit::{Event, EventKind, TrustEnd};
use factorgate::device::DeviceInfo;
use factorgate::env::{Clock, SystemClock};
use factorgate::keys::ServerKeys;
use factorgate::otpauth::Issuer;
use factorgate::session::UserStatus;
use factorgate::{Contact, Mfa, MfaError, Timestamp, UserId, UserRow};
use factorgate_sqlx::SqliteStore;
use sqlx::SqlitePool;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::accounts::User;
use crate::app::{App, StartError};
use crate::audit::Log;
use crate::config::ForTests;
use crate::error::Failure;
use crate::mail::Outbox;

/// For how many days a browser can be trusted.
pub(crate) const TRUST_DAYS: u64 = 30;

/// The engine on the portal's database and mail.
pub(crate) type Engine = Mfa<SqliteStore, Outbox>;
pub(crate) type EngineError = MfaError<SqliteStore, Outbox>;

/// Makes the engine, and its table.
pub(crate) async fn engine(
    db: &SqlitePool,
    outbox: Outbox,
    keys: ServerKeys,
    log: Log,
    for_tests: &ForTests,
) -> Result<Engine, StartError> {
    let store = SqliteStore::new(db.clone());
    store.migrate().await.map_err(StartError::Store)?;
    let issuer = Issuer::new("Larkfield").map_err(|error| StartError::Internal(error.to_string()))?;
    Mfa::builder(store, outbox, keys, issuer)
        .clock(Ahead(Arc::clone(&for_tests.clock_ahead)))
        .trust_lifetime(Duration::from_secs(TRUST_DAYS * 24 * 60 * 60))
        .observer(move |event| log.note(event))
        .recovery_hash_checker(is_of_hash)
        .build()
        .map_err(|error| StartError::Internal(error.to_string()))
}

/// The system clock, plus seconds that only a test sets.
struct Ahead(Arc<AtomicU64>);

impl Clock for Ahead {
    fn now(&self) -> Option<Timestamp> {
        Some(SystemClock.now()?.saturating_add(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

/// Whether a recovery code is the one of a hash that was imported.
fn is_of_hash(typed: &str, hash: &str) -> bool {
    let check = || bcrypt::verify(typed, hash).unwrap_or(false);
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        // It is slow on purpose, and there may be many: others are served meanwhile.
        Ok(RuntimeFlavor::MultiThread) => block_in_place(check),
        _ => check(),
    }
}

/// The name by which the engine knows a user: the row's number, which is never given twice.
pub(crate) fn user_id(user: &User) -> Result<UserId, Failure> {
    id_of_row(user.id)
}

/// The same, where the row is known by its number alone.
pub(crate) fn id_of_row(row: i64) -> Result<UserId, Failure> {
    UserId::new(&row.to_string()).map_err(Failure::internal)
}

/// The user's row that a name of the engine's belongs to.
pub(crate) fn row_id(user: &UserId) -> Result<i64, Failure> {
    user.as_str().parse().map_err(Failure::internal)
}

/// The user's row, as the engine compares it on every request.
///
/// The credential is the number of passwords that the user has had, and not the hash: a hash can be computed again with
/// stronger parameters while the password stays, which must end no session; and the hash need not leave the function that
/// verifies it. A disabled account has another credential, so that what was begun before ends.
pub(crate) fn row(app: &App, user: &User) -> Result<UserRow, Failure> {
    match &app.first_rows {
        None => row_of(user),
        Some(rows) => row_of(&rows.first(user)),
    }
}

/// Each user as first read. A portal that passes these to the engine has no protection against stale rows.
#[derive(Default)]
pub(crate) struct FirstRows(Mutex<HashMap<i64, User>>);

impl FirstRows {
    fn first(&self, user: &User) -> User {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.entry(user.id).or_insert_with(|| user.clone()).clone()
    }
}

fn row_of(user: &User) -> Result<UserRow, Failure> {
    let mut credential = user.password_version.to_be_bytes().to_vec();
    if user.disabled {
        credential.push(1);
    }
    Ok(UserRow::new(user_id(user)?, credential, contact(user)))
}

/// The address on record. It is never one that came with a request.
pub(crate) fn contact(user: &User) -> Contact {
    let address = user.email.clone();
    if user.email_verified { Contact::verified(address) } else { Contact::unverified(address) }
}

/// The administrator who is signed in, for the engine's events.
pub(crate) fn administrator(user: &User) -> Result<Administrator, Failure> {
    Ok(Administrator::assertion(user_id(user)?))
}

pub(crate) async fn devices(app: &App, user: &User) -> Result<Vec<DeviceInfo>, Failure> {
    Ok(status(app, user).await?.devices)
}

pub(crate) async fn status(app: &App, user: &User) -> Result<UserStatus, Failure> {
    status_of(app, &user_id(user)?).await
}

pub(crate) async fn status_of(app: &App, user: &UserId) -> Result<UserStatus, Failure> {
    let portal = Administrator::host("portal").map_err(Failure::internal)?;
    Ok(app.mfa.admin(&portal).status(user).await?)
}

/// Whether the user was not told of a change yet: the mail is sent again later.
pub(crate) async fn is_untold(app: &App, user: &User) -> Result<bool, Failure> {
    Ok(status(app, user).await?.owed_notices > 0)
}

/// The number of the user's last event.
pub(crate) fn last_event(status: &UserStatus) -> Option<u64> {
    status.recent.first().and_then(|event| event.seq)
}

/// Whether a copy of a trusted browser's cookie was found after the event of this number.
pub(crate) fn tells_of_a_copy(status: &UserStatus, after: Option<u64>) -> bool {
    let is_copy = |event: &&Event| matches!(event.kind, EventKind::BrowserTrustEnded { cause: TrustEnd::Reused, .. });
    status.recent.iter().filter(|event| event.seq > after).any(|event| is_copy(&event))
}
