//! What a host has before it has a second factor: a database, through rusqlite, which blocks, users, and mails. The engine
//! keeps its records in the same database.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use factorgate::blocking::{self, Ready};
use factorgate::mail::{Mail, Undelivered};
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::store::{Record, Swap, Version};
use factorgate::{Contact, EmailAddress, Mfa, UserId, UserRow};
use rusqlite::{Connection, Error, OptionalExtension as _, Result, Row, params};
use serde::Deserialize;

/// An id is used once: no second person ever gets it.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS mfa_records (user_id TEXT PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL,
        email TEXT NOT NULL, email_verified INTEGER NOT NULL DEFAULT 0, password TEXT NOT NULL,
        password_version INTEGER NOT NULL DEFAULT 1);
    CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY, policy TEXT NOT NULL);";

/// The first user who signs up.
const ADMINISTRATOR: &str = "1";

/// Checked if no user has the name, so that the answer takes as long.
static DUMMY: LazyLock<Option<String>> = LazyLock::new(|| hash("no user has this password").ok());

/// One connection. Its clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite(Arc<Mutex<Connection>>);

impl Sqlite {
    /// Opens the file, or `:memory:`, and creates the tables that are missing.
    pub(crate) fn open(file: &str) -> Result<Self> {
        let connection = Connection::open(file)?;
        connection.execute_batch(TABLES)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
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

/// The engine on this database.
pub(crate) type Engine = Mfa<Ready<Sqlite>, Ready<Post>>;

/// Prints each mail. A real host sends it, and tells a refused mail from one whose fate is unknown.
pub(crate) struct Post;

impl blocking::Mailer for Post {
    type Error = std::io::Error;

    fn send(&self, mail: Mail<'_>) -> std::result::Result<(), Undelivered<std::io::Error>> {
        println!("\nTo: {}\n{}", mail.to().as_str(), mail.text().expose_secret());
        Ok(())
    }
}

pub(crate) struct User {
    id: i64,
    pub(crate) name: String,
    email: String,
    email_verified: bool,
    password: String,
    password_version: i64,
}

impl User {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            email: row.get("email")?,
            email_verified: row.get("email_verified")?,
            password: row.get("password")?,
            password_version: row.get("password_version")?,
        })
    }

    pub(crate) fn row(&self) -> Result<UserRow> {
        let id = UserId::new(&self.id.to_string()).map_err(failed)?;
        let contact = if self.email_verified { Contact::verified } else { Contact::unverified };
        let contact = contact(EmailAddress::new(&self.email).map_err(failed)?);
        Ok(UserRow::new(id, self.password_version.to_be_bytes(), contact))
    }
}

/// What a user types.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Form {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) password: String,
}

impl Sqlite {
    pub(crate) fn insert(&self, name: &str, email: &EmailAddress, password: &str) -> Result<()> {
        let (hash, sql) = (hash(password)?, "INSERT INTO users (name, email, password) VALUES (?1, ?2, ?3)");
        self.lock().execute(sql, params![name, email.as_str(), hash]).map(drop)
    }

    pub(crate) fn user(&self, id: &UserId) -> Result<Option<User>> {
        self.lock().query_row("SELECT * FROM users WHERE id = ?1", [id.as_str()], User::read).optional()
    }

    /// Returns the user if the password is right.
    pub(crate) fn with_password(&self, name: &str, password: &str) -> Result<Option<User>> {
        let user = self.lock().query_row("SELECT * FROM users WHERE name = ?1", [name], User::read).optional()?;
        let hash = user.as_ref().map(|user| &user.password).or(DUMMY.as_ref());
        let right = hash.is_some_and(|hash| {
            PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(user.filter(|_| right))
    }

    /// Marks the address that a sign-in has verified, and returns the user as stored then.
    pub(crate) fn signed_in(&self, id: &UserId, verified: Option<&EmailAddress>) -> Result<Option<User>> {
        if let Some(address) = verified {
            let sql = "UPDATE users SET email_verified = 1 WHERE id = ?1 AND email = ?2";
            self.lock().execute(sql, [id.as_str(), address.as_str()])?;
        }
        self.user(id)
    }

    /// Stores a new password, and returns the user as stored then.
    pub(crate) fn set_password(&self, id: &UserId, password: &str) -> Result<Option<User>> {
        let sql = "UPDATE users SET password = ?2, password_version = password_version + 1 WHERE id = ?1";
        let hash = hash(password)?;
        self.lock().execute(sql, [id.as_str(), &hash])?;
        self.user(id)
    }

    pub(crate) fn delete(&self, id: &UserId) -> Result<()> {
        self.lock().execute("DELETE FROM users WHERE id = ?1", [id.as_str()]).map(drop)
    }

    /// Returns the administrator's policy. Default: an app, registered after an e-mail code.
    pub(crate) fn policy(&self) -> Result<Policy> {
        let query = "SELECT policy FROM settings";
        match self.lock().query_row(query, [], |row| row.get::<_, String>(0)).optional()? {
            Some(text) => serde_json::from_str(&text).map_err(failed),
            None => Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode).map_err(failed),
        }
    }

    /// Stores the policy, if the user is the administrator.
    pub(crate) fn set_policy(&self, by: &UserId, policy: &Policy) -> Result<Option<()>> {
        if by.as_str() != ADMINISTRATOR {
            return Ok(None);
        }
        let text = serde_json::to_string(policy).map_err(failed)?;
        self.lock().execute("INSERT OR REPLACE INTO settings VALUES (1, ?1)", [text])?;
        Ok(Some(()))
    }
}

fn hash(password: &str) -> Result<String> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|e| failed(e.to_string()))
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::ToSqlConversionFailure(error.into())
}
