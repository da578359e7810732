//! Users, as those who look after them see them, and what changes them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    credentials::UserStatus,
    users::{instant, optional_instant},
};
use crate::{
    identity::{Role, identifier::Identifier},
    upstream::Primary,
};

/// A user, as administrators see them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ManagedUser {
    /// UUIDv7.
    pub id: Uuid,
    /// The name to sign in with.
    pub username: Option<String>,
    /// What they are called.
    pub full_name: Option<String>,
    /// When they were born.
    pub birth_date: Option<NaiveDate>,
    /// What they may do.
    pub role: Role,
    /// Whether they may sign in.
    pub status: UserStatus,
    /// Their e-mail address.
    pub email: Option<String>,
    /// When a code proved it.
    #[serde(serialize_with = "optional_instant")]
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Their phone number, in E.164.
    pub phone: Option<String>,
    /// When a code proved it.
    #[serde(serialize_with = "optional_instant")]
    pub phone_verified_at: Option<DateTime<Utc>>,
    /// When they registered.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
    /// When they signed in last.
    #[serde(serialize_with = "optional_instant")]
    pub last_login_at: Option<DateTime<Utc>>,
    /// Until when they come back by signing in, when they are deactivated.
    #[serde(serialize_with = "optional_instant")]
    pub return_until: Option<DateTime<Utc>>,
    /// When they asked to be deleted.
    #[serde(serialize_with = "optional_instant")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// When what is known of them is erased.
    #[serde(serialize_with = "optional_instant")]
    pub erase_after: Option<DateTime<Utc>>,
    /// The providers that they can sign in with.
    pub identities: Vec<String>,
}

/// Finds any user, gone ones too.
///
/// # Errors
/// When the store doesn't answer.
pub async fn find(executor: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<ManagedUser>> {
    sqlx::query_as!(
        ManagedUser,
        r#"SELECT id, username, full_name, birth_date, role AS "role: Role", status AS "status: UserStatus",
                  email, email_verified_at, phone, phone_verified_at, created_at, last_login_at,
                  return_until, deleted_at, erase_after,
                  ARRAY(SELECT provider FROM identities WHERE user_id = users.id ORDER BY provider) AS "identities!"
           FROM users WHERE id = $1"#,
        id,
    )
    .fetch_optional(executor)
    .await
}

/// Finds deleted users who had this identifier and aren't erased yet: there may be
/// several, since it was free for others.
///
/// # Errors
/// When the store doesn't answer.
pub async fn deleted(
    executor: impl PgExecutor<'_>,
    identifier: &Identifier,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM users
         WHERE status = 'deleted' AND $1 IN (username_canonical, email_canonical, phone) ORDER BY id",
        identifier.canonical(),
    )
    .fetch_all(executor)
    .await
}

/// Which users are wanted; what is missing doesn't narrow.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// A part of a name or an address, or a whole id.
    pub query: Option<String>,
    /// What they may do.
    pub role: Option<Role>,
    /// Whether they may sign in.
    pub status: Option<UserStatus>,
}

/// Reads users, the youngest first: `limit` of them that are older than `after`.
///
/// # Errors
/// When the store doesn't answer.
pub async fn list(
    pool: &Primary,
    filter: &UserFilter,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<ManagedUser>> {
    let query = filter.query.as_deref();
    let mut reading = super::planned_anew(pool).await?;
    sqlx::query_as!(
        ManagedUser,
        r#"SELECT id, username, full_name, birth_date, role AS "role: Role", status AS "status: UserStatus",
                  email, email_verified_at, phone, phone_verified_at, created_at, last_login_at,
                  return_until, deleted_at, erase_after,
                  ARRAY(SELECT provider FROM identities WHERE user_id = users.id ORDER BY provider) AS "identities!"
           FROM users
           WHERE ($1::text IS NULL OR id = $2
                  OR coalesce(username_canonical, '') || ' ' || coalesce(email_canonical, '') || ' '
                     || coalesce(phone, '') || ' ' || lower(coalesce(full_name, '')) LIKE $1)
             AND ($3::user_role IS NULL OR role = $3)
             AND ($4::user_status IS NULL OR status = $4)
             AND ($5::uuid IS NULL OR id < $5)
           ORDER BY id DESC LIMIT $6"#,
        query.map(containing),
        query.and_then(|query| query.parse::<Uuid>().ok()),
        filter.role as Option<Role>,
        filter.status as Option<UserStatus>,
        after,
        limit,
    )
    .fetch_all(&mut *reading)
    .await
}

/// A pattern for `LIKE` that means the text itself, anywhere.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// A user, locked until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub struct Locked {
    /// The user.
    pub id: Uuid,
    /// What they may do.
    pub role: Role,
    /// Whether they may sign in.
    pub status: UserStatus,
}

/// Locks these users, always in the same order.
///
/// # Errors
/// When the store doesn't answer.
pub async fn lock(connection: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Locked>> {
    sqlx::query_as!(
        Locked,
        r#"SELECT id, role AS "role: Role", status AS "status: UserStatus"
           FROM users WHERE id = ANY($1) ORDER BY id FOR UPDATE"#,
        ids,
    )
    .fetch_all(connection)
    .await
}

/// Changes a locked user's role and status. Returns the user's new version.
///
/// # Errors
/// When the store doesn't answer.
pub async fn set(
    connection: &mut PgConnection,
    user: &Locked,
    at: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "UPDATE users SET role = $2, status = $3, updated_at = $4, version = version + 1,
                          return_until = CASE WHEN $3 = 'deactivated'::user_status THEN return_until END
         WHERE id = $1 RETURNING version",
        user.id,
        user.role as Role,
        user.status as UserStatus,
        at,
    )
    .fetch_one(connection)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_means_what_was_typed() {
        assert_eq!(containing("Ann_50%\\"), "%ann\\_50\\%\\\\%");
    }
}
