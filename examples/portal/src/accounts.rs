//! Who has an account.

use factorgate::EmailAddress;
use factorgate::session::AddressPermit;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, SqlitePool};

use crate::error::Failure;
use crate::{db, mfa};

/// An account, without its password.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: i64,
    /// The address on record: where codes go.
    pub(crate) email: EmailAddress,
    pub(crate) email_verified: bool,
    pub(crate) name: String,
    pub(crate) is_admin: bool,
    /// Nobody signs in to the account.
    pub(crate) disabled: bool,
    /// How many passwords the user has had: see [`mfa::row`].
    pub(crate) password_version: i64,
}

/// What a new account is made of.
pub(crate) struct NewUser<'a> {
    pub(crate) email: &'a EmailAddress,
    pub(crate) name: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) is_admin: bool,
}

impl FromRow<'_, SqliteRow> for User {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let email: String = row.try_get("email")?;
        Ok(Self {
            id: row.try_get("id")?,
            email: EmailAddress::new(&email).map_err(|error| sqlx::Error::Decode(error.into()))?,
            email_verified: row.try_get("email_verified")?,
            name: row.try_get("name")?,
            is_admin: row.try_get("is_admin")?,
            disabled: row.try_get("disabled")?,
            password_version: row.try_get("password_version")?,
        })
    }
}

/// Makes the account, unless the address has one: then `None`.
pub(crate) async fn create(db: &SqlitePool, new: NewUser<'_>) -> Result<Option<i64>, Failure> {
    let id = sqlx::query_scalar(
        "INSERT INTO users (email, email_key, name, password_hash, is_admin, created_at)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (email_key) DO NOTHING RETURNING id",
    )
    .bind(new.email.as_str())
    .bind(key(new.email))
    .bind(new.name)
    .bind(new.password_hash)
    .bind(new.is_admin)
    .bind(db::now()?)
    .fetch_optional(db)
    .await?;
    Ok(id)
}

/// The account of an address, and the hash of its password.
pub(crate) async fn by_email(db: &SqlitePool, email: &EmailAddress) -> Result<Option<(User, String)>, Failure> {
    let row = sqlx::query("SELECT * FROM users WHERE email_key = ?").bind(key(email)).fetch_optional(db).await?;
    row.map(|row| Ok((User::from_row(&row)?, row.try_get("password_hash")?))).transpose()
}

pub(crate) async fn by_id(db: &SqlitePool, id: i64) -> Result<Option<User>, Failure> {
    Ok(sqlx::query_as("SELECT * FROM users WHERE id = ?").bind(id).fetch_optional(db).await?)
}

/// The account of a page that is about one.
pub(crate) async fn find(db: &SqlitePool, id: i64) -> Result<User, Failure> {
    by_id(db, id).await?.ok_or(Failure::NotFound)
}

pub(crate) async fn all(db: &SqlitePool) -> Result<Vec<User>, Failure> {
    Ok(sqlx::query_as("SELECT * FROM users ORDER BY name COLLATE NOCASE, id").fetch_all(db).await?)
}

pub(crate) async fn has_admin(db: &SqlitePool) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE is_admin)").fetch_one(db).await?)
}

/// Stores a new password, and returns the row as it is then. `None` if another request has changed the password first.
pub(crate) async fn set_password(db: &SqlitePool, user: &User, hash: &str) -> Result<Option<User>, Failure> {
    let changed = sqlx::query_as(
        "UPDATE users SET password_hash = ?, password_version = password_version + 1
         WHERE id = ? AND password_version = ? RETURNING *",
    );
    // All rows are fetched: a statement that is dropped after its first row hides a commit that failed.
    let mut rows: Vec<User> = changed.bind(hash).bind(user.id).bind(user.password_version).fetch_all(db).await?;
    Ok(rows.pop())
}

/// Disables the account. Changes nothing and returns `false` if this is the only administrator who can sign in.
pub(crate) async fn disable(db: &SqlitePool, id: i64) -> Result<bool, Failure> {
    let disabled = sqlx::query(
        "UPDATE users SET disabled = 1 WHERE id = ?1
         AND (NOT is_admin OR EXISTS (SELECT 1 FROM users WHERE is_admin AND NOT disabled AND id <> ?1))",
    );
    Ok(disabled.bind(id).execute(db).await?.rows_affected() == 1)
}

pub(crate) async fn enable(db: &SqlitePool, id: i64) -> Result<(), Failure> {
    sqlx::query("UPDATE users SET disabled = 0 WHERE id = ?").bind(id).execute(db).await?;
    Ok(())
}

/// Deletes the account and its settings, and notes that its factors must still be erased. Changes nothing and returns `false`
/// if this is the only administrator who can sign in.
pub(crate) async fn delete(db: &SqlitePool, id: i64) -> Result<bool, Failure> {
    let mut all = db.begin().await?;
    let deleted = sqlx::query(
        "DELETE FROM users WHERE id = ?1
         AND (NOT is_admin OR EXISTS (SELECT 1 FROM users WHERE is_admin AND NOT disabled AND id <> ?1))",
    );
    if deleted.bind(id).execute(&mut *all).await?.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM policies WHERE scope = 'user-' || ?").bind(id).execute(&mut *all).await?;
    sqlx::query("INSERT INTO erasures (user_id) VALUES (?)").bind(id).execute(&mut *all).await?;
    all.commit().await?;
    Ok(true)
}

/// Returns the deleted users whose factors must still be erased.
pub(crate) async fn to_erase(db: &SqlitePool) -> Result<Vec<i64>, Failure> {
    Ok(sqlx::query_scalar("SELECT user_id FROM erasures").fetch_all(db).await?)
}

/// Notes that the factors of a deleted user are erased.
pub(crate) async fn note_erased(db: &SqlitePool, id: i64) -> Result<(), Failure> {
    sqlx::query("DELETE FROM erasures WHERE user_id = ?").bind(id).execute(db).await?;
    Ok(())
}

/// The user has brought along what was registered with another system.
pub(crate) async fn note_moved_in(db: &SqlitePool, id: i64) -> Result<(), Failure> {
    sqlx::query("UPDATE users SET moved_in = 1 WHERE id = ?").bind(id).execute(db).await?;
    Ok(())
}

/// Whether the recovery codes of a user may be those of another system.
pub(crate) async fn has_moved_in(db: &SqlitePool, id: i64) -> Result<bool, Failure> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE id = ? AND moved_in)");
    Ok(found.bind(id).fetch_one(db).await?)
}

/// Whether another account has the address.
pub(crate) async fn is_taken(db: &SqlitePool, email: &EmailAddress, but: i64) -> Result<bool, Failure> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE email_key = ? AND id <> ?)");
    Ok(found.bind(key(email)).bind(but).fetch_one(db).await?)
}

/// Stores another address, which a code has confirmed, and returns the row as it is then. The engine's permit says whose.
pub(crate) async fn set_email(db: &SqlitePool, permit: &AddressPermit, email: &EmailAddress) -> Result<User, Failure> {
    let changed =
        sqlx::query_as("UPDATE users SET email = ?, email_key = ?, email_verified = 1 WHERE id = ? RETURNING *");
    let mut rows: Vec<User> =
        changed.bind(email.as_str()).bind(key(email)).bind(mfa::row_id(permit.user())?).fetch_all(db).await?;
    rows.pop().ok_or(Failure::NotFound)
}

/// Marks the address as verified that a code has just verified, if it is still the user's.
pub(crate) async fn note_address(db: &SqlitePool, id: i64, verified: Option<&EmailAddress>) -> Result<(), Failure> {
    let Some(email) = verified else { return Ok(()) };
    let marked = sqlx::query("UPDATE users SET email_verified = 1 WHERE id = ? AND email = ?");
    marked.bind(id).bind(email.as_str()).execute(db).await?;
    Ok(())
}

/// Addresses that differ in case alone are one account: nearly every mail system treats them so.
fn key(email: &EmailAddress) -> String {
    email.as_str().to_lowercase()
}
