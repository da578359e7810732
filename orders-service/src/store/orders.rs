//! Orders and their lines.

use chrono::{DateTime, Utc};
use platform::currency::Currency;
use rust_decimal::Decimal;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::money;
use crate::domain::{Order, OrderLine, OrderState, OrderTransition, Position};

struct Row {
    id: Uuid,
    state: OrderState,
    version: i64,
    currency: String,
    quantity: i64,
    subtotal: Decimal,
    discount: Decimal,
    total: Decimal,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Order {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let currency = currency(&row.currency)?;
        Ok(Self {
            id: row.id,
            state: row.state,
            quantity: row.quantity,
            subtotal: money(row.subtotal, currency)?,
            discount: money(row.discount, currency)?,
            total: money(row.total, currency)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
            version: row.version,
        })
    }
}

fn currency(code: &str) -> Result<Currency, sqlx::Error> {
    code.parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A user's order; nothing when it is someone else's.
///
/// # Errors
/// What the database says.
pub async fn get(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    id: Uuid,
) -> Result<Option<Order>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"SELECT id, state AS "state: OrderState", version, currency, quantity,
                  subtotal, discount, total, created_at, updated_at, expires_at
           FROM orders WHERE id = $1 AND user_id = $2"#,
        id,
        user,
    )
    .fetch_optional(executor)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// A part of a user's orders, the newest first.
///
/// # Errors
/// What the database says.
pub async fn list(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    state: Option<OrderState>,
    after: Option<Position<DateTime<Utc>>>,
    rows: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, state AS "state: OrderState", version, currency, quantity,
                  subtotal, discount, total, created_at, updated_at, expires_at
           FROM orders
           WHERE user_id = $1
             AND ($2::order_state IS NULL OR state = $2)
             AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
           ORDER BY created_at DESC, id DESC LIMIT $5"#,
        user,
        state as Option<OrderState>,
        after.map(|after| after.key),
        after.map(|after| after.id),
        rows,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(Order::try_from).collect()
}

/// How many of a user's orders wait for their payment or are being paid.
///
/// # Errors
/// What the database says.
pub async fn count_open(executor: impl PgExecutor<'_>, user: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM orders
           WHERE user_id = $1 AND state IN ('pending_payment', 'capturing')"#,
        user,
    )
    .fetch_one(executor)
    .await
}

/// The lines of these orders, each with its order and in their order.
///
/// # Errors
/// What the database says.
pub async fn lines(
    executor: impl PgExecutor<'_>,
    orders: &[Uuid],
) -> Result<Vec<(Uuid, OrderLine)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT order_id, item_id, title, author, quantity, currency, unit_price, discount, total
         FROM order_lines WHERE order_id = ANY($1) ORDER BY order_id, position",
        orders,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = currency(&row.currency)?;
            let line = OrderLine {
                item_id: row.item_id,
                title: row.title,
                author: row.author,
                quantity: row.quantity,
                unit_price: money(row.unit_price, currency)?,
                discount: money(row.discount, currency)?,
                total: money(row.total, currency)?,
            };
            Ok((row.order_id, line))
        })
        .collect()
}

/// The ways of these orders, each from its making on.
///
/// # Errors
/// What the database says.
pub async fn transitions(
    executor: impl PgExecutor<'_>,
    orders: &[Uuid],
) -> Result<Vec<OrderTransition>, sqlx::Error> {
    sqlx::query_as!(
        OrderTransition,
        r#"SELECT order_id, to_state AS "state: OrderState", at
           FROM order_transitions WHERE order_id = ANY($1) ORDER BY order_id, version"#,
        orders,
    )
    .fetch_all(executor)
    .await
}
