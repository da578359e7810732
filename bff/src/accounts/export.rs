//! What this store keeps about a user, in full, for that user.

mod money;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::users::{self, User, instant, optional_instant};
use crate::upstream::Primary;

pub use money::{ExportedAccount, ExportedEntry, ExportedHold, accounts, entries, holds};

/// What is kept of a user beside what they see of themselves at any time.
#[derive(Debug, Serialize)]
pub struct ExportedUser {
    /// As they see themselves.
    #[serde(flatten)]
    pub user: User,
    /// When any of that last changed.
    #[serde(serialize_with = "instant")]
    pub updated_at: DateTime<Utc>,
    /// When they last chose a password, if they have one.
    #[serde(serialize_with = "optional_instant")]
    pub password_changed_at: Option<DateTime<Utc>>,
}

/// A way to sign in through a provider.
#[derive(Debug, Serialize)]
pub struct ExportedIdentity {
    /// The provider.
    pub provider: String,
    /// The provider's own id of the person.
    pub subject: String,
    /// The address that the provider told.
    pub email: Option<String>,
    /// When it was linked.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
}

/// The first answer to a request with an `Idempotency-Key`, kept for its repetition.
#[derive(Debug, Serialize)]
pub struct ExportedAnswer {
    /// As the client chose it.
    pub key: String,
    /// Its status in HTTP.
    pub status: i16,
    /// What it said, letter by letter.
    pub body: String,
    /// When it was given.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
}

/// What the user did to others. To whom is theirs.
#[derive(Debug, Serialize)]
pub struct ExportedAct {
    /// The line of the trail.
    pub id: Uuid,
    /// When.
    #[serde(serialize_with = "instant")]
    pub at: DateTime<Utc>,
    /// What.
    pub event: String,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// From where.
    pub ip: Option<String>,
    /// By which program.
    pub user_agent: Option<String>,
}

/// The user, if still there.
///
/// # Errors
/// When the store doesn't answer.
pub async fn user(pool: &Primary, id: Uuid) -> sqlx::Result<Option<ExportedUser>> {
    let Some(user) = users::find(pool, id).await? else {
        return Ok(None);
    };
    let rest = sqlx::query!(
        r#"SELECT u.updated_at, c.changed_at AS "changed_at?"
           FROM users u LEFT JOIN credentials c ON c.user_id = u.id WHERE u.id = $1"#,
        id,
    )
    .fetch_one(pool)
    .await?;
    Ok(Some(ExportedUser {
        user,
        updated_at: rest.updated_at,
        password_changed_at: rest.changed_at,
    }))
}

/// The ways to sign in through providers; there is one of each at most.
///
/// # Errors
/// When the store doesn't answer.
pub async fn identities(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
) -> sqlx::Result<Vec<ExportedIdentity>> {
    sqlx::query_as!(
        ExportedIdentity,
        "SELECT provider, subject, email, created_at FROM identities
         WHERE user_id = $1 ORDER BY provider",
        user_id,
    )
    .fetch_all(executor)
    .await
}

/// What is kept of the user's requests with a key: `limit` answers after that of
/// the key `after`.
///
/// # Errors
/// When the store doesn't answer.
pub async fn answers(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<ExportedAnswer>> {
    sqlx::query_as!(
        ExportedAnswer,
        "SELECT key, status, body, created_at FROM idempotency_keys
         WHERE user_id = $1 AND ($2::text IS NULL OR key > $2) ORDER BY key LIMIT $3",
        user_id,
        after,
        limit,
    )
    .fetch_all(executor)
    .await
}

/// What the user did to others: `limit` lines of the trail after the line `after`.
///
/// # Errors
/// When the store doesn't answer.
pub async fn acts(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<ExportedAct>> {
    sqlx::query_as!(
        ExportedAct,
        "SELECT id, at, event, session_id, host(ip) AS ip, user_agent FROM audit_log
         WHERE actor_id = $1 AND actor_id IS DISTINCT FROM user_id
           AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        user_id,
        after,
        limit,
    )
    .fetch_all(executor)
    .await
}
