//! A dependency that is gone, hung or restarted: what still works works, what
//! doesn't says so, and everything heals without a restart of ours.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use http::{Method, StatusCode};
use platform::testing::{Fault, Proxy, Server};
use serde_json::json;

use crate::{
    helpers::{Answer, PASSWORD, TestApp, accounts_database_on, eventually, metric},
    life::house::House,
    orders_stub::OrdersStub,
    program::Program,
};

async fn on_redis(redis: &Server) -> TestApp {
    let url = redis.url();
    TestApp::with(|settings| {
        settings.redis.url = url;
        settings.redis.response_timeout_ms = platform::config::Millis(250);
    })
    .await
}

async fn assert_fails_closed(app: &TestApp, cookie: &str, refresh: &str) {
    for answer in [
        app.login("ann@example.com").await,
        app.ask("bob@example.com", "registration", None).await,
        app.refresh(refresh).await,
    ] {
        let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.code(), "unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    let request = app.request(Method::GET, "/v1/me").header("cookie", cookie);
    let answer = Answer::of(request)
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.header("set-cookie").is_none(), "the cookie stays");
}

#[tokio::test]
async fn without_redis_sign_in_fails_closed_and_tokens_go_on() {
    let mut redis = Server::redis().await;
    let app = on_redis(&redis).await;
    let tokens = app.signed_in("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    redis.kill().await;
    // What was seen of the cookie within the last second still counts.
    app.advance(chrono::TimeDelta::seconds(2));
    assert_fails_closed(&app, &cookie, &tokens.refresh).await;
    app.get("/v1/me", Some(&tokens.access))
        .await
        .expect(StatusCode::OK);
    redis.restart().await;
    eventually("sign-in heals", async || {
        (app.login("ann@example.com").await.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hung_redis_is_the_same_as_none() {
    let redis = Server::redis().await;
    let app = on_redis(&redis).await;
    let tokens = app.signed_in("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    redis.stop();
    app.advance(chrono::TimeDelta::seconds(2));
    assert_fails_closed(&app, &cookie, &tokens.refresh).await;
    app.get("/v1/me", Some(&tokens.access))
        .await
        .expect(StatusCode::OK);
    redis.cont();
    eventually("sign-in heals", async || {
        (app.login("ann@example.com").await.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_restarted_postgres_heals_under_load() {
    let mut postgres = Server::postgres().await;
    let accounts = accounts_database_on(postgres.url()).await;
    let app = TestApp::with_accounts(accounts, |_| {}).await;
    let tokens = app.signed_in("ann@example.com").await;
    let stop = AtomicBool::new(false);
    let statuses = async {
        let mut seen = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let asked = (0..8).map(|_| app.get("/v1/me", Some(&tokens.access)));
            seen.extend(
                join_all(asked)
                    .await
                    .into_iter()
                    .map(|answer| answer.status),
            );
        }
        seen
    };
    let restart = async {
        postgres.kill().await;
        let away = app.get("/v1/me", Some(&tokens.access)).await;
        assert_eq!(
            away.expect(StatusCode::SERVICE_UNAVAILABLE).code(),
            "unavailable"
        );
        postgres.restart().await;
        eventually("reads heal", async || {
            (app.get("/v1/me", Some(&tokens.access)).await.status == StatusCode::OK).then_some(())
        })
        .await;
        eventually("writes heal", async || {
            (app.login("ann@example.com").await.status == StatusCode::OK).then_some(())
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    let (seen, ()) = tokio::join!(statuses, restart);
    let odd = seen
        .iter()
        .find(|status| !matches!(status.as_u16(), 200 | 503 | 504));
    assert_eq!(odd, None);
    assert!(seen.contains(&StatusCode::OK));
}

#[tokio::test]
async fn without_nats_people_register_and_their_mail_leaves_when_it_is_back_once() {
    let mut nats = Server::nats().await;
    let url = nats.url();
    nats.kill().await;
    let app = TestApp::with(|settings| settings.nats.url = url).await;
    let worker = app.worker().await;
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    app.signed_in("bob@example.com").await;
    assert!(worker.recipients().await.is_empty());
    nats.restart().await;
    let code = worker.code_for("ann@example.com").await;
    app.register("ann@example.com", &code)
        .await
        .expect(StatusCode::CREATED);
    let mut db = app.superuser().await;
    eventually("the outbox is empty", async || {
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM outbox WHERE published_at IS NULL")
                .fetch_one(&mut db)
                .await
                .unwrap();
        (left == 0).then_some(())
    })
    .await;
    assert_eq!(worker.recipients().await, ["ann@example.com"]);
}

#[tokio::test]
async fn operators_see_which_circuits_are_open() {
    let mut orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    let token = app.signed_in("ann@example.com").await.access;
    let circuits = async || app.readyz().await["circuits"].clone();
    let gauge = || metric(r#"upstream_breaker_state{upstream="orders",method="list_orders"}"#);
    let ask = async || app.get("/v1/orders", Some(&token)).await.status;

    assert_eq!(ask().await, StatusCode::OK);
    assert_eq!(circuits().await["orders.list_orders"], "closed");
    assert_eq!(gauge(), 0.0);
    orders.kill();
    for _ in 0..7 {
        assert_eq!(ask().await, StatusCode::SERVICE_UNAVAILABLE);
    }
    let open = circuits().await;
    assert_eq!(open["orders.list_orders"], "open");
    assert_eq!(gauge(), 2.0);
    assert_eq!(open["orders.get_item"], "closed", "each method has its own");
    assert_eq!(open["accounts.profile"], "closed");

    orders.restart();
    eventually("orders are found again", async || {
        app.advance(chrono::TimeDelta::seconds(2));
        (ask().await == StatusCode::OK).then_some(())
    })
    .await;
    assert_eq!(circuits().await["orders.list_orders"], "closed");
    assert_eq!(gauge(), 0.0);
}

#[tokio::test]
async fn everything_may_be_absent_at_the_start_and_heals() {
    // Another replica, for which everything is there: its tokens are good here too.
    let house = House::new().await;
    let ann = house.person("ann").await;
    let settings = &house.app.settings;
    let mut command = house.app.command(&["serve"]);
    let ways = [
        ("POSTGRES", &settings.postgres.url),
        ("REDIS", &settings.redis.url),
        ("NATS", &settings.nats.url),
        ("ORDERS", &settings.orders.url),
    ]
    .map(|(name, server)| {
        let way = Proxy::before(server);
        way.set(Fault::Refuse);
        command.env(format!("BFF_{name}__URL"), way.url().expose().as_str());
        way
    });
    let program = Program::run(&house.app, command).await;
    let home = || {
        let request = program.request(Method::GET, "/v1/screens/home");
        Answer::of(request.bearer_auth(&ann.tokens.access))
    };
    let login = || {
        let body = json!({ "identifier": ann.email, "password": PASSWORD });
        Answer::of(program.request(Method::POST, "/v1/auth/login").json(&body))
    };
    // How each of them is. Whatever is down, the process may take traffic.
    let dependencies = async || {
        let readyz = program.operations("/readyz").await.expect(StatusCode::OK);
        let readyz = readyz.json();
        assert_eq!(readyz["status"], "ready");
        let all = ["events", "nats", "orders", "postgres", "redis"];
        all.map(|name| readyz["dependencies"][name]["status"].clone())
    };

    program.operations("/livez").await.expect(StatusCode::OK);
    assert_eq!(dependencies().await, ["down"; 5]);
    for answer in [home().await, login().await] {
        let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.code(), "unavailable");
        assert!(answer.header("retry-after").is_some());
    }

    ways.iter().for_each(Proxy::heal);
    eventually("all are up", async || dependencies().await == ["up"; 5]).await;
    eventually("home is whole", async || {
        let home = home().await;
        home.status == StatusCode::OK && home.json()["complete"] == true
    })
    .await;
    eventually("sign-in heals", async || {
        login().await.status == StatusCode::OK
    })
    .await;
}
