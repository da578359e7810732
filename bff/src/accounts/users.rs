//! Users, as they see themselves.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::identity::Role;

/// A user, as they see themselves.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct User {
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
    /// The providers that they can sign in with.
    pub identities: Vec<String>,
}

/// Finds a living user.
///
/// # Errors
/// When the store doesn't answer.
pub async fn find(executor: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"SELECT id, username, full_name, birth_date, role AS "role: Role", email, email_verified_at,
                  phone, phone_verified_at, created_at, last_login_at,
                  ARRAY(SELECT provider FROM identities WHERE user_id = users.id ORDER BY provider) AS "identities!"
           FROM users WHERE id = $1 AND deleted_at IS NULL"#,
        id,
    )
    .fetch_optional(executor)
    .await
}

/// RFC 3339 in UTC with `Z`, to the millisecond.
///
/// # Errors
/// Those of the serializer.
pub fn instant<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// An instant that may be missing.
///
/// # Errors
/// Those of the serializer.
pub fn optional_instant<S: Serializer>(
    at: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => instant(at, serializer),
        None => serializer.serialize_none(),
    }
}
