use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::NewEvent;

/// Rows that one sweeping statement deletes.
const SWEEP: i64 = 1_000;

/// Depth is counted up to here; beyond, the number says enough.
const COUNTED: i64 = 100_000;

/// A row that a relay has claimed.
pub(super) struct Pending {
    pub(super) id: Uuid,
    pub(super) subject: String,
    pub(super) aggregate_id: Uuid,
    pub(super) aggregate_version: i64,
    pub(super) data: String,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) traceparent: Option<String>,
}

/// How much waits.
pub(super) struct Backlog {
    pub(super) unpublished: i64,
    pub(super) oldest: Option<DateTime<Utc>>,
}

/// Writes an event, in the transaction of the work that it tells of.
///
/// # Errors
/// When the database refuses (a subject that isn't `evt.…` or `jobs.…`, a
/// payload that is no object or over 64 KiB) or is away.
pub async fn append(executor: impl PgExecutor<'_>, event: &NewEvent) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO outbox (id, subject, aggregate_id, aggregate_version, data, occurred_at, traceparent)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        event.id,
        event.subject,
        event.aggregate_id,
        event.aggregate_version,
        event.data,
        event.occurred_at,
        event.traceparent,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// The oldest unpublished rows, locked for this relay. Rows of another relay
/// are passed over, and so is a row whose aggregate has an earlier one that
/// isn't claimed here: it must not overtake it.
pub(super) async fn claim(
    executor: impl PgExecutor<'_>,
    limit: i64,
) -> Result<Vec<Pending>, sqlx::Error> {
    sqlx::query_as!(
        Pending,
        r#"WITH claimed AS MATERIALIZED (
               SELECT id, position, subject, aggregate_id, aggregate_version, data::text AS data,
                      occurred_at, traceparent
               FROM outbox WHERE published_at IS NULL
               ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED)
           SELECT c.id, c.subject, c.aggregate_id, c.aggregate_version, c.data AS "data!",
                  c.occurred_at, c.traceparent
           FROM claimed c
           WHERE NOT EXISTS (
               SELECT FROM outbox e
               WHERE e.published_at IS NULL AND e.aggregate_id = c.aggregate_id
                 AND e.position < c.position AND e.id NOT IN (SELECT id FROM claimed))
           ORDER BY c.position"#,
        limit,
    )
    .fetch_all(executor)
    .await
}

pub(super) async fn mark_published(
    executor: impl PgExecutor<'_>,
    ids: &[Uuid],
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE outbox SET published_at = $2 WHERE id = ANY($1)",
        ids,
        at
    )
    .execute(executor)
    .await?;
    Ok(())
}

pub(super) async fn backlog(executor: impl PgExecutor<'_>) -> Result<Backlog, sqlx::Error> {
    sqlx::query_as!(
        Backlog,
        r#"SELECT count(*) AS "unpublished!", min(occurred_at) AS oldest FROM (
               SELECT occurred_at FROM outbox WHERE published_at IS NULL
               ORDER BY position LIMIT $1) AS waiting"#,
        COUNTED,
    )
    .fetch_one(executor)
    .await
}

/// Deletes what was published before an instant.
pub(super) async fn sweep(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let mut swept = 0;
    loop {
        let done = sqlx::query!(
            "DELETE FROM outbox WHERE id IN (
                 SELECT id FROM outbox WHERE published_at < $1 ORDER BY published_at LIMIT $2)",
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
