//! Users who left, and what has to go with them.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// Notes that a user asked to be deleted.
///
/// # Errors
/// What the database says.
pub async fn request(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO departures (user_id, requested_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        user,
        at,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Empties what only the user had any use for, and what tells who it was, and
/// notes when. Today that is the cart: orders and their lines are the house's
/// books, and hold ids, titles and amounts alone. Another table that holds more
/// of a person is emptied here too, in the same statement.
///
/// Events may come in any order, so that the request may still be unknown.
///
/// # Errors
/// What the database says.
pub async fn erase(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    requested_at: DateTime<Utc>,
    erased_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH emptied AS (DELETE FROM carts WHERE user_id = $1)
         INSERT INTO departures (user_id, requested_at, erased_at) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET erased_at = excluded.erased_at",
        user,
        requested_at,
        erased_at,
    )
    .execute(executor)
    .await
    .map(drop)
}
