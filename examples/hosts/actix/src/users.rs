//! What a host has before it has a second factor: users with passwords, and what the administrator decided.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::error::{ErrorBadRequest, ErrorConflict, ErrorServiceUnavailable};
use actix_web::web::{self, Data, Json};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::{Contact, EmailAddress, UserId, UserRow};
use rusqlite::{Error, OptionalExtension as _, Result, Row, params};
use serde::Deserialize;
use serde_json::json;

use crate::Engine;
use crate::store::Sqlite;

/// An id is used once: no second person ever gets it.
pub(crate) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL,
        email TEXT NOT NULL, email_verified INTEGER NOT NULL DEFAULT 0, password TEXT NOT NULL,
        password_version INTEGER NOT NULL DEFAULT 1);
    CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY, policy TEXT NOT NULL);";

/// The first user who signs up.
const ADMINISTRATOR: &str = "1";

/// Checked if no user has the name, so that the answer takes as long.
static DUMMY: LazyLock<Option<String>> = LazyLock::new(|| hash("no user has this password").ok());

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
    pub(crate) name: String,
    email: String,
    password: String,
}

impl Sqlite {
    /// Stores a new user, unless the name is taken.
    fn insert(&self, name: &str, email: &EmailAddress, password: &str) -> Result<bool> {
        let (hash, sql) = (hash(password)?, "INSERT INTO users (name, email, password) VALUES (?1, ?2, ?3)");
        let inserted =
            self.lock().execute(&format!("{sql} ON CONFLICT DO NOTHING"), params![name, email.as_str(), hash])?;
        Ok(inserted == 1)
    }

    pub(crate) fn user(&self, id: &UserId) -> Result<Option<User>> {
        self.lock().query_row("SELECT * FROM users WHERE id = ?1", [id.as_str()], User::read).optional()
    }

    /// Returns the user if the password is right.
    pub(crate) fn with_password(&self, Form { name, password, .. }: &Form) -> Result<Option<User>> {
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
    pub(crate) fn set_password(&self, id: &UserId, form: &Form) -> Result<Option<User>> {
        let sql = "UPDATE users SET password = ?2, password_version = password_version + 1 WHERE id = ?1";
        let hash = hash(&form.password)?;
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

/// Signs a user up. The second factor begins at the first login.
pub(crate) async fn sign_up(host: Data<(Sqlite, Engine)>, Json(form): Json<Form>) -> actix_web::Result<HttpResponse> {
    let email = EmailAddress::new(&form.email).map_err(ErrorBadRequest)?;
    let inserted = web::block(move || host.0.insert(&form.name, &email, &form.password)).await?;
    match inserted.map_err(ErrorServiceUnavailable)? {
        true => Ok(HttpResponse::Created().json(json!({}))),
        false => Err(ErrorConflict("this name is taken")),
    }
}

fn hash(password: &str) -> Result<String> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|e| failed(e.to_string()))
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::ToSqlConversionFailure(error.into())
}
