//! The inbox: what a consumer has already done. JetStream delivers at least
//! once; a row written in the same transaction as the effect makes the effect
//! happen once.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool};
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

/// Forgets what was received before an instant. Keep longer than the streams
/// keep their events, or an old one that is delivered again is done again.
/// Returns how many rows went.
///
/// # Errors
/// When the database refuses or is away.
pub async fn sweep(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let mut swept = 0;
    loop {
        let done = sqlx::query!(
            "DELETE FROM inbox WHERE (consumer, event_id) IN (
                 SELECT consumer, event_id FROM inbox WHERE received_at < $1
                 ORDER BY received_at LIMIT $2)",
            before,
            SWEEP,
        )
        .execute(pool)
        .await?
        .rows_affected();
        swept += done;
        if done < SWEEP.cast_unsigned() {
            return Ok(swept);
        }
    }
}
