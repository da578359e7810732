//! Which items are on a page of a list: their ids, and what they are ordered by.
//!
//! Of an order, an index knows which item comes next, but not whether it is one
//! that was asked for. So the items that have a text or a tag are found first,
//! when they are [`few`]. Where they are more, the next one is never far.

use chrono::{DateTime, Utc};
use platform::currency::Currency;
use rust_decimal::Decimal;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::domain::{ItemFilter, ItemOrder, ItemQuery, Position, SearchText, Tag};

/// Which items are meant, and which part of their list.
#[derive(Debug)]
pub struct Part<'a, K> {
    /// The filter.
    pub filter: &'a ItemFilter,
    /// The items with its text and tag, when they are [`few`].
    pub few: Option<&'a [Uuid]>,
    /// Whose prices count.
    pub now: DateTime<Utc>,
    /// The row after which the part begins.
    pub after: Option<Position<K>>,
    /// How many rows it has.
    pub rows: i64,
}

impl<K: Copy> Part<'_, K> {
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

fn text(filter: &ItemFilter) -> Option<&str> {
    filter.text.as_ref().map(SearchText::as_str)
}

fn tag(filter: &ItemFilter) -> Option<&str> {
    filter.tag.as_ref().map(Tag::as_str)
}

/// Reads a part of a list from the items that it means. PostgreSQL plans each
/// statement for the values at hand: a filter that isn't given, and a table
/// that is only joined for it, leave no trace in the plan.
///
/// `id` is the column of the index that has the list's order, so that the
/// index alone tells which rows are among the few.
macro_rules! listed {
    ($executor:ident, $part:ident, priced: $priced:expr,
     $id:literal, $key:literal, $newest:literal, $rest:literal) => {
        sqlx::query!(
            r#"SELECT id AS "id!", key AS "key!" FROM (SELECT "#
                + $id
                + " AS id, "
                + $key
                + " AS key
            FROM items i
            LEFT JOIN item_sales s ON s.item_id = i.id
            LEFT JOIN item_prices p ON $7::boolean AND p.item_id = i.id AND p.currency = $4
                AND p.valid_from <= $8 AND (p.valid_until IS NULL OR p.valid_until > $8)
            WHERE i.deleted_at IS NULL
              AND ($1::text IS NULL OR $2::uuid[] IS NOT NULL
                   OR i.search @@ websearch_to_tsquery('catalogue', $1))
              AND ($3::text IS NULL OR $2 IS NOT NULL OR i.tags @> ARRAY[$3])
              AND ($5::numeric IS NULL OR p.amount >= $5)
              AND ($6::numeric IS NULL OR p.amount <= $6)
              AND ($2 IS NULL OR "
                + $id
                + " = ANY ($2)) "
                + $newest
                + ") AS listed WHERE key IS NOT NULL AND "
                + $rest
                + " LIMIT $9",
            text($part.filter),
            $part.few,
            tag($part.filter),
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
        .fetch_all($executor)
        .await
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
        executor,
        part,
        priced: part.filters_by_price(),
        "i.id",
        "i.created_at",
        "",
        "($10::timestamptz IS NULL OR (key, id) < ($10, $11::uuid))
         ORDER BY key DESC, id DESC"
    )
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
        executor,
        part,
        priced: true,
        "p.item_id",
        "p.amount",
        "",
        "($10::numeric IS NULL OR (key, id) > ($10, $11::uuid))
         ORDER BY key, id"
    )
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
        executor,
        part,
        priced: true,
        "p.item_id",
        "p.amount",
        "",
        "($10::numeric IS NULL OR (key, id) < ($10, $11::uuid))
         ORDER BY key DESC, id DESC"
    )
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
        executor,
        part,
        priced: part.filters_by_price(),
        "s.item_id",
        "s.sold",
        "",
        "($10::bigint IS NULL OR (key, id) < ($10, $11::uuid))
         ORDER BY key DESC, id DESC"
    )
}

/// What matches best first, and what has the words before what only has
/// similar ones. Of more than a few, the newest are ranked: to rank all that
/// have a common word would take as long as reading them all.
///
/// # Errors
/// What the database says.
pub async fn relevance(
    executor: impl PgExecutor<'_>,
    part: Part<'_, f32>,
) -> Result<Vec<Position<f32>>, sqlx::Error> {
    listed!(
        executor,
        part,
        priced: part.filters_by_price(),
        "i.id",
        "(CASE
             WHEN i.search @@ websearch_to_tsquery('catalogue', $1)
             THEN 1 + ts_rank(i.search, websearch_to_tsquery('catalogue', $1))
             ELSE word_similarity($1, i.title || ' ' || i.author) END)::real",
        "ORDER BY i.created_at DESC, i.id DESC LIMIT 2000",
        "($10::real IS NULL OR (key, id) < ($10, $11::uuid))
         ORDER BY key DESC, id DESC"
    )
}

/// The items with the query's text and tag, when they are few; nothing when
/// they are more, or all. Ordered by price, more are few: what an item is about
/// and what it costs go together, so that the cheapest of the dearest kind is
/// far along the index.
///
/// When hardly an item has the words as they are
/// written, up to five hundred are found too whose title or author is similar.
///
/// # Errors
/// What the database says.
pub async fn few(
    executor: impl PgExecutor<'_>,
    query: &ItemQuery,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let filter = &query.filter;
    if filter.text.is_none() && filter.tag.is_none() {
        return Ok(None);
    }
    let most = match query.order {
        ItemOrder::PriceAscending | ItemOrder::PriceDescending => 10_000,
        ItemOrder::Newest | ItemOrder::Bestselling | ItemOrder::Relevance => 2_000,
    };
    sqlx::query_scalar!(
        // A word that stands in half of all titles makes none of them similar.
        r#"WITH exact AS MATERIALIZED (
               SELECT id FROM items
               WHERE deleted_at IS NULL
                 AND ($1::text IS NULL OR search @@ websearch_to_tsquery('catalogue', $1))
                 AND ($2::text IS NULL OR tags @> ARRAY[$2])
               LIMIT $3::bigint + 1),
           telling AS MATERIALIZED (
               SELECT COALESCE(string_agg(word, ' ') FILTER
                   (WHERE to_tsvector('catalogue', word) <> ''), $1) AS words
               FROM regexp_split_to_table($1, '\s+') AS word)
           SELECT CASE
               WHEN (SELECT count(*) FROM exact) > $3 THEN NULL
               WHEN $1 IS NULL OR (SELECT count(*) FROM exact) >= 5
               THEN ARRAY(SELECT id FROM exact)
               ELSE ARRAY(
                   SELECT id FROM exact
                   UNION
                   (SELECT id FROM items
                    WHERE deleted_at IS NULL
                      AND (SELECT words FROM telling) <% (title || ' ' || author)
                      AND ($2::text IS NULL OR tags @> ARRAY[$2])
                    LIMIT 500))
               END"#,
        text(filter),
        tag(filter),
        most,
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
