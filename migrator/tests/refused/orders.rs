use migrator::Store;
use platform::testing::Database;
use sqlx::PgConnection;

use crate::{database_with, each_is_refused, try_out, untried};

const BASE: &str = include_str!("orders_base.sql");

const CASES: &str = include_str!("orders.sql");

async fn orders_with(base: &str) -> (Database, PgConnection) {
    database_with(Store::Orders, base).await
}

#[tokio::test]
async fn each_bad_state_of_the_catalogue_of_orders_and_of_carts_is_refused_by_name() {
    let (_database, mut connection) = orders_with(BASE).await;
    each_is_refused(&mut connection, CASES).await;
    let tables = [
        "currencies",
        "items",
        "item_prices",
        "item_stock",
        "item_sales",
        "order_edges",
        "orders",
        "order_transitions",
        "order_lines",
        "carts",
        "cart_lines",
        "departures",
    ];
    let untried = untried(&mut connection, &tables, CASES).await;
    assert_eq!(untried, Vec::<String>::new());
}

#[tokio::test]
async fn an_order_goes_every_allowed_way() {
    let (_database, mut connection) = orders_with(BASE).await;
    for way in [
        "capturing, paid, fulfilled",
        "capturing, cancelled",
        "cancelled",
        "expired",
    ] {
        let steps: String = way
            .split(", ")
            .map(|state| format!("SELECT go(9, '{state}');"))
            .collect();
        let whole = format!("SELECT place(9); {steps} SELECT 1");
        try_out(&mut connection, &whole, "ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn an_order_goes_no_other_way() {
    let (_database, mut connection) = orders_with(BASE).await;
    let ways: Vec<(String, String)> = sqlx::query_as(
        "SELECT a::text, b::text
         FROM unnest(enum_range(NULL::order_state)) a, unnest(enum_range(NULL::order_state)) b
         WHERE (a, b) NOT IN (SELECT from_state, to_state FROM order_edges)",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(ways.len(), 36 - 6);
    let cases: Vec<String> = ways
        .iter()
        .map(|(from, to)| {
            format!("SELECT place(9), reach(9, '{from}'), go(9, '{to}') -- order_transitions_edge")
        })
        .collect();
    each_is_refused(&mut connection, &cases.join("\n")).await;
}

#[tokio::test]
async fn an_order_takes_its_cart_away_and_leaves_the_others() {
    let (_database, mut connection) = orders_with(BASE).await;
    let order = "SELECT place(9)";
    try_out(&mut connection, order, "COMMIT").await.unwrap();
    let left: Vec<(String, bool)> = sqlx::query_as(
        "SELECT 'cart', id = o(3) FROM carts UNION ALL SELECT 'line', cart_id = o(3) FROM cart_lines",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(left, [("cart".into(), true), ("line".into(), true)]);
}

#[tokio::test]
async fn a_line_that_leaves_a_cart_leaves_no_gap() {
    let (_database, mut connection) = orders_with(BASE).await;
    let close = "
        INSERT INTO cart_lines VALUES (o(3), item(2), 2, 1);
        UPDATE cart_lines SET position = 3 - position;
        DELETE FROM cart_lines WHERE item_id = item(2);
        UPDATE cart_lines SET position = position - 1 WHERE position > 1";
    try_out(&mut connection, close, "COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_price_may_begin_when_the_one_before_ends() {
    let (_database, mut connection) = orders_with(BASE).await;
    let next = "INSERT INTO item_prices VALUES (item(1), 'USD', 2, 12, '2026-02-01', NULL)";
    try_out(&mut connection, next, "COMMIT").await.unwrap();
}

#[tokio::test]
async fn an_item_has_its_place_among_the_sales_from_its_first_moment() {
    let (_database, mut connection) = orders_with(BASE).await;
    let sold: Vec<i64> = sqlx::query_scalar("SELECT sold FROM item_sales")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(sold, [0, 0]);
}
