//! What the tests sell: rows, written as the superuser.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use platform::{
    clock::{Clock as _, SystemClock},
    currency::Currency,
};
use rust_decimal::Decimal;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

/// Ids in the order in which they were made.
fn next_id() -> Uuid {
    static LAST: AtomicU64 = AtomicU64::new(1);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

/// An item to be.
pub struct NewItem<'a> {
    pub title: &'a str,
    pub author: &'a str,
    pub description: &'a str,
    pub tags: &'a [&'a str],
    /// In US dollars; none: it isn't sold in them.
    pub price: Option<&'a str>,
    pub on_hand: i64,
    pub created_at: DateTime<Utc>,
}

impl Default for NewItem<'_> {
    fn default() -> Self {
        Self {
            title: "A Title",
            author: "An Author",
            description: "",
            tags: &[],
            price: Some("12.30"),
            on_hand: 10,
            created_at: SystemClock.now() - TimeDelta::days(1),
        }
    }
}

/// Puts an item up for sale.
pub async fn item(sql: &mut PgConnection, new: NewItem<'_>) -> Uuid {
    let id = next_id();
    let tags: Vec<String> = new.tags.iter().map(ToString::to_string).collect();
    sqlx::query(
        "INSERT INTO items (id, title, author, description, tags, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
    )
    .bind(id)
    .bind(new.title)
    .bind(new.author)
    .bind(new.description)
    .bind(tags)
    .bind(new.created_at)
    .execute(&mut *sql)
    .await
    .unwrap();
    sqlx::query("INSERT INTO item_stock (item_id, on_hand) VALUES ($1, $2)")
        .bind(id)
        .bind(new.on_hand)
        .execute(&mut *sql)
        .await
        .unwrap();
    if let Some(amount) = new.price {
        price(sql, id, Currency::Usd, amount, new.created_at, None).await;
    }
    id
}

/// Gives an item a price for a time.
pub async fn price(
    sql: &mut PgConnection,
    item: Uuid,
    currency: Currency,
    amount: &str,
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
) {
    sqlx::query(
        "INSERT INTO item_prices (item_id, currency, minor_units, amount, valid_from, valid_until)
         SELECT $1, code, minor_units, $3, $4, $5 FROM currencies WHERE code = $2",
    )
    .bind(item)
    .bind(currency.code())
    .bind(amount.parse::<Decimal>().unwrap())
    .bind(from)
    .bind(until)
    .execute(sql)
    .await
    .unwrap();
}

/// Marks an item as deleted.
pub async fn delete(sql: &mut PgConnection, item: Uuid) {
    let delete = "UPDATE items SET deleted_at = now(), updated_at = now() WHERE id = $1";
    sqlx::query(delete).bind(item).execute(sql).await.unwrap();
}

/// Gives a user a cart.
pub async fn cart(sql: &mut PgConnection, user: Uuid, lines: &[(Uuid, i32)]) -> Uuid {
    let id = next_id();
    let at = SystemClock.now();
    sqlx::query("INSERT INTO carts (id, user_id, created_at, updated_at) VALUES ($1, $2, $3, $3)")
        .bind(id)
        .bind(user)
        .bind(at)
        .execute(&mut *sql)
        .await
        .unwrap();
    for (position, (item, quantity)) in (1_i16..).zip(lines) {
        sqlx::query("INSERT INTO cart_lines VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(item)
            .bind(position)
            .bind(quantity)
            .execute(&mut *sql)
            .await
            .unwrap();
    }
    id
}

/// The way of an order to a state.
fn way_to(state: &str) -> Vec<&str> {
    match state {
        "pending_payment" => vec!["pending_payment"],
        "capturing" => vec!["pending_payment", "capturing"],
        "paid" => vec!["pending_payment", "capturing", "paid"],
        "fulfilled" => vec!["pending_payment", "capturing", "paid", "fulfilled"],
        ended => vec!["pending_payment", ended],
    }
}

/// Makes an order of items at 12.30 US dollars each.
pub async fn order(
    sql: &mut PgConnection,
    user: Uuid,
    state: &str,
    at: DateTime<Utc>,
    lines: &[(Uuid, i32)],
) -> Uuid {
    let id = next_id();
    let way = way_to(state);
    let quantity: i64 = lines.iter().map(|(_, quantity)| i64::from(*quantity)).sum();
    let total = Decimal::new(1230, 2) * Decimal::from(quantity);
    let paid_at = ["paid", "fulfilled"].contains(&state).then_some(at);
    let expires_at = (state == "pending_payment").then_some(at + TimeDelta::minutes(15));
    let mut transaction = sql.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO orders (id, user_id, request_id, state, version, currency, minor_units,
             quantity, subtotal, total, created_at, updated_at, expires_at, paid_at)
         VALUES ($1, $2, $1, $3::order_state, $4, 'USD', 2, $5, $6, $6, $7, $7, $8, $9)",
    )
    .bind(id)
    .bind(user)
    .bind(state)
    .bind(way.len() as i64)
    .bind(quantity)
    .bind(total)
    .bind(at)
    .bind(expires_at)
    .bind(paid_at)
    .execute(&mut *transaction)
    .await
    .unwrap();
    for (index, to) in way.iter().enumerate() {
        let from = index.checked_sub(1).map(|before| way[before]);
        sqlx::query(
            "INSERT INTO order_transitions (order_id, version, from_state, to_state, at)
             VALUES ($1, $2, $3::order_state, $4::order_state, $5)",
        )
        .bind(id)
        .bind(index as i64 + 1)
        .bind(from)
        .bind(to)
        .bind(at)
        .execute(&mut *transaction)
        .await
        .unwrap();
    }
    for (index, (item, quantity)) in lines.iter().enumerate() {
        sqlx::query(
            "INSERT INTO order_lines (order_id, position, item_id, title, author, quantity,
                 currency, minor_units, unit_price, total)
             SELECT $1, $2, id, title, author, $4, 'USD', 2, 12.30, 12.30 * $4
             FROM items WHERE id = $3",
        )
        .bind(id)
        .bind(i16::try_from(index).unwrap() + 1)
        .bind(item)
        .bind(quantity)
        .execute(&mut *transaction)
        .await
        .unwrap();
    }
    transaction.commit().await.unwrap();
    id
}
