//! The passkeys that users have registered. Whether one is asked for, the engine says; what checks it is kept here.

use factorgate::device::DeviceName;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, SqlitePool};
use webauthn_rs::prelude::{AuthenticationResult, Passkey};

use crate::db;
use crate::error::Failure;

/// The most passkeys of a user.
pub(crate) const MAX: usize = 5;

/// A passkey that is registered.
pub(crate) struct Held {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) added_at: i64,
    pub(crate) used_at: Option<i64>,
    pub(crate) credential: Passkey,
}

impl FromRow<'_, SqliteRow> for Held {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let credential: &str = row.try_get("credential")?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            added_at: row.try_get("added_at")?,
            used_at: row.try_get("used_at")?,
            credential: serde_json::from_str(credential).map_err(|error| sqlx::Error::Decode(error.into()))?,
        })
    }
}

pub(crate) async fn of(db: &SqlitePool, user: i64) -> Result<Vec<Held>, Failure> {
    Ok(sqlx::query_as("SELECT * FROM passkeys WHERE user_id = ? ORDER BY id").bind(user).fetch_all(db).await?)
}

/// What the ceremonies of a user are held with.
pub(crate) async fn credentials(db: &SqlitePool, user: i64) -> Result<Vec<Passkey>, Failure> {
    Ok(of(db, user).await?.into_iter().map(|held| held.credential).collect())
}

/// Whether somebody has registered the credential (Web Authentication section 7.1, step 26).
pub(crate) async fn is_taken(db: &SqlitePool, passkey: &Passkey) -> Result<bool, Failure> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM passkeys WHERE credential_id = ?)");
    Ok(found.bind(passkey.cred_id().as_slice()).fetch_one(db).await?)
}

/// Keeps a passkey that the engine has registered; `first` is one before which the user held none.
pub(crate) async fn add(
    db: &SqlitePool,
    user: i64,
    passkey: &Passkey,
    name: &DeviceName,
    first: bool,
) -> Result<(), Failure> {
    let mut both = db.begin().await?;
    if first {
        // What a reset or a removal that was cut off has left behind is good no more.
        sqlx::query("DELETE FROM passkeys WHERE user_id = ?").bind(user).execute(&mut *both).await?;
    }
    sqlx::query("INSERT INTO passkeys (user_id, credential_id, credential, name, added_at) VALUES (?, ?, ?, ?, ?)")
        .bind(user)
        .bind(passkey.cred_id().as_slice())
        .bind(serde_json::to_string(passkey).map_err(Failure::internal)?)
        .bind(name.as_str())
        .bind(db::now()?)
        .execute(&mut *both)
        .await?;
    Ok(both.commit().await?)
}

/// Keeps the signature counter of an assertion (Web Authentication section 7.2, step 22), unless the passkey is not the
/// user's any more.
pub(crate) async fn used(db: &SqlitePool, user: i64, result: &AuthenticationResult) -> Result<bool, Failure> {
    let held = of(db, user).await?;
    let Some(mut held) = held.into_iter().find(|held| held.credential.cred_id() == result.cred_id()) else {
        return Ok(false);
    };
    held.credential.update_credential(result);
    let kept = sqlx::query("UPDATE passkeys SET credential = ?, used_at = ? WHERE id = ?")
        .bind(serde_json::to_string(&held.credential).map_err(Failure::internal)?)
        .bind(db::now()?)
        .bind(held.id)
        .execute(db)
        .await?;
    Ok(kept.rows_affected() == 1)
}

pub(crate) async fn remove(db: &SqlitePool, user: i64, id: i64) -> Result<(), Failure> {
    sqlx::query("DELETE FROM passkeys WHERE user_id = ? AND id = ?").bind(user).bind(id).execute(db).await?;
    Ok(())
}

pub(crate) async fn remove_all(db: &SqlitePool, user: i64) -> Result<(), Failure> {
    sqlx::query("DELETE FROM passkeys WHERE user_id = ?").bind(user).execute(db).await?;
    Ok(())
}
