//! Users, as they see themselves.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::identity::{
    Role,
    identifier::{Email, Phone, Username},
};

/// A user, as they see themselves.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct User {
    /// UUIDv7.
    pub id: Uuid,
    /// The name to sign in with.
    #[schema(value_type = Option<Username>)]
    pub username: Option<String>,
    /// What they are called.
    pub full_name: Option<String>,
    /// When they were born.
    pub birth_date: Option<NaiveDate>,
    /// What they may do.
    pub role: Role,
    /// Their e-mail address.
    #[schema(value_type = Option<Email>)]
    pub email: Option<String>,
    /// When a code proved it.
    #[serde(serialize_with = "optional_instant")]
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Their phone number, in E.164.
    #[schema(value_type = Option<Phone>)]
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

/// What a change makes of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// As it was.
    Keep,
    /// Nothing.
    Clear,
    /// This.
    Set(T),
}

impl<T> Change<T> {
    /// The same with another value, if there is one.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Change<U>, E> {
        Ok(match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(read(value)?),
        })
    }

    /// Whether it is to be written, and what.
    fn as_written(&self) -> (bool, Option<&T>) {
        match self {
            Self::Keep => (false, None),
            Self::Clear => (true, None),
            Self::Set(value) => (true, Some(value)),
        }
    }
}

/// What users may change about themselves at any time.
#[derive(Debug)]
pub struct ProfileChange {
    /// What they are called.
    pub full_name: Change<String>,
    /// The name to sign in with.
    pub username: Change<Username>,
    /// When they were born.
    pub birth_date: Change<NaiveDate>,
}

/// Changes a living user. Returns the version that the user has then.
///
/// # Errors
/// When the store doesn't answer, or by unique constraint when the user name is
/// taken.
pub async fn change(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    change: &ProfileChange,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<i64>> {
    let (sets_full_name, full_name) = change.full_name.as_written();
    let (sets_username, username) = change.username.as_written();
    let (sets_birth_date, birth_date) = change.birth_date.as_written();
    sqlx::query_scalar!(
        "UPDATE users SET
             full_name = CASE WHEN $2 THEN $3 ELSE full_name END,
             username = CASE WHEN $4 THEN $5 ELSE username END,
             username_canonical = CASE WHEN $4 THEN $6 ELSE username_canonical END,
             birth_date = CASE WHEN $7 THEN $8 ELSE birth_date END,
             updated_at = $9, version = version + 1
         WHERE id = $1 AND status = 'active' RETURNING version",
        id,
        sets_full_name,
        full_name,
        sets_username,
        username.map(Username::as_str),
        username.map(Username::canonical),
        sets_birth_date,
        birth_date,
        at,
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
