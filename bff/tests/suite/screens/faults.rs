//! What the home screen is when something behind it is down.

use std::time::{Duration, Instant};

use bff::{
    screens::{Ask, home::HOME},
    upstream::{AccountsSettings, CallError},
};
use platform::{config::Millis, testing::Server};
use serde_json::json;
use tonic::Code;

use super::stage::{Settings, Stage, read, user};
use crate::{
    helpers::{eventually, within},
    orders_stub::{Behaviour, OrdersStub},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[tokio::test]
async fn home_is_there_within_its_budget_while_orders_hangs() {
    let stage = Stage::new().await;
    stage.orders.will(Behaviour::Hang);
    let began = Instant::now();
    let payload = stage.home().await.unwrap();
    let took = began.elapsed();
    assert!(took < MS(1_000), "{took:?}");
    let home = read(&payload);
    let missing = json!({ "status": "unavailable", "code": "deadline_exceeded", "retryable": true, "retry_after_ms": 2000 });
    assert_eq!(home["parts"]["orders"], missing);
    assert_eq!(home["parts"]["recommendations"], missing);
    assert_eq!(home["data"]["orders"], json!(null));
    assert_eq!(home["parts"]["profile"]["status"], "ok");
    assert_eq!(home["parts"]["accounts"]["status"], "ok");
    assert_eq!(home["complete"], false);
    assert_eq!(payload.etag, None, "an incomplete screen isn't for keeping");
    eventually("the calls end", async || {
        (stage.orders.in_flight() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_asks_for_less_gets_its_answer_sooner() {
    let stage = Stage::new().await;
    stage.orders.will(Behaviour::Hang);
    let began = Instant::now();
    let home = read(&stage.home_within(MS(300)).await.unwrap());
    assert!(began.elapsed() < MS(450), "{:?}", began.elapsed());
    assert_eq!(home["parts"]["orders"]["code"], "deadline_exceeded");
    assert_eq!(home["parts"]["profile"]["status"], "ok");
}

#[tokio::test]
async fn a_hung_service_is_left_alone_and_found_again_within_one_probe_period() {
    let limit = MS(250);
    let stage = Stage::with(|settings| {
        // Nothing is kept, so that every screen asks.
        settings.cache.enabled = false;
        settings.orders.breaker.probe_after_ms = Millis(30_000);
        settings.screens.home_ms = Millis(250);
    })
    .await;
    stage.orders.will(Behaviour::Hang);
    let orders = async || {
        let ask = Ask {
            parts: Some("orders".into()),
            ..Ask::default()
        };
        let shown = stage.screens.show(&HOME, &stage.caller, &ask).await;
        read(&shown.unwrap())["parts"]["orders"].clone()
    };
    for _ in 0..5 {
        assert_eq!(orders().await["code"], "deadline_exceeded");
    }
    let asked = stage.orders.count("list_orders");
    let began = Instant::now();
    for _ in 0..20 {
        let part = orders().await;
        assert_eq!(part["code"], "unavailable");
        assert!(part["retry_after_ms"].as_u64().unwrap() <= 36_000, "{part}");
    }
    let took = began.elapsed();
    assert!(took < limit, "20 in less than one took: {took:?}");
    assert_eq!(stage.orders.count("list_orders"), asked, "it isn't called");

    stage.orders.will(Behaviour::Answer);
    stage.advance(37);
    assert_eq!(orders().await["status"], "ok");
    assert_eq!(stage.orders.count("list_orders"), asked + 1);
}

#[tokio::test]
async fn a_service_that_was_killed_is_found_again_on_its_port() {
    let mut stage = Stage::with(|settings| settings.cache.enabled = false).await;
    assert!(stage.home().await.unwrap().etag.is_some());
    stage.orders.kill();
    let began = Instant::now();
    let home = read(&stage.home().await.unwrap());
    assert_eq!(home["parts"]["orders"]["code"], "unavailable");
    assert!(began.elapsed() < MS(900), "{:?}", began.elapsed());
    stage.orders.restart();
    eventually("orders are back", async || {
        stage.advance(2);
        stage.home().await.unwrap().etag
    })
    .await;
}

#[tokio::test]
async fn refusals_stay_themselves_and_failures_are_missing_parts() {
    let cases = [
        (
            Code::Unavailable,
            json!({ "status": "unavailable", "code": "unavailable", "retryable": true, "retry_after_ms": 2000 }),
        ),
        (
            Code::ResourceExhausted,
            json!({ "status": "unavailable", "code": "overloaded", "retryable": true, "retry_after_ms": 2000 }),
        ),
        (
            Code::Internal,
            json!({ "status": "unavailable", "code": "internal", "retryable": false }),
        ),
        // The token that it refused is the edge's own.
        (
            Code::Unauthenticated,
            json!({ "status": "unavailable", "code": "internal", "retryable": false }),
        ),
        (
            Code::PermissionDenied,
            json!({ "status": "denied", "code": "forbidden", "retryable": false }),
        ),
        (
            Code::NotFound,
            json!({ "status": "ok", "source": "live", "age_ms": 0 }),
        ),
    ];
    for (code, expected) in cases {
        let stage = Stage::new().await;
        stage.orders.will(Behaviour::Fail(code));
        let home = read(&stage.home().await.unwrap());
        assert_eq!(home["parts"]["orders"], expected, "{code:?}");
        assert_eq!(home["data"]["orders"], json!(null), "{code:?}");
        assert_eq!(home["complete"], code == Code::NotFound, "{code:?}");
        stage.orders.will(Behaviour::Answer);
        stage.advance(5);
        let home = read(&stage.home().await.unwrap());
        assert_eq!(
            home["parts"]["orders"]["status"], "ok",
            "no failure is kept: {code:?}"
        );
    }
}

#[tokio::test]
async fn without_a_required_part_there_is_no_screen_and_the_rest_is_given_up() {
    let mut stage = Stage::new().await;
    stage.orders.will(Behaviour::Hang);
    // Nobody: the profile is refused, as soon as it can be looked for.
    stage.caller.user_id = uuid::Uuid::from_u128(1);
    let lock = stage.lock_users().await;
    let refused = async {
        let made = async || stage.orders.in_flight() == 2;
        eventually("both calls are made", made).await;
        drop(lock);
        Instant::now()
    };
    let (home, began) = tokio::join!(stage.home(), refused);
    // On a busy machine it may have been waited for as long as it may take.
    let gone = matches!(
        home,
        Err(CallError::Unauthenticated | CallError::DeadlineExceeded)
    );
    assert!(gone, "{home:?}");
    assert!(began.elapsed() < MS(500), "{:?}", began.elapsed());
    // And not at their own limit, which is 800 ms.
    within(MS(400), "the calls end", async || {
        stage.orders.in_flight() == 0
    })
    .await;
}

#[tokio::test]
async fn a_profile_that_takes_too_long_is_a_504_and_one_that_cant_be_had_a_503() {
    let stage = Stage::new().await;
    let lock = stage.lock_users().await;
    assert!(matches!(
        stage.home_within(MS(300)).await,
        Err(CallError::DeadlineExceeded)
    ));
    drop(lock);
    assert!(stage.home().await.is_ok());

    let server = Server::postgres().await;
    let down = {
        let mut server = server;
        let url = server.url();
        server.kill().await;
        super::stage::reads(&AccountsSettings::default(), &url, &stage.clock)
    };
    let deadline = || bff::upstream::Deadline::within(MS(1_000));
    for _ in 0..5 {
        let outcome = user(&down, deadline(), stage.caller.user_id).await;
        assert!(
            matches!(outcome, Err(CallError::Unavailable { .. })),
            "{outcome:?}"
        );
    }
    let began = Instant::now();
    let outcome = user(&down, deadline(), stage.caller.user_id).await;
    assert!(
        matches!(outcome, Err(CallError::CircuitOpen { .. })),
        "{outcome:?}"
    );
    assert!(began.elapsed() < MS(50), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_hung_redis_costs_nothing_once_its_circuit_is_open() {
    let redis = Server::redis().await;
    let stage = Stage::with(|settings: &mut Settings| {
        settings.redis.url = redis.url();
        settings.cache.redis_limit_ms = Millis(300);
        settings.cache.redis_breaker.probe_after_ms = Millis(60_000);
    })
    .await;
    stage.home().await.unwrap();
    redis.stop();
    // Every user is new to the cache, and so asks Redis.
    let show = async || {
        let caller = stage.add_user().await;
        let began = Instant::now();
        let payload = stage
            .screens
            .show(&HOME, &caller, &Ask::default())
            .await
            .unwrap();
        assert!(payload.etag.is_some(), "live calls go on");
        began.elapsed()
    };
    // Four parts each: the circuit opens at the fifth failure.
    assert!(show().await >= MS(300));
    show().await;
    for _ in 0..10 {
        let took = show().await;
        assert!(took < MS(250), "no wait for Redis: {took:?}");
    }
    redis.cont();
}

#[tokio::test]
async fn without_redis_from_the_start_screens_are_whole() {
    let stage =
        Stage::with(|settings| settings.redis.url = "redis://127.0.0.1:1".parse().unwrap()).await;
    assert!(stage.home().await.unwrap().etag.is_some());
    assert_eq!(
        read(&stage.home().await.unwrap())["parts"]["profile"]["source"],
        "l1"
    );
}

#[tokio::test]
async fn orders_may_be_absent_at_the_start_and_are_found() {
    let mut orders = OrdersStub::start();
    orders.kill();
    let mut stage = Stage::with(|settings| {
        settings.orders.url = orders.url();
        settings.cache.enabled = false;
    })
    .await;
    assert_eq!(
        read(&stage.home().await.unwrap())["parts"]["orders"]["code"],
        "unavailable"
    );
    orders.restart();
    stage.orders = orders;
    eventually("orders are there", async || {
        stage.advance(2);
        stage.home().await.unwrap().etag
    })
    .await;
}
