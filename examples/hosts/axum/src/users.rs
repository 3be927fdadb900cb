//! The host's own tables: users and the policy.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use factorgate::env::{OsRandom, SecureRandom as _};
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::session::AddressPermit;
use factorgate::{Contact, Elevated, EmailAddress, UserId, UserRow};
use serde_json::json;
use sqlx::{AnyPool, Row as _, any::AnyRow};

use crate::web::Error;

/// An id is random, so that no second person ever gets it. A flag is a number, because `Any` reads no SQLite booleans.
pub(crate) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, email TEXT NOT NULL,
        email_verified BIGINT NOT NULL, password TEXT NOT NULL, password_version BIGINT NOT NULL,
        admin BIGINT NOT NULL);
    CREATE TABLE IF NOT EXISTS settings (id BIGINT PRIMARY KEY, policy TEXT NOT NULL)";

/// NIST SP 800-63B-4 section 3.1.1.2: a password that is used with a second factor has at least 8 characters.
const MIN_CHARACTERS: usize = 8;

/// Checked if no user has the name, so that the answer takes as long.
static DUMMY: LazyLock<Option<String>> = LazyLock::new(|| argon2("no user has this password").ok());

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: String,
    pub(crate) admin: bool,
    email: EmailAddress,
    email_verified: bool,
    password: String,
    password_version: i64,
}

impl User {
    pub(crate) fn row(&self) -> UserRow {
        let contact = if self.email_verified { Contact::verified } else { Contact::unverified };
        UserRow::new(self.id.clone(), self.password_version.to_be_bytes(), contact(self.email.clone()))
    }

    fn read(row: AnyRow) -> sqlx::Result<Self> {
        let decode = |e: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(e);
        Ok(Self {
            id: UserId::new(row.try_get("id")?).map_err(|e| decode(e.into()))?,
            name: row.try_get("name")?,
            admin: row.try_get::<i64, _>("admin")? != 0,
            email: EmailAddress::new(row.try_get("email")?).map_err(|e| decode(e.into()))?,
            email_verified: row.try_get::<i64, _>("email_verified")? != 0,
            password: row.try_get("password")?,
            password_version: row.try_get("password_version")?,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Users(pub(crate) AnyPool);

impl Users {
    /// Adds a user. The first one is the administrator.
    pub(crate) async fn insert(&self, name: &str, email: &EmailAddress, password: &str) -> Result<(), Error> {
        let hash = hash(password).await?;
        let mut id = [0; 16];
        OsRandom.fill(&mut id).map_err(|_| Error::Internal("no randomness"))?;
        let sql = "INSERT INTO users (id, name, email, email_verified, password, password_version, admin)
                   VALUES ($1, $2, $3, 0, $4, 1, CASE WHEN EXISTS (SELECT 1 FROM users) THEN 0 ELSE 1 END)";
        let query = sqlx::query(sql).bind(format!("{:032x}", u128::from_be_bytes(id))).bind(name);
        query.bind(email.as_str()).bind(hash).execute(&self.0).await?;
        Ok(())
    }

    /// Returns the user if the password is right.
    pub(crate) async fn with_password(&self, name: &str, password: String) -> Result<User, Error> {
        let query = sqlx::query("SELECT * FROM users WHERE name = $1").bind(name);
        let user = query.fetch_optional(&self.0).await?.map(User::read).transpose()?;
        let hash = user.as_ref().map(|user| user.password.clone());
        let verify = move || {
            let hash = hash.as_ref().or(DUMMY.as_ref()).map(|hash| PasswordHash::new(hash));
            hash.is_some_and(|hash| {
                hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
        };
        let right = tokio::task::spawn_blocking(verify).await.map_err(|_| Error::Internal("argon2"))?;
        user.filter(|_| right).ok_or(Error::WrongPassword)
    }

    pub(crate) async fn by_id(&self, user: &UserId) -> sqlx::Result<Option<User>> {
        let query = sqlx::query("SELECT * FROM users WHERE id = $1").bind(user.as_str());
        query.fetch_optional(&self.0).await?.map(User::read).transpose()
    }

    pub(crate) async fn mark_verified(&self, user: &UserId, address: &EmailAddress) -> sqlx::Result<()> {
        let query = sqlx::query("UPDATE users SET email_verified = 1 WHERE id = $1 AND email = $2");
        query.bind(user.as_str()).bind(address.as_str()).execute(&self.0).await.map(drop)
    }

    pub(crate) async fn set_address(&self, permit: &AddressPermit, new: &EmailAddress) -> sqlx::Result<()> {
        let query = sqlx::query("UPDATE users SET email = $2, email_verified = 0 WHERE id = $1");
        query.bind(permit.user().as_str()).bind(new.as_str()).execute(&self.0).await.map(drop)
    }

    pub(crate) async fn set_password(&self, by: &Elevated, password: &str) -> Result<(), Error> {
        let sql = "UPDATE users SET password = $2, password_version = password_version + 1 WHERE id = $1";
        let query = sqlx::query(sql).bind(by.user().as_str()).bind(hash(password).await?);
        Ok(query.execute(&self.0).await.map(drop)?)
    }

    pub(crate) async fn delete(&self, by: &Elevated) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM users WHERE id = $1").bind(by.user().as_str()).execute(&self.0).await.map(drop)
    }

    /// Returns the administrator's policy. Default: an app, registered after an e-mail code.
    pub(crate) async fn policy(&self) -> Result<Policy, Error> {
        let stored: Option<String> = sqlx::query_scalar("SELECT policy FROM settings").fetch_optional(&self.0).await?;
        match stored {
            Some(text) => serde_json::from_str(&text).map_err(|_| Error::Internal("the stored policy cannot be read")),
            None => Policy::any_of([Channel::App], FirstRegistration::AfterEmailCode).map_err(Error::bad),
        }
    }

    pub(crate) async fn set_policy(&self, by: &Elevated, policy: &Policy) -> Result<(), Error> {
        let user = self.by_id(by.user()).await?;
        if !user.is_some_and(|user| user.admin) {
            return Err(Error::Forbidden);
        }
        let sql = "INSERT INTO settings (id, policy) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET policy = $1";
        Ok(sqlx::query(sql).bind(json!(policy).to_string()).execute(&self.0).await.map(drop)?)
    }
}

async fn hash(password: &str) -> Result<String, Error> {
    if password.chars().count() < MIN_CHARACTERS {
        return Err(Error::bad("the password is too short; use at least 8 characters"));
    }
    let password = password.to_owned();
    let hash = tokio::task::spawn_blocking(move || argon2(&password)).await.map_err(|_| Error::Internal("argon2"))?;
    hash.map_err(Error::bad)
}

fn argon2(password: &str) -> Result<String, argon2::password_hash::Error> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
}
