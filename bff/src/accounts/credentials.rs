//! What people sign in with.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{audit::AuditEntry, users::User};
use crate::identity::{
    Role,
    identifier::{Address, Identifier, Username},
};

/// Whether a user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "user_status", rename_all = "snake_case")]
pub enum UserStatus {
    /// Yes.
    Active,
    /// No, by an administrator's word.
    Blocked,
    /// Not until they come back.
    Deactivated,
    /// Never again; to be erased.
    Deleted,
    /// Nothing is left to sign in with.
    Erased,
}

/// A user, as far as signing in needs it.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user.
    pub user_id: Uuid,
    /// Whether the user may sign in.
    pub status: UserStatus,
    /// Until when a deactivated user comes back by signing in.
    pub return_until: Option<DateTime<Utc>>,
    /// The stored hash, when there is a password.
    pub password: Option<String>,
}

impl Credentials {
    /// Whether the right proof lets the user in.
    #[must_use]
    pub fn may_sign_in(&self, now: DateTime<Utc>) -> bool {
        match self.status {
            UserStatus::Active => true,
            UserStatus::Deactivated => self.return_until.is_some_and(|until| now < until),
            UserStatus::Blocked | UserStatus::Deleted | UserStatus::Erased => false,
        }
    }
}

/// Finds who has this identifier. An address counts only once it was verified.
///
/// # Errors
/// When the store doesn't answer.
pub async fn find(
    executor: impl PgExecutor<'_>,
    identifier: &Identifier,
) -> sqlx::Result<Option<Credentials>> {
    // One statement for the three kinds: the same work, whichever it is.
    let (email, phone, username) = match identifier {
        Identifier::Address(Address::Email(email)) => (Some(email.canonical()), None, None),
        Identifier::Address(Address::Phone(phone)) => (None, Some(phone.e164()), None),
        Identifier::Username(name) => (None, None, Some(name.canonical())),
    };
    sqlx::query_as!(
        Credentials,
        r#"SELECT u.id AS user_id, u.status AS "status: UserStatus",
                  u.return_until, c.password AS "password?"
           FROM users u LEFT JOIN credentials c ON c.user_id = u.id
           WHERE u.deleted_at IS NULL
             AND (u.email_canonical = $1 AND u.email_verified_at IS NOT NULL
                  OR u.phone = $2 AND u.phone_verified_at IS NOT NULL
                  OR u.username_canonical = $3)"#,
        email,
        phone,
        username,
    )
    .fetch_optional(executor)
    .await
}

/// Someone who is about to exist, with the address that a code has proved.
#[derive(Debug)]
pub struct NewUser {
    /// The id to be.
    pub id: Uuid,
    /// The proved address.
    pub address: Address,
    /// The name to sign in with, if any.
    pub username: Option<Username>,
    /// What they are called.
    pub full_name: String,
    /// When they were born, if they say.
    pub birth_date: Option<NaiveDate>,
    /// Now.
    pub at: DateTime<Utc>,
}

/// Stores a user, customer by role.
///
/// # Errors
/// When the store doesn't answer, or by unique constraint when the address or
/// the user name is taken.
pub async fn insert_user(executor: impl PgExecutor<'_>, user: &NewUser) -> sqlx::Result<()> {
    let (email, email_canonical, phone) = match &user.address {
        Address::Email(email) => (Some(email.address()), Some(email.canonical()), None),
        Address::Phone(phone) => (None, None, Some(phone.e164())),
    };
    sqlx::query!(
        "INSERT INTO users (id, username, username_canonical, full_name, birth_date,
                            email, email_canonical, email_verified_at, phone, phone_verified_at,
                            created_at, updated_at, last_login_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $6::text IS NOT NULL THEN $9::timestamptz END,
                 $8, CASE WHEN $8::text IS NOT NULL THEN $9::timestamptz END, $9, $9, $9)",
        user.id,
        user.username.as_ref().map(Username::as_str),
        user.username.as_ref().map(Username::canonical),
        user.full_name,
        user.birth_date,
        email,
        email_canonical,
        phone,
        user.at,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Stores a password's hash in place of any before.
///
/// # Errors
/// When the store doesn't answer.
pub async fn set_password(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    hash: &str,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO credentials (user_id, password, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET password = excluded.password, changed_at = excluded.changed_at",
        user_id,
        hash,
        at,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Replaces a password's hash, if it is still the one before. Sign-ins of the
/// user wait for the transaction's end.
///
/// # Errors
/// When the store doesn't answer.
pub async fn change_password(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    before: &str,
    hash: &str,
    at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE credentials SET password = $3, changed_at = $4 WHERE user_id = $1 AND password = $2",
        user_id,
        before,
        hash,
        at,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Replaces a hash by one with today's parameters, unless the password was
/// changed meanwhile.
///
/// # Errors
/// When the store doesn't answer.
pub async fn rehash(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    before: &str,
    hash: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE credentials SET password = $3 WHERE user_id = $1 AND password = $2",
        user_id,
        before,
        hash,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Finds the credentials of a user who may use them.
///
/// # Errors
/// When the store doesn't answer.
pub async fn of(executor: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<Option<Credentials>> {
    sqlx::query_as!(
        Credentials,
        r#"SELECT u.id AS user_id, u.status AS "status: UserStatus",
                  u.return_until, c.password AS "password?"
           FROM users u LEFT JOIN credentials c ON c.user_id = u.id
           WHERE u.id = $1 AND u.status = 'active'"#,
        user_id,
    )
    .fetch_optional(executor)
    .await
}

/// Writes down that a user signed in, by the clock and in the words of `entry`,
/// if they may and have this hash still: checking a password takes time, in
/// which it may be changed. Waits for a change that is under way, and makes the
/// next one wait for the statement's end. Returns the user as they are now. All
/// in one statement, as every sign-in makes it.
///
/// # Errors
/// When the store doesn't answer.
pub async fn sign_in(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    hash: &str,
    entry: &AuditEntry,
) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"WITH proved AS (
               SELECT u.id FROM users u JOIN credentials c ON c.user_id = u.id
               WHERE u.id = $1 AND u.status = 'active' AND c.password = $2
               FOR NO KEY UPDATE OF u FOR SHARE OF c
           ), written AS (
               INSERT INTO audit_log (id, at, event, user_id, actor_id, session_id, ip, user_agent, subject, detail)
               SELECT $3, $4, $5, id, id, $10, $6::text::inet, $7, $8, $9 FROM proved
           )
           UPDATE users SET last_login_at = $4 FROM proved WHERE users.id = proved.id
           RETURNING users.id, username, full_name, birth_date, role AS "role: Role",
                     email, email_verified_at, phone, phone_verified_at, created_at, last_login_at,
                     ARRAY(SELECT provider FROM identities WHERE user_id = $1 ORDER BY provider) AS "identities!""#,
        user_id,
        hash,
        entry.id,
        entry.at,
        entry.event.as_str(),
        entry.ip.map(|ip| ip.to_string()),
        entry.user_agent,
        entry.subject,
        entry.detail,
        entry.session_id,
    )
    .fetch_optional(executor)
    .await
}

/// Writes down when a user signed in last. Returns whether they may.
///
/// # Errors
/// When the store doesn't answer.
pub async fn signed_in(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE users SET last_login_at = $2 WHERE id = $1 AND status = 'active'",
        user_id,
        at
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}
