//! How users leave, and come back.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// What still belongs to a user, as far as money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belongings {
    /// Some account isn't empty.
    pub balance: bool,
    /// Something is set aside in some account.
    pub held: bool,
}

/// Looks at a user's open accounts, and locks them until the transaction ends, so
/// that nothing comes into these meanwhile. That none is opened, a lock on the
/// user's own row sees to.
///
/// # Errors
/// When the store doesn't answer.
pub async fn belongings(connection: &mut PgConnection, user_id: Uuid) -> sqlx::Result<Belongings> {
    let accounts = sqlx::query!(
        r#"SELECT balance <> 0 AS "balance!", held <> 0 AS "held!" FROM accounts
           WHERE user_id = $1 AND kind = 'user' AND status = 'open'
           ORDER BY id FOR NO KEY UPDATE"#,
        user_id,
    )
    .fetch_all(connection)
    .await?;
    Ok(Belongings {
        balance: accounts.iter().any(|account| account.balance),
        held: accounts.iter().any(|account| account.held),
    })
}

/// Deactivates an active user. Returns the new version; none: the user isn't
/// active.
///
/// # Errors
/// When the store doesn't answer.
pub async fn deactivate(
    connection: &mut PgConnection,
    user_id: Uuid,
    at: DateTime<Utc>,
    return_until: DateTime<Utc>,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "UPDATE users SET status = 'deactivated', return_until = $3, updated_at = $2, version = version + 1
         WHERE id = $1 AND status = 'active' RETURNING version",
        user_id,
        at,
        return_until,
    )
    .fetch_optional(connection)
    .await
}

/// Makes a deactivated user active again, in time. Returns the new version;
/// none: there was nothing to do, or it is too late.
///
/// # Errors
/// When the store doesn't answer.
pub async fn reactivate(
    connection: &mut PgConnection,
    user_id: Uuid,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "UPDATE users SET status = 'active', return_until = NULL, updated_at = $2, version = version + 1
         WHERE id = $1 AND status = 'deactivated' AND return_until > $2 RETURNING version",
        user_id,
        at,
    )
    .fetch_optional(connection)
    .await
}

/// Finds and locks someone who was deactivated and didn't come back in time, unless
/// another worker has them. As with those who ask to be deleted, nobody goes while
/// they have money.
///
/// # Errors
/// When the store doesn't answer.
pub async fn next_lapsed(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM users
         WHERE status = 'deactivated' AND return_until <= $1
           AND NOT EXISTS (SELECT FROM accounts a
                           WHERE a.user_id = users.id AND (a.balance <> 0 OR a.held <> 0))
         ORDER BY return_until LIMIT 1 FOR UPDATE SKIP LOCKED",
        now,
    )
    .fetch_optional(connection)
    .await
}

/// Brings back a deleted user who isn't erased yet; what they had is as it was, but
/// for their accounts, which stay closed. Returns the new version; none: the user
/// isn't one of these.
///
/// # Errors
/// When the store doesn't answer, or by unique constraint when someone else has
/// taken their address or name meanwhile.
pub async fn restore(
    connection: &mut PgConnection,
    user_id: Uuid,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "UPDATE users SET status = 'active', deleted_at = NULL, erase_after = NULL,
                          updated_at = $2, version = version + 1
         WHERE id = $1 AND status = 'deleted' RETURNING version",
        user_id,
        at,
    )
    .fetch_optional(connection)
    .await
}

/// Marks a user as deleted who is active, or didn't come back in time. Returns the
/// new version; none: the user is neither.
///
/// # Errors
/// When the store doesn't answer.
pub async fn delete(
    connection: &mut PgConnection,
    user_id: Uuid,
    at: DateTime<Utc>,
    erase_after: DateTime<Utc>,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "UPDATE users SET status = 'deleted', deleted_at = $2, erase_after = $3, return_until = NULL,
                          updated_at = $2, version = version + 1
         WHERE id = $1 AND (status = 'active' OR return_until <= $2) RETURNING version",
        user_id,
        at,
        erase_after,
    )
    .fetch_optional(connection)
    .await
}
