//! Requests that must not be carried out twice. The first answer is written in
//! the transaction of the work (see the database function `idempotency_claim`),
//! so there is never one without the other.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// Rows that one sweeping statement deletes.
const SWEEP: i64 = 1_000;

/// What such a request is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Whose key it is.
    pub user_id: Uuid,
    /// As the client chose it: 1 to 255 visible ASCII characters.
    pub key: String,
    /// SHA-256 of what is asked for.
    pub fingerprint: [u8; 32],
}

/// An answer that is kept, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// JSON.
    pub body: String,
    /// Whether it was given before.
    pub replayed: bool,
}

/// Deletes some of the answers that were first given before an instant. Returns
/// whether there may be more.
///
/// # Errors
/// When the store doesn't answer.
pub async fn sweep(executor: impl PgExecutor<'_>, before: DateTime<Utc>) -> sqlx::Result<bool> {
    let swept = sqlx::query!(
        "DELETE FROM idempotency_keys WHERE (user_id, key) IN (
             SELECT user_id, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)",
        before,
        SWEEP,
    )
    .execute(executor)
    .await?
    .rows_affected();
    Ok(swept == SWEEP.cast_unsigned())
}
