//! Reads through the whole edge.

use std::time::Duration;

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    helpers::{Answer, TestApp},
    orders_stub::{Behaviour, ITEM, ORDER, OrdersStub},
};

/// An edge before a stub, and someone signed in.
async fn edge() -> (TestApp, OrdersStub, String) {
    let orders = OrdersStub::start();
    let url = orders.url();
    let app = TestApp::with(|settings| {
        settings.orders.url = url;
        settings.orders.hedge = false;
    })
    .await;
    let tokens = app.signed_in("ann@example.com").await;
    (app, orders, tokens.access)
}

async fn get(app: &TestApp, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.request(Method::GET, path).bearer_auth(token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn home_goes_out_with_a_tag_and_is_asked_for_again_by_it() {
    let (app, _orders, token) = edge().await;
    let first = get(&app, "/v1/screens/home", &token, &[])
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        first.header("content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(
        first.header("cache-control").as_deref(),
        Some("private, no-cache")
    );
    assert_eq!(first.json()["complete"], true);
    let etag = first.header("etag").unwrap();
    let again = get(
        &app,
        "/v1/screens/home",
        &token,
        &[("if-none-match", &etag)],
    )
    .await;
    let again = again.expect(StatusCode::NOT_MODIFIED);
    assert_eq!(again.header("etag"), Some(etag));
    assert!(again.bytes.is_empty());
}

#[tokio::test]
async fn home_without_orders_is_a_200_that_nobody_keeps() {
    let (app, orders, token) = edge().await;
    orders.will(Behaviour::Hang);
    let answer = get(
        &app,
        "/v1/screens/home",
        &token,
        &[("x-deadline-ms", "400")],
    )
    .await;
    let answer = answer.expect(StatusCode::OK);
    assert_eq!(
        answer.json()["parts"]["orders"]["code"],
        "deadline_exceeded"
    );
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(answer.header("etag"), None);
}

#[tokio::test]
async fn home_without_the_profile_is_a_problem() {
    let (app, _orders, token) = edge().await;
    let mut locker = app.superuser().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        .execute(&mut locker)
        .await
        .unwrap();
    let answer = get(
        &app,
        "/v1/screens/home",
        &token,
        &[("x-deadline-ms", "300")],
    )
    .await;
    assert_eq!(
        answer.expect(StatusCode::GATEWAY_TIMEOUT).code(),
        "deadline_exceeded"
    );
}

#[tokio::test]
async fn home_needs_someone_and_takes_no_nonsense() {
    let (app, _orders, token) = edge().await;
    app.get("/v1/screens/home", None)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    for (path, deadline, pointer) in [
        ("/v1/screens/home?parts=orders,x", "100", "parts"),
        ("/v1/screens/home?part=orders", "100", "part"),
        ("/v1/screens/home", "soon", "X-Deadline-Ms"),
        ("/v1/screens/home", "-1", "X-Deadline-Ms"),
    ] {
        let answer = get(&app, path, &token, &[("x-deadline-ms", deadline)]).await;
        assert_eq!(
            answer.expect(StatusCode::BAD_REQUEST).pointers(),
            [pointer],
            "{path}"
        );
    }
    let none = get(
        &app,
        "/v1/screens/home?parts=orders",
        &token,
        &[("x-deadline-ms", "0")],
    )
    .await;
    let part = &none.expect(StatusCode::OK).json()["parts"]["orders"];
    assert_eq!(part["code"], "deadline_exceeded", "no time at all: {part}");
}

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
    assert_eq!(orders.count("get_item"), 1);
    app.get(&format!("{path}?currency=EUR"), None)
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        orders.count("get_item"),
        2,
        "another currency is another answer"
    );

    for _ in 0..2 {
        let page = app
            .get("/v1/items?query=drum&limit=5", None)
            .await
            .expect(StatusCode::OK)
            .json();
        assert_eq!(page["items"][0]["id"], ITEM);
        assert_eq!(page["next_cursor"], "next");
    }
    assert_eq!(orders.count("list_items"), 1);
    app.get("/v1/items?query=tin&limit=5", None)
        .await
        .expect(StatusCode::OK);
    assert_eq!(orders.count("list_items"), 2);
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
    let mut seen = Vec::new();
    let mut path = "/v1/accounts?limit=2".to_owned();
    loop {
        let page = get(&app, &path, &token, &[])
            .await
            .expect(StatusCode::OK)
            .json();
        let currencies = page["items"].as_array().unwrap().iter();
        seen.extend(
            currencies.map(|account| account["balance"]["currency"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/accounts?limit=2&cursor={cursor}");
    }
    seen.sort();
    assert_eq!(seen, ["EUR", "GBP", "USD"]);

    let bob = app.signed_in("bob@example.com").await.access;
    let answer = get(&app, &path, &bob, &[])
        .await
        .expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.pointers(), ["cursor"], "someone else's cursor");
}

#[tokio::test]
async fn a_hop_by_hop_credential_never_travels_on() {
    let (app, orders, token) = edge().await;
    let headers = [
        ("cookie", "a=b"),
        ("x-user-id", "1"),
        ("x-request-id", "req-1"),
    ];
    get(&app, "/v1/orders", &token, &headers)
        .await
        .expect(StatusCode::OK);
    let call = &orders.calls("list_orders")[0];
    assert_eq!(call.header("x-request-id"), Some("req-1"));
    assert_eq!(call.header("cookie"), None);
    assert_eq!(call.header("x-user-id"), None);
    let sent = call.header(header::AUTHORIZATION.as_str()).unwrap();
    assert!(!sent.contains(&token), "the client's token stays here");
}
