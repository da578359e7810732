//! Items, whole.

use chrono::{DateTime, Utc};
use platform::currency::Currency;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::money;
use crate::domain::Item;

/// The items of these ids that can be bought, in the order of the ids, with
/// their prices of `now`.
///
/// # Errors
/// What the database says.
pub async fn load(
    executor: impl PgExecutor<'_>,
    ids: &[Uuid],
    currency: Currency,
    now: DateTime<Utc>,
) -> Result<Vec<Item>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT i.id, i.title, i.author, i.description, i.tags,
                  i.created_at, i.updated_at, i.version,
                  p.amount AS "amount?",
                  COALESCE(s.on_hand - s.reserved, 0) AS "available!"
           FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place)
           JOIN items i ON i.id = wanted.id AND i.deleted_at IS NULL
           LEFT JOIN item_prices p ON p.item_id = i.id AND p.currency = $2
               AND p.valid_from <= $3 AND (p.valid_until IS NULL OR p.valid_until > $3)
           LEFT JOIN item_stock s ON s.item_id = i.id
           ORDER BY wanted.place"#,
        ids,
        currency.code(),
        now,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let price = row
                .amount
                .map(|amount| money(amount, currency))
                .transpose()?;
            Ok(Item {
                id: row.id,
                title: row.title,
                author: row.author,
                description: row.description,
                tags: row.tags,
                price,
                available: row.available,
                created_at: row.created_at,
                updated_at: row.updated_at,
                version: row.version,
            })
        })
        .collect()
}
