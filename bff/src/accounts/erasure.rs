//! Taking out what tells who someone was.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// A user whose time has come.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The user.
    pub id: Uuid,
    /// When they asked to be deleted.
    pub deleted_at: DateTime<Utc>,
}

/// Finds and locks one, unless another worker has it.
///
/// # Errors
/// When the store doesn't answer.
pub async fn next(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        r#"SELECT id, deleted_at AS "deleted_at!" FROM users
           WHERE status = 'deleted' AND erase_after <= $1
           ORDER BY erase_after LIMIT 1 FOR UPDATE SKIP LOCKED"#,
        now,
    )
    .fetch_optional(connection)
    .await
}

/// Empties everything that this store knows of a user but the id, by which
/// entries of accounts stay what they are. Returns the user's last version.
///
/// # Errors
/// When the store doesn't answer.
pub async fn erase(
    connection: &mut PgConnection,
    user_id: Uuid,
    at: DateTime<Utc>,
) -> sqlx::Result<i64> {
    for statement in [
        sqlx::query!("DELETE FROM credentials WHERE user_id = $1", user_id),
        sqlx::query!("DELETE FROM identities WHERE user_id = $1", user_id),
        sqlx::query!("DELETE FROM idempotency_keys WHERE user_id = $1", user_id),
        sqlx::query!(
            "UPDATE accounts SET name = NULL WHERE user_id = $1",
            user_id
        ),
    ] {
        statement.execute(&mut *connection).await?;
    }
    let version = sqlx::query_scalar!(
        "UPDATE users SET status = 'erased', erased_at = $2, username = NULL, username_canonical = NULL,
                full_name = NULL, birth_date = NULL, email = NULL, email_canonical = NULL,
                email_verified_at = NULL, phone = NULL, phone_verified_at = NULL, last_login_at = NULL,
                updated_at = $2, version = version + 1
         WHERE id = $1 RETURNING version",
        user_id,
        at,
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!("SELECT audit_log_forget($1)", user_id)
        .execute(connection)
        .await?;
    Ok(version)
}
