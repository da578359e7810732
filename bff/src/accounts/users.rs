//! Users, as they see themselves.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::identity::Role;

/// A user, as they see themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Profile {
    /// The user's id.
    pub id: Uuid,
    /// The name to sign in with, as the user wrote it.
    pub username: Option<String>,
    /// What they are called.
    pub full_name: Option<String>,
    /// When they were born.
    pub birth_date: Option<NaiveDate>,
    /// What they may do.
    pub role: Role,
    /// Their e-mail address.
    pub email: Option<String>,
    /// When it was proved to be theirs.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Their phone number, in E.164 form.
    pub phone: Option<String>,
    /// When it was proved to be theirs.
    pub phone_verified_at: Option<DateTime<Utc>>,
    /// When they registered.
    pub created_at: DateTime<Utc>,
    /// When they last signed in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// The providers they can sign in through, such as `google`.
    pub identities: Vec<String>,
}

/// Reads a user who wasn't deleted.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`], or when the store doesn't answer.
pub async fn profile(executor: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<Profile> {
    sqlx::query_as!(
        Profile,
        r#"SELECT id, username, full_name, birth_date, role AS "role: Role", email, email_verified_at,
                  phone, phone_verified_at, created_at, last_login_at,
                  ARRAY(SELECT provider FROM identities WHERE user_id = users.id ORDER BY provider) AS "identities!"
           FROM users WHERE id = $1 AND deleted_at IS NULL"#,
        user_id,
    )
    .fetch_one(executor)
    .await
}
