//! The database, the server's key beside it, and what the first start puts into them.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use factorgate::Timestamp;
use factorgate::env::{Clock as _, OsRandom, SystemClock};
use factorgate::keys::{KeyId, ServerKey, ServerKeys};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};

use crate::accounts::{self, NewUser};
use crate::app::StartError;
use crate::config::{Config, Database};
use crate::error::Failure;
use crate::password::Passwords;
use crate::token::Token;

/// Opens the database and brings its tables up to date.
pub(crate) async fn open(database: &Database) -> Result<SqlitePool, StartError> {
    let (options, connections) = match database {
        Database::File(path) => {
            private_file(path).map_err(StartError::File)?;
            let options = SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Wal);
            // A new file is put into this mode by one connection alone: with two, one fails at once and does not wait.
            options.connect().await?.close().await?;
            (options, 8)
        }
        // Each connection would have a database of its own.
        Database::Memory => (SqliteConnectOptions::new().in_memory(true), 1),
    };
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(
            options
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(5))
                // What was answered must outlast a power failure, or a spent code would be good again.
                .synchronous(SqliteSynchronous::Full),
        )
        .await?;
    sqlx::migrate!().set_ignore_missing(true).run(&pool).await?;
    Ok(pool)
}

/// The keys of the server, and the names of those that are retired.
pub(crate) fn server_keys(config: &Config) -> Result<(ServerKeys, Vec<KeyId>), StartError> {
    let (mut keys, mut retired) = (ServerKeys::new(server_key(config)?), Vec::new());
    for text in &config.retired_keys {
        let key = ServerKey::from_hex(text)?;
        retired.push(key.id());
        keys = keys.with_retired(key);
    }
    Ok((keys, retired))
}

/// The key that seals the records: from the environment, or from a file beside the database.
fn server_key(config: &Config) -> Result<ServerKey, StartError> {
    if let Some(text) = &config.server_key {
        return Ok(ServerKey::from_hex(text)?);
    }
    let Database::File(database) = &config.database else { return Ok(ServerKey::generate(&OsRandom)?) };
    let path = database.with_extension("key");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(ServerKey::from_hex(&text)?),
        // With a new key, no record of an old database could be read: nobody with a smartphone could sign in.
        Err(error) if error.kind() == ErrorKind::NotFound && holds_data(database) => Err(StartError::KeyLost(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = ServerKey::generate(&OsRandom)?;
            let mut file = private_file(&path).map_err(StartError::File)?;
            file.write_all(key.to_hex().expose_secret().as_bytes()).map_err(StartError::File)?;
            file.sync_all().map_err(StartError::File)?;
            Ok(key)
        }
        Err(error) => Err(StartError::File(error)),
    }
}

/// Creates the administrator if there is none. The password is told only if it was drawn here.
pub(crate) async fn first_admin(
    db: &SqlitePool,
    passwords: &Passwords,
    config: &Config,
) -> Result<Option<String>, StartError> {
    if accounts::has_admin(db).await? {
        return Ok(None);
    }
    let drawn = config.admin_password.is_none();
    let password = match &config.admin_password {
        Some(password) => password.clone(),
        None => Token::mint()?.to_text().chars().take(32).collect(),
    };
    let hash = passwords.hash(password.clone()).await?;
    let new = NewUser { email: &config.admin_email, name: "Administrator", password_hash: &hash, is_admin: true };
    match accounts::create(db, new).await? {
        Some(_) => Ok(drawn.then_some(password)),
        None => Err(StartError::AdminAddressTaken),
    }
}

/// The time, as the engine takes it.
pub(crate) fn time() -> Result<Timestamp, Failure> {
    SystemClock.now().ok_or_else(|| Failure::internal("the clock stands before 1970"))
}

/// Seconds since the Unix epoch.
pub(crate) fn now() -> Result<i64, Failure> {
    i64::try_from(time()?.as_secs()).map_err(Failure::internal)
}

fn holds_data(database: &Path) -> bool {
    database.metadata().is_ok_and(|file| file.len() > 0)
}

/// Opens a file that only its owner can read, and makes it if there is none.
fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
