//! The rows of the orders database.

use chrono::{DateTime, TimeDelta, Utc};
use platform::currency::Currency;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Parameters, Progress, SeedError, World,
    carts::Cart,
    copy::copy,
    filling::Filling,
    items::Item,
    orders::{EXPIRES_AFTER, Line, Order, State},
};

#[derive(Serialize)]
struct ItemRow<'a> {
    id: Uuid,
    title: &'a str,
    author: &'a str,
    description: &'a str,
    tags: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    version: i64,
}

#[derive(Serialize)]
struct PriceRow {
    item_id: Uuid,
    currency: Currency,
    minor_units: u32,
    amount: Decimal,
    valid_from: DateTime<Utc>,
    valid_until: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct StockRow {
    item_id: Uuid,
    on_hand: i64,
    reserved: i64,
}

#[derive(Serialize)]
struct OrderRow {
    id: Uuid,
    user_id: Uuid,
    request_id: Uuid,
    state: State,
    version: usize,
    currency: Currency,
    minor_units: u32,
    quantity: u32,
    subtotal: Decimal,
    discount: Decimal,
    total: Decimal,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    paid_at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct TransitionRow {
    order_id: Uuid,
    version: usize,
    from_state: Option<State>,
    to_state: State,
    at: DateTime<Utc>,
}

#[derive(Serialize)]
struct LineRow<'a> {
    order_id: Uuid,
    position: usize,
    item_id: Uuid,
    title: &'a str,
    author: &'a str,
    quantity: u32,
    currency: Currency,
    minor_units: u32,
    unit_price: Decimal,
    discount: Decimal,
    total: Decimal,
}

#[derive(Serialize)]
struct CartRow {
    id: Uuid,
    user_id: Uuid,
    version: usize,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct CartLineRow {
    cart_id: Uuid,
    item_id: Uuid,
    position: usize,
    quantity: u32,
}

/// Bestsellers are counted over as many days before the data's end, as the
/// orders service counts them before now.
const BESTSELLER_DAYS: TimeDelta = TimeDelta::days(30);

/// Writes everything there is about books, carts and orders.
pub(crate) async fn fill(
    mut filling: Filling,
    parameters: &Parameters,
    world: &World,
    progress: &Progress,
) -> Result<(), SeedError> {
    let connection = &mut filling.connection;
    let World {
        users,
        items,
        carts,
        orders,
    } = world;
    copy(
        connection,
        progress,
        "items",
        items.len(),
        items.iter().map(item_row),
    )
    .await?;
    let count = items.iter().map(|item| item.prices.len()).sum();
    copy(
        connection,
        progress,
        "item_prices",
        count,
        items.iter().flat_map(price_rows),
    )
    .await?;
    copy(
        connection,
        progress,
        "item_stock",
        items.len(),
        stock_rows(items, orders),
    )
    .await?;
    let rows = carts.iter().map(|cart| cart_row(cart, users[cart.user].id));
    copy(connection, progress, "carts", carts.len(), rows).await?;
    let count = carts.iter().map(|cart| cart.lines.len()).sum();
    let rows = carts.iter().flat_map(|cart| cart_line_rows(cart, items));
    copy(connection, progress, "cart_lines", count, rows).await?;
    let rows = orders
        .iter()
        .map(|order| order_row(order, users[order.user].id));
    copy(connection, progress, "orders", orders.len(), rows).await?;
    let count = orders.iter().map(|order| order.lines.len()).sum();
    let rows = orders.iter().flat_map(|order| line_rows(order, items));
    copy(connection, progress, "order_lines", count, rows).await?;
    let count = orders.iter().map(|order| order.way.len()).sum();
    let rows = orders.iter().flat_map(transition_rows);
    copy(connection, progress, "order_transitions", count, rows).await?;
    sqlx::query(
        "UPDATE item_sales SET sold = counted.sold FROM (
             SELECT item_id, sum(order_lines.quantity) AS sold
               FROM orders JOIN order_lines ON order_id = orders.id
              WHERE paid_at >= $1 GROUP BY item_id) AS counted
          WHERE item_sales.item_id = counted.item_id",
    )
    .bind(parameters.as_of - BESTSELLER_DAYS)
    .execute(connection)
    .await?;
    filling.finish(parameters, progress, "orders").await
}

fn item_row(item: &Item) -> ItemRow<'_> {
    ItemRow {
        id: item.id,
        title: &item.title,
        author: &item.author,
        description: &item.description,
        // Tags have no letters that an array's text would need quotes for.
        tags: format!("{{{}}}", item.tags.join(",")),
        created_at: item.created_at,
        updated_at: item.updated_at,
        deleted_at: item.deleted_at,
        version: item.version,
    }
}

fn price_rows(item: &Item) -> impl Iterator<Item = PriceRow> {
    item.prices.iter().map(|price| PriceRow {
        item_id: item.id,
        currency: price.money.currency(),
        minor_units: price.money.currency().minor_units(),
        amount: price.money.amount(),
        valid_from: price.from,
        valid_until: price.until,
    })
}

fn stock_rows(items: &[Item], orders: &[Order]) -> impl Iterator<Item = StockRow> {
    let mut reserved = vec![0; items.len()];
    for line in orders
        .iter()
        .filter(|order| order.reserves())
        .flat_map(|order| &order.lines)
    {
        reserved[line.item] += i64::from(line.quantity);
    }
    items.iter().zip(reserved).map(|(item, reserved)| StockRow {
        item_id: item.id,
        on_hand: item.free + reserved,
        reserved,
    })
}

fn cart_row(cart: &Cart, user_id: Uuid) -> CartRow {
    CartRow {
        id: cart.id,
        user_id,
        // Raised by each line that came after the first.
        version: cart.lines.len(),
        created_at: cart.created_at,
        updated_at: cart.updated_at,
    }
}

fn cart_line_rows(cart: &Cart, items: &[Item]) -> impl Iterator<Item = CartLineRow> {
    cart.lines
        .iter()
        .enumerate()
        .map(|(position, &(item, quantity))| CartLineRow {
            cart_id: cart.id,
            item_id: items[item].id,
            position: position + 1,
            quantity,
        })
}

fn order_row(order: &Order, user_id: Uuid) -> OrderRow {
    let waits = order.state() == State::PendingPayment;
    OrderRow {
        id: order.id,
        user_id,
        request_id: order.request_id,
        state: order.state(),
        version: order.way.len(),
        currency: order.currency,
        minor_units: order.currency.minor_units(),
        quantity: order.lines.iter().map(|line| line.quantity).sum(),
        subtotal: order.sum(Line::subtotal).amount(),
        discount: order.sum(|line| line.discount).amount(),
        total: order.sum(Line::total).amount(),
        created_at: order.created_at(),
        updated_at: order.updated_at(),
        expires_at: waits.then(|| order.created_at() + EXPIRES_AFTER),
        paid_at: order.at(State::Paid),
    }
}

fn line_rows<'a>(order: &'a Order, items: &'a [Item]) -> impl Iterator<Item = LineRow<'a>> {
    order
        .lines
        .iter()
        .enumerate()
        .map(|(position, line)| LineRow {
            order_id: order.id,
            position: position + 1,
            item_id: items[line.item].id,
            title: &items[line.item].title,
            author: &items[line.item].author,
            quantity: line.quantity,
            currency: order.currency,
            minor_units: order.currency.minor_units(),
            unit_price: line.unit_price.amount(),
            discount: line.discount.amount(),
            total: line.total().amount(),
        })
}

fn transition_rows(order: &Order) -> impl Iterator<Item = TransitionRow> {
    order
        .way
        .iter()
        .enumerate()
        .map(|(step, &(to_state, at))| TransitionRow {
            order_id: order.id,
            version: step + 1,
            from_state: step.checked_sub(1).map(|before| order.way[before].0),
            to_state,
            at,
        })
}
