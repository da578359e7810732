//! Items, orders and accounts by themselves, through the whole edge.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::http::{edge, get};
use crate::{
    helpers::eventually,
    orders_stub::{Behaviour, ITEM, ORDER},
};

#[tokio::test]
async fn items_are_public_and_cached_for_all() {
    let (app, orders, token) = edge().await;
    let path = format!("/v1/items/{ITEM}");
    let first = app.get(&path, None).await.expect(StatusCode::OK);
    assert_eq!(
        first.header("cache-control").as_deref(),
        Some("public, no-cache")
    );
    assert_eq!(
        first.json()["price"],
        json!({ "amount": "9.99", "currency": "USD" })
    );
    let etag = first.header("etag").unwrap();
    get(&app, &path, &token, &[("if-none-match", &etag)])
        .await
        .expect(StatusCode::NOT_MODIFIED);
    let search = "/v1/items?query=drum&limit=5";
    let page = app.get(search, None).await.expect(StatusCode::OK).json();
    assert_eq!(page["items"][0]["id"], ITEM);
    assert_eq!(page["next_cursor"], "next");

    let calls = || orders.count("get_item") + orders.count("list_items");
    // Until the edge has begun to hear of changes, it forgets once more.
    eventually("both are kept", async || {
        let before = calls();
        app.get(&path, None).await.expect(StatusCode::OK);
        app.get(search, None).await.expect(StatusCode::OK);
        (calls() == before).then_some(())
    })
    .await;
    let before = calls();
    let in_euro = format!("{path}?currency=EUR");
    app.get(&in_euro, None).await.expect(StatusCode::OK);
    app.get("/v1/items?query=tin&limit=5", None)
        .await
        .expect(StatusCode::OK);
    assert_eq!(calls(), before + 2, "other questions have other answers");
}

#[tokio::test]
async fn what_isnt_there_is_a_404_and_what_isnt_well_formed_a_400() {
    let (app, _orders, token) = edge().await;
    for path in [
        "/v1/items/00000000-0000-7000-8000-000000000000",
        "/v1/items/x",
    ] {
        let answer = app.get(path, None).await.expect(StatusCode::NOT_FOUND);
        assert_eq!(answer.code(), "not_found");
    }
    for path in [
        "/v1/orders/00000000-0000-7000-8000-000000000000",
        "/v1/accounts/00000000-0000-7000-8000-000000000000",
    ] {
        get(&app, path, &token, &[])
            .await
            .expect(StatusCode::NOT_FOUND);
    }
    for (path, pointer) in [
        ("/v1/items?limit=0", "limit"),
        ("/v1/items?limit=101", "limit"),
        ("/v1/items?cursor=made-up", "cursor"),
        ("/v1/items?sort=colour", "sort"),
        ("/v1/items?currency=XXX", "currency"),
        ("/v1/items?colour=red", "colour"),
        ("/v1/orders?state=lost", "state"),
        ("/v1/orders?limit=1000", "limit"),
        ("/v1/accounts?cursor=made-up", "cursor"),
    ] {
        let answer = get(&app, path, &token, &[])
            .await
            .expect(StatusCode::BAD_REQUEST);
        assert_eq!(answer.pointers(), [pointer], "{path}");
    }
}

#[tokio::test]
async fn own_orders_are_read_live_and_tagged() {
    let (app, orders, token) = edge().await;
    let page = get(&app, "/v1/orders?state=paid", &token, &[])
        .await
        .expect(StatusCode::OK);
    assert_eq!(page.json()["items"][0]["id"], ORDER);
    assert_eq!(page.json()["next_cursor"], Value::Null);
    let etag = page.header("etag").unwrap();
    get(
        &app,
        "/v1/orders?state=paid",
        &token,
        &[("if-none-match", &etag)],
    )
    .await
    .expect(StatusCode::NOT_MODIFIED);
    assert_eq!(orders.count("list_orders"), 2);
    let order = get(&app, &format!("/v1/orders/{ORDER}"), &token, &[])
        .await
        .expect(StatusCode::OK);
    assert_eq!(order.json()["total"]["amount"], "10.00");
    app.get("/v1/orders", None)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn while_orders_is_down_its_resources_are_503_with_a_time_to_come_back() {
    let (app, mut orders, token) = edge().await;
    orders.kill();
    let answer = get(&app, "/v1/orders", &token, &[])
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "unavailable");
    assert!(
        answer
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    orders.restart();
    orders.will(Behaviour::AnswerAfter(Duration::from_secs(5)));
    let answer = get(&app, "/v1/orders", &token, &[("x-deadline-ms", "200")]).await;
    assert_eq!(
        answer.expect(StatusCode::GATEWAY_TIMEOUT).code(),
        "deadline_exceeded"
    );
}

#[tokio::test]
async fn own_accounts_come_in_pages() {
    let (app, _orders, token) = edge().await;
    let empty = get(&app, "/v1/accounts", &token, &[])
        .await
        .expect(StatusCode::OK)
        .json();
    assert_eq!(empty, json!({ "items": [], "next_cursor": null }));
    let mut db = app.superuser().await;
    for currency in ["EUR", "GBP", "USD"] {
        sqlx::query(
            "INSERT INTO accounts (id, kind, user_id, currency, minor_units, created_at, updated_at)
             SELECT $1, 'user', id, $2, 2, now(), now() FROM users",
        )
        .bind(platform::clock::Clock::new_id(&app.clock))
        .bind(currency)
        .execute(&mut db)
        .await
        .unwrap();
    }
    let path = "/v1/accounts?limit=2";
    let accounts = app.pages(path, &token).await;
    let mut seen: Vec<_> = accounts
        .iter()
        .map(|account| account["balance"]["currency"].as_str().unwrap())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, ["EUR", "GBP", "USD"]);
    let first = get(&app, path, &token, &[]).await.json();
    let path = format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap());

    let bob = app.signed_in("bob@example.com").await.access;
    let answer = get(&app, &path, &bob, &[])
        .await
        .expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.pointers(), ["cursor"], "someone else's cursor");
}
