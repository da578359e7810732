//! Which items are on a page of a list: their ids, and what they are ordered by.

use chrono::{DateTime, Utc};
use platform::currency::Currency;
use rust_decimal::Decimal;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::domain::{ItemFilter, Position, SearchText, Tag};

/// Which items are meant, and which part of their list.
#[derive(Debug)]
pub struct Part<'a, K> {
    /// The filter.
    pub filter: &'a ItemFilter,
    /// The items that stand for the filter's text when hardly one has its
    /// words; see [`similar`].
    pub similar: Option<&'a [Uuid]>,
    /// Whose prices count.
    pub now: DateTime<Utc>,
    /// The row after which the part begins.
    pub after: Option<Position<K>>,
    /// How many rows it has.
    pub rows: i64,
}

impl<K: Copy> Part<'_, K> {
    fn text(&self) -> Option<&str> {
        self.filter.text.as_ref().map(SearchText::as_str)
    }

    fn tag(&self) -> Option<&str> {
        self.filter.tag.as_ref().map(Tag::as_str)
    }

    fn filters_by_price(&self) -> bool {
        self.filter.min_price.is_some() || self.filter.max_price.is_some()
    }

    fn key(&self) -> Option<K> {
        self.after.map(|after| after.key)
    }

    fn id(&self) -> Option<Uuid> {
        self.after.map(|after| after.id)
    }
}

/// A statement over the items that a [`Part`] means. PostgreSQL plans it for
/// the values at hand: a filter that isn't given, and a table that is only
/// joined for it, leave no trace in the plan.
macro_rules! listed {
    ($part:ident, priced: $priced:expr, $select:literal, $rest:literal) => {
        sqlx::query!(
            $select
                + "
            FROM items i
            LEFT JOIN item_sales s ON s.item_id = i.id
            LEFT JOIN item_prices p ON $7::boolean AND p.item_id = i.id AND p.currency = $4
                AND p.valid_from <= $8 AND (p.valid_until IS NULL OR p.valid_until > $8)
            WHERE i.deleted_at IS NULL
              AND ($1::text IS NULL OR $2::uuid[] IS NOT NULL
                   OR i.search @@ websearch_to_tsquery('catalogue', $1))
              AND ($2 IS NULL OR i.id = ANY ($2))
              AND ($3::text IS NULL OR i.tags @> ARRAY[$3])
              AND ($5::numeric IS NULL OR p.amount >= $5)
              AND ($6::numeric IS NULL OR p.amount <= $6)
            "
                + $rest,
            $part.text(),
            $part.similar,
            $part.tag(),
            $part.filter.currency.code(),
            $part.filter.min_price,
            $part.filter.max_price,
            $priced,
            $part.now,
            $part.rows,
            $part.key(),
            $part.id(),
        )
        .map(|row| Position {
            key: row.key,
            id: row.id,
        })
    };
}

/// The newest first.
///
/// # Errors
/// What the database says.
pub async fn newest(
    executor: impl PgExecutor<'_>,
    part: Part<'_, DateTime<Utc>>,
) -> Result<Vec<Position<DateTime<Utc>>>, sqlx::Error> {
    listed!(
        part,
        priced: part.filters_by_price(),
        "SELECT i.id, i.created_at AS key",
        "AND ($10::timestamptz IS NULL OR (i.created_at, i.id) < ($10, $11::uuid))
         ORDER BY i.created_at DESC, i.id DESC LIMIT $9"
    )
    .fetch_all(executor)
    .await
}

/// The cheapest first.
///
/// # Errors
/// What the database says.
pub async fn price_ascending(
    executor: impl PgExecutor<'_>,
    part: Part<'_, Decimal>,
) -> Result<Vec<Position<Decimal>>, sqlx::Error> {
    listed!(
        part,
        priced: true,
        r#"SELECT p.item_id AS "id!", p.amount AS "key!""#,
        "AND p.amount IS NOT NULL
         AND ($10::numeric IS NULL OR (p.amount, p.item_id) > ($10, $11::uuid))
         ORDER BY p.amount, p.item_id LIMIT $9"
    )
    .fetch_all(executor)
    .await
}

/// The dearest first.
///
/// # Errors
/// What the database says.
pub async fn price_descending(
    executor: impl PgExecutor<'_>,
    part: Part<'_, Decimal>,
) -> Result<Vec<Position<Decimal>>, sqlx::Error> {
    listed!(
        part,
        priced: true,
        r#"SELECT p.item_id AS "id!", p.amount AS "key!""#,
        "AND p.amount IS NOT NULL
         AND ($10::numeric IS NULL OR (p.amount, p.item_id) < ($10, $11::uuid))
         ORDER BY p.amount DESC, p.item_id DESC LIMIT $9"
    )
    .fetch_all(executor)
    .await
}

/// What sold best lately first.
///
/// # Errors
/// What the database says.
pub async fn bestselling(
    executor: impl PgExecutor<'_>,
    part: Part<'_, i64>,
) -> Result<Vec<Position<i64>>, sqlx::Error> {
    listed!(
        part,
        priced: part.filters_by_price(),
        r#"SELECT s.item_id AS "id!", s.sold AS "key!""#,
        "AND s.sold IS NOT NULL
         AND ($10::bigint IS NULL OR (s.sold, s.item_id) < ($10, $11::uuid))
         ORDER BY s.sold DESC, s.item_id DESC LIMIT $9"
    )
    .fetch_all(executor)
    .await
}

/// What matches best first, among the newest thousand that match: to rank all
/// that have a common word would take as long as reading them all. Items that
/// have the words stand before those that only have similar ones.
///
/// # Errors
/// What the database says.
pub async fn relevance(
    executor: impl PgExecutor<'_>,
    part: Part<'_, f32>,
) -> Result<Vec<Position<f32>>, sqlx::Error> {
    listed!(
        part,
        priced: part.filters_by_price(),
        r#"SELECT id AS "id!", score AS "key!" FROM (
             SELECT id, (CASE WHEN search @@ websearch_to_tsquery('catalogue', $1)
                              THEN 1 + ts_rank(search, websearch_to_tsquery('catalogue', $1))
                              ELSE word_similarity($1, title || ' ' || author) END)::real AS score
             FROM (SELECT i.id, i.search, i.title, i.author"#,
        "ORDER BY i.created_at DESC, i.id DESC LIMIT 1000) AS matching) AS scored
         WHERE $10::real IS NULL OR (score, id) < ($10, $11::uuid)
         ORDER BY score DESC, id DESC LIMIT $9"
    )
    .fetch_all(executor)
    .await
}

/// When fewer than five items have the words of a text as they are written:
/// those, and up to a thousand whose title or author is similar to it. Else
/// nothing.
///
/// # Errors
/// What the database says.
pub async fn similar(
    executor: impl PgExecutor<'_>,
    text: &SearchText,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH exact AS MATERIALIZED (
               SELECT id FROM items
               WHERE deleted_at IS NULL AND search @@ websearch_to_tsquery('catalogue', $1)
               LIMIT 5)
           SELECT CASE WHEN (SELECT count(*) FROM exact) < 5 THEN ARRAY(
               SELECT id FROM exact
               UNION
               (SELECT id FROM items
                WHERE deleted_at IS NULL AND $1::text <% (title || ' ' || author)
                LIMIT 1000)) END"#,
        text.as_str(),
    )
    .fetch_one(executor)
    .await
}

/// What sold best lately, can be bought now in the currency, and wasn't bought
/// by the user yet.
///
/// # Errors
/// What the database says.
pub async fn recommended(
    executor: impl PgExecutor<'_>,
    user: Option<Uuid>,
    currency: Currency,
    now: DateTime<Utc>,
    rows: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT s.item_id
         FROM item_sales s
         JOIN items i ON i.id = s.item_id AND i.deleted_at IS NULL
         JOIN item_stock t ON t.item_id = s.item_id AND t.on_hand > t.reserved
         WHERE EXISTS (
             SELECT FROM item_prices p
             WHERE p.item_id = s.item_id AND p.currency = $2
               AND p.valid_from <= $3 AND (p.valid_until IS NULL OR p.valid_until > $3))
           AND NOT EXISTS (
             SELECT FROM orders o JOIN order_lines l ON l.order_id = o.id
             WHERE o.user_id = $1 AND o.paid_at IS NOT NULL AND l.item_id = s.item_id)
         ORDER BY s.sold DESC, s.item_id DESC LIMIT $4",
        user,
        currency.code(),
        now,
        rows,
    )
    .fetch_all(executor)
    .await
}
