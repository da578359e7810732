//! How many copies of each item were sold lately.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

/// Counts the copies in orders that were paid after `since`, and writes those
/// counts that changed. Returns how many did.
///
/// # Errors
/// What the database says.
pub async fn count(
    executor: impl PgExecutor<'_>,
    since: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "WITH counted AS (
             SELECT l.item_id, sum(l.quantity) AS sold
             FROM orders o JOIN order_lines l ON l.order_id = o.id
             WHERE o.paid_at > $1
             GROUP BY l.item_id),
         changed AS (
             SELECT s.item_id, COALESCE(c.sold, 0) AS sold
             FROM item_sales s LEFT JOIN counted c ON c.item_id = s.item_id
             WHERE s.sold <> COALESCE(c.sold, 0)
             FOR NO KEY UPDATE OF s SKIP LOCKED)
         UPDATE item_sales s SET sold = changed.sold
         FROM changed WHERE changed.item_id = s.item_id",
        since,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}
