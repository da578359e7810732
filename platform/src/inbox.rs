//! The inbox: what a consumer has already done. JetStream delivers at least
//! once; a row written in the same transaction as the effect makes the effect
//! happen once.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// Rows that one sweeping statement deletes.
const SWEEP: i64 = 1_000;

/// Notes that `consumer` handles the event, and tells whether that is news.
/// Call it in the transaction of the effect, before the effect: a second
/// delivery waits here until the first has committed or failed.
///
/// # Errors
/// When the database refuses or is away.
pub async fn first_time(
    executor: impl PgExecutor<'_>,
    consumer: &str,
    event_id: Uuid,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        consumer,
        event_id,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets some of what was received before an instant. Keep longer than the
/// streams keep their events, or an old one that is delivered again is done
/// again. Returns whether there may be more.
///
/// # Errors
/// When the database refuses or is away.
pub async fn sweep(
    executor: impl PgExecutor<'_>,
    before: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let swept = sqlx::query!(
        "DELETE FROM inbox WHERE (consumer, event_id) IN (
             SELECT consumer, event_id FROM inbox WHERE received_at < $1
             ORDER BY received_at LIMIT $2)",
        before,
        SWEEP,
    )
    .execute(executor)
    .await?
    .rows_affected();
    Ok(swept == SWEEP.cast_unsigned())
}
