//! Who may sign in through a provider: accounts elsewhere, by provider and by
//! the provider's own id of the person.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::credentials::UserStatus;
use crate::identity::identifier::Email;

/// A user, as far as signing in through a provider needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The user.
    pub user_id: Uuid,
    /// Whether the user may sign in.
    pub status: UserStatus,
}

/// Finds whose identity this is, whatever became of them.
///
/// # Errors
/// When the store doesn't answer.
pub async fn find(
    executor: impl PgExecutor<'_>,
    provider: &str,
    subject: &str,
) -> sqlx::Result<Option<Holder>> {
    sqlx::query_as!(
        Holder,
        r#"SELECT u.id AS user_id, u.status AS "status: UserStatus"
           FROM identities i JOIN users u ON u.id = i.user_id
           WHERE i.provider = $1 AND i.subject = $2"#,
        provider,
        subject,
    )
    .fetch_optional(executor)
    .await
}

/// A living user who has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressHolder {
    /// The user.
    pub user_id: Uuid,
    /// Whether the user may sign in.
    pub status: UserStatus,
    /// Whether the address was ever proved to be theirs.
    pub verified: bool,
}

/// Finds who has this address, and keeps them as they are until the
/// transaction ends.
///
/// # Errors
/// When the store doesn't answer.
pub async fn lock_holder_of(
    executor: impl PgExecutor<'_>,
    email: &Email,
) -> sqlx::Result<Option<AddressHolder>> {
    sqlx::query_as!(
        AddressHolder,
        r#"SELECT id AS user_id, status AS "status: UserStatus", email_verified_at IS NOT NULL AS "verified!"
           FROM users WHERE email_canonical = $1 AND deleted_at IS NULL FOR NO KEY UPDATE"#,
        email.canonical(),
    )
    .fetch_optional(executor)
    .await
}

/// Keeps a user as they are until the transaction ends, so that two changes
/// can't each leave the other to be the last way to sign in. Tells whether the
/// user may sign in.
///
/// # Errors
/// When the store doesn't answer.
pub async fn lock(executor: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<bool> {
    let active = sqlx::query_scalar!(
        r#"SELECT status = 'active' AS "active!" FROM users WHERE id = $1 FOR NO KEY UPDATE"#,
        user_id,
    )
    .fetch_optional(executor)
    .await?;
    Ok(active.unwrap_or(false))
}

/// Someone who is about to exist, as a provider knows them. No address need be
/// known, and no password is.
#[derive(Debug)]
pub struct NewPerson<'a> {
    /// The id to be.
    pub id: Uuid,
    /// An address that the provider vouches for.
    pub email: Option<&'a Email>,
    /// What they are called.
    pub full_name: Option<&'a str>,
    /// Now.
    pub at: DateTime<Utc>,
}

/// Stores a user, customer by role.
///
/// # Errors
/// When the store doesn't answer, or by unique constraint when the address is
/// taken.
pub async fn insert_person(
    executor: impl PgExecutor<'_>,
    person: &NewPerson<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO users (id, full_name, email, email_canonical, email_verified_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, CASE WHEN $3::text IS NOT NULL THEN $5::timestamptz END, $5, $5)",
        person.id,
        person.full_name,
        person.email.map(Email::address),
        person.email.map(Email::canonical),
        person.at,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// An identity that is about to be a user's.
#[derive(Debug)]
pub struct NewIdentity<'a> {
    /// The provider.
    pub provider: &'a str,
    /// The provider's id of the person.
    pub subject: &'a str,
    /// The user.
    pub user_id: Uuid,
    /// The address that the provider told. It proves nothing.
    pub email: Option<&'a Email>,
    /// Now.
    pub at: DateTime<Utc>,
}

/// Stores an identity.
///
/// # Errors
/// When the store doesn't answer, or by unique constraint when the identity is
/// someone's already or the user has another of the provider.
pub async fn insert(executor: impl PgExecutor<'_>, identity: &NewIdentity<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO identities (provider, subject, user_id, email, created_at) VALUES ($1, $2, $3, $4, $5)",
        identity.provider,
        identity.subject,
        identity.user_id,
        identity.email.map(Email::address),
        identity.at,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Removes a user's identity. Tells whether there was one.
///
/// # Errors
/// When the store doesn't answer.
pub async fn remove(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    provider: &str,
) -> sqlx::Result<bool> {
    let removed = sqlx::query!(
        "DELETE FROM identities WHERE user_id = $1 AND provider = $2",
        user_id,
        provider,
    )
    .execute(executor)
    .await?;
    Ok(removed.rows_affected() > 0)
}

/// Takes from a user every way to sign in and to get in again that is not their
/// address: whoever set them up never proved that the address was theirs.
///
/// # Errors
/// When the store doesn't answer.
pub async fn disown(executor: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH passwords AS (DELETE FROM credentials WHERE user_id = $1),
              others AS (DELETE FROM identities WHERE user_id = $1)
         UPDATE users SET phone = NULL, phone_verified_at = NULL WHERE id = $1",
        user_id,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Writes down that a user's address is proved, if it wasn't.
///
/// # Errors
/// When the store doesn't answer.
pub async fn verify_email(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE users SET email_verified_at = $2 WHERE id = $1 AND email_verified_at IS NULL",
        user_id,
        at,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Raises a user's version after a change. Returns the new one.
///
/// # Errors
/// When the store doesn't answer.
pub async fn changed(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    at: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "UPDATE users SET version = version + 1, updated_at = $2 WHERE id = $1 RETURNING version",
        user_id,
        at,
    )
    .fetch_one(executor)
    .await
}
