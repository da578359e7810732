use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

use super::Job;

/// Messages that are looked at in one go.
const BATCH: i64 = 500;

/// Messages that are past their time and that nobody has handled: those that
/// never left the outbox, and those that left since `published_after`.
pub(super) async fn unhandled(
    executor: impl PgExecutor<'_>,
    consumer: &str,
    expired_at: DateTime<Utc>,
    published_after: DateTime<Utc>,
) -> sqlx::Result<Vec<(Uuid, Job)>> {
    let rows = sqlx::query!(
        r#"SELECT o.id, o.data AS "job: Json<Job>" FROM outbox o
           WHERE (o.published_at IS NULL OR o.published_at > $3)
             AND o.subject LIKE 'jobs.notify.%'
             AND (o.data->>'expires_at')::timestamptz <= $2
             AND NOT EXISTS (SELECT FROM inbox i WHERE i.consumer = $1 AND i.event_id = o.id)
           LIMIT $4"#,
        consumer,
        expired_at,
        published_after,
        BATCH,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.job.0)).collect())
}
