//! What the home screen is when all is well.

use std::time::Duration;

use bff::{
    cache::Invalidate,
    identity::token::{ISSUER, ORDERS},
    screens::{Ask, home::HOME},
    upstream::{CallError, Trail},
};
use http::HeaderValue;
use platform::clock::Clock as _;
use serde_json::json;

use super::stage::{Stage, read};
use crate::orders_stub::{Behaviour, ITEM, ORDER};

#[tokio::test]
async fn home_is_one_payload_from_both_stores() {
    let stage = Stage::new().await;
    let payload = stage.home().await.unwrap();
    let home = read(&payload);
    assert_eq!(home["complete"], true);
    for part in ["profile", "accounts", "orders", "recommendations"] {
        let expected = json!({ "status": "ok", "source": "live", "age_ms": 0 });
        assert_eq!(home["parts"][part], expected, "{part}");
    }
    let data = &home["data"];
    assert_eq!(data["profile"]["id"], stage.caller.user_id.to_string());
    assert_eq!(data["profile"]["full_name"], "Ann Lee");
    let zero = json!({ "amount": "0.00", "currency": "USD" });
    assert_eq!(data["accounts"][0]["available"], zero);
    assert_eq!(data["orders"][0]["id"], ORDER);
    assert_eq!(data["orders"][0]["state"], "paid");
    assert_eq!(
        data["orders"][0]["total"],
        json!({ "amount": "10.00", "currency": "USD" })
    );
    assert_eq!(data["orders"][0]["created_at"], "2023-11-14T22:13:20.120Z");
    assert_eq!(data["recommendations"][0]["id"], ITEM);
}

#[tokio::test]
async fn the_same_data_has_the_same_tag_wherever_it_came_from() {
    let stage = Stage::new().await;
    let live = stage.home().await.unwrap();
    let l1 = stage.home().await.unwrap();
    assert_eq!(read(&l1)["parts"]["orders"]["source"], "l1");
    assert_eq!(live.etag, l1.etag);
    assert!(live.etag.is_some());
    let l2 = super::cached::from_l2(&stage).await;
    assert_eq!(read(&l2)["parts"]["orders"]["source"], "l2");
    assert_eq!(live.etag, l2.etag);

    let mut db = stage.superuser().await;
    sqlx::query("UPDATE users SET full_name = 'Ann Smith' WHERE id = $1")
        .bind(stage.caller.user_id)
        .execute(&mut db)
        .await
        .unwrap();
    let user = Invalidate::User(stage.caller.user_id);
    stage.cache.invalidate(user).await;
    let changed = stage.home().await.unwrap();
    assert_eq!(read(&changed)["data"]["profile"]["full_name"], "Ann Smith");
    assert_ne!(live.etag, changed.etag);
}

#[tokio::test]
async fn ages_are_told_to_a_tenth_of_a_second() {
    let stage = Stage::new().await;
    stage.home().await.unwrap();
    let age = async || {
        read(&stage.home().await.unwrap())["parts"]["profile"]["age_ms"]
            .as_u64()
            .unwrap()
    };
    let first = age().await;
    stage.advance(5);
    let later = age().await;
    assert!((4_900..6_500).contains(&(later - first)), "{first} {later}");
}

#[tokio::test]
async fn parts_that_werent_asked_for_are_left_out_and_not_fetched() {
    let stage = Stage::new().await;
    let show = async |parts: &str| {
        let ask = Ask {
            parts: Some(parts.to_owned()),
            ..Ask::default()
        };
        stage.screens.show(&HOME, &stage.caller, &ask).await
    };
    let payload = show("orders,profile").await.unwrap();
    let home = read(&payload);
    assert_eq!(home["parts"]["accounts"], json!({ "status": "omitted" }));
    assert_eq!(home["data"]["accounts"], json!(null));
    assert_eq!(home["parts"]["orders"]["status"], "ok");
    assert_eq!(home["complete"], true);
    assert_eq!(stage.orders.count("list_recommendations"), 0);
    // Another selection is another thing.
    let whole = stage.home().await.unwrap();
    assert!(payload.etag.is_some() && payload.etag != whole.etag);

    for unknown in ["", "order", "orders,", "orders,nothing", "Profile"] {
        let Err(CallError::Invalid(violations)) = show(unknown).await else {
            panic!("{unknown:?} was taken")
        };
        assert_eq!(violations[0].field, "parts");
    }
}

#[tokio::test]
async fn a_call_carries_what_is_left_of_the_time_and_whose_it_is() {
    let stage = Stage::new().await;
    let ask = Ask {
        limit: Some(Duration::from_millis(500)),
        trail: Trail {
            request_id: Some(HeaderValue::from_static("req-7")),
            traceparent: Some(HeaderValue::from_static(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )),
        },
        ..Ask::default()
    };
    stage
        .screens
        .show(&HOME, &stage.caller, &ask)
        .await
        .unwrap();
    let call = &stage.orders.calls("list_orders")[0];
    let timeout = call.timeout();
    // 50 ms are kept back; some have passed.
    let sensible = Duration::from_millis(250)..=Duration::from_millis(450);
    assert!(sensible.contains(&timeout), "{timeout:?}");
    assert_eq!(call.header("x-request-id"), Some("req-7"));
    assert!(
        call.header("traceparent")
            .unwrap()
            .starts_with("00-0af7651916cd43dd8448eb211c80319c-")
    );
    let token = call
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    let keys = stage.tokens.keys().verifying();
    let claims = keys
        .verify(token, ISSUER, ORDERS, stage.clock.now())
        .unwrap();
    assert_eq!(claims.sub, stage.caller.user_id);

    let stage = Stage::new().await;
    stage.home().await.unwrap();
    let timeout = stage.orders.calls("list_orders")[0].timeout();
    // The part's cap, some of which has passed.
    let sensible = Duration::from_millis(500)..=Duration::from_millis(800);
    assert!(sensible.contains(&timeout), "{timeout:?}");
}

#[tokio::test]
async fn five_hundred_at_once_make_one_call_each_part() {
    let stage = Stage::new().await;
    // Connections are there; what they brought is old.
    stage.home().await.unwrap();
    let user = Invalidate::User(stage.caller.user_id);
    stage.cache.invalidate(user).await;
    stage
        .orders
        .will(Behaviour::AnswerAfter(Duration::from_millis(100)));
    let shown = (0..500).map(|_| {
        let (screens, caller) = (stage.screens.clone(), stage.caller);
        tokio::spawn(async move { screens.show(&HOME, &caller, &Ask::default()).await })
    });
    for payload in futures::future::join_all(shown).await {
        let payload = payload.unwrap().unwrap();
        assert!(payload.etag.is_some(), "{}", read(&payload)["parts"]);
    }
    assert_eq!(stage.orders.count("list_orders"), 2);
    assert_eq!(stage.orders.count("list_recommendations"), 2);
}

#[tokio::test]
async fn a_first_client_that_leaves_fails_nobody_and_the_last_one_stops_the_work() {
    let stage = Stage::new().await;
    stage
        .orders
        .will(Behaviour::AnswerAfter(Duration::from_millis(300)));
    let show = || {
        let (screens, caller) = (stage.screens.clone(), stage.caller);
        tokio::spawn(async move { screens.show(&HOME, &caller, &Ask::default()).await })
    };
    let leader = show();
    crate::helpers::eventually("the call", async || {
        (stage.orders.in_flight() == 2).then_some(())
    })
    .await;
    let follower = show();
    tokio::task::yield_now().await;
    leader.abort();
    assert!(follower.await.unwrap().unwrap().etag.is_some());
    assert_eq!(stage.orders.count("list_orders"), 1);

    let stage = Stage::new().await;
    stage.orders.will(Behaviour::Hang);
    let (screens, caller) = (stage.screens.clone(), stage.caller);
    let alone = tokio::spawn(async move { screens.show(&HOME, &caller, &Ask::default()).await });
    crate::helpers::eventually("the call", async || {
        (stage.orders.in_flight() == 2).then_some(())
    })
    .await;
    let left = std::time::Instant::now();
    alone.abort();
    crate::helpers::eventually("the end", async || {
        (stage.orders.in_flight() == 0).then_some(())
    })
    .await;
    assert!(
        left.elapsed() < Duration::from_millis(400),
        "not by its own time limit: {:?}",
        left.elapsed()
    );
}

#[tokio::test]
async fn metrics_tell_how_parts_and_calls_came_out() {
    let stage = Stage::new().await;
    stage.home().await.unwrap();
    stage.home().await.unwrap();
    let metrics = platform::telemetry::metrics_handle().render();
    for series in [
        r#"part_requests_total{screen="home",part="orders",status="ok",source="live"}"#,
        r#"part_requests_total{screen="home",part="orders",status="ok",source="l1"}"#,
        r#"part_duration_seconds_count{screen="home",part="profile",source="live"}"#,
        r#"upstream_attempts_total{upstream="orders",method="list_orders",kind="first"}"#,
        r#"upstream_request_duration_seconds_count{upstream="accounts",method="profile",outcome="ok"}"#,
        r#"upstream_breaker_state{upstream="orders",method="list_orders"}"#,
        r#"upstream_in_flight{upstream="redis",method="cache"}"#,
        r#"cache_requests_total{tier="l1",outcome="hit"}"#,
        r#"cache_requests_total{tier="l2",outcome="miss"}"#,
        r#"cache_bytes{tier="l1"}"#,
    ] {
        assert!(metrics.contains(series), "{series}");
    }
}

#[test]
fn the_document_names_every_part() {
    use bff::screens::home::{HomeData, HomeParts};
    use utoipa::PartialSchema;

    fn fields(schema: impl serde::Serialize) -> Vec<String> {
        let schema = serde_json::to_value(schema).unwrap();
        let mut names: Vec<_> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        names.sort();
        names
    }
    let mut names: Vec<_> = HOME.names().map(str::to_owned).collect();
    names.sort();
    assert_eq!(fields(HomeData::schema()), names);
    assert_eq!(fields(HomeParts::schema()), names);
}
