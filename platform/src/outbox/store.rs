use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
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

/// The rows that are due, oldest first, locked for this relay. Rows of another
/// relay are passed over. A row whose aggregate has an earlier one that isn't
/// claimed here must not overtake it: it is put off until that one is due.
pub(super) async fn claim(
    executor: impl PgExecutor<'_>,
    limit: i64,
) -> Result<Vec<Pending>, sqlx::Error> {
    sqlx::query_as!(
        Pending,
        r#"WITH claimed AS MATERIALIZED (
               SELECT id, position, subject, aggregate_id, aggregate_version, data::text AS data,
                      occurred_at, traceparent
               FROM outbox WHERE published_at IS NULL AND next_attempt_at <= now()
               ORDER BY next_attempt_at, position LIMIT $1 FOR UPDATE SKIP LOCKED),
           behind AS MATERIALIZED (
               SELECT c.id, max(e.next_attempt_at) AS until
               FROM claimed c JOIN outbox e ON e.published_at IS NULL
                   AND e.aggregate_id = c.aggregate_id AND e.position < c.position
               WHERE e.id NOT IN (SELECT id FROM claimed)
               GROUP BY c.id),
           put_off AS (
               UPDATE outbox o SET next_attempt_at = GREATEST(b.until, now() + interval '100 ms')
               FROM behind b WHERE o.id = b.id)
           SELECT c.id, c.subject, c.aggregate_id, c.aggregate_version, c.data AS "data!",
                  c.occurred_at, c.traceparent
           FROM claimed c WHERE c.id NOT IN (SELECT id FROM behind)
           ORDER BY c.position"#,
        limit,
    )
    .fetch_all(executor)
    .await
}

/// Puts off rows that couldn't leave: by a second, then by twice as long each
/// time, up to ten seconds.
pub(super) async fn put_off(
    executor: impl PgExecutor<'_>,
    ids: &[Uuid],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE outbox SET attempts = LEAST(attempts + 1, 10),
             next_attempt_at = clock_timestamp() + LEAST(interval '1 s' * 2 ^ attempts, interval '10 s')
         WHERE id = ANY($1)",
        ids,
    )
    .execute(executor)
    .await?;
    Ok(())
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
               ORDER BY next_attempt_at, position LIMIT $1) AS waiting"#,
        COUNTED,
    )
    .fetch_one(executor)
    .await
}

/// Deletes some of what was published before an instant. Returns whether there
/// may be more.
pub(super) async fn sweep(
    executor: impl PgExecutor<'_>,
    before: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let swept = sqlx::query!(
        "DELETE FROM outbox WHERE id IN (
             SELECT id FROM outbox WHERE published_at < $1 ORDER BY published_at LIMIT $2)",
        before,
        SWEEP,
    )
    .execute(executor)
    .await?
    .rows_affected();
    Ok(swept == SWEEP.cast_unsigned())
}
