//! More requests at once than the edge takes on.

use std::{sync::atomic::Ordering, time::Duration};

use futures::future::join_all;
use http::{Method, StatusCode};
use platform::config::Millis;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    helpers::{Answer, TestApp, eventually},
    orders_stub::{Behaviour, OrdersStub},
    program::Program,
};

/// An edge for so many requests at once, that waits for their bodies.
async fn with_room_for(count: usize) -> TestApp {
    TestApp::with(|settings| {
        settings.http.max_in_flight = count;
        settings.http.body_timeout_ms = Millis(60_000);
        settings.http.request_timeout_ms = Millis(60_000);
    })
    .await
}

/// Requests whose bodies never come: each is in flight until it is dropped.
async fn hold(app: &TestApp, count: usize) -> Vec<TcpStream> {
    let address = app.url.strip_prefix("http://").unwrap();
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /v1/auth/login HTTP/1.1\r\nhost: edge\r\n\
                    content-type: application/json\r\ncontent-length: 2\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        held.push(stream);
    }
    held
}

fn assert_overloaded(answer: Answer) {
    let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "overloaded");
    assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
}

#[tokio::test]
async fn what_matters_least_is_refused_first() {
    let app = with_room_for(10).await;
    let token = app.signed_in("ann@example.com").await.access;
    let user = Some(token.as_str());
    let signed_out = async || app.get("/problems", None).await;
    let read = async || app.get("/v1/me", user).await;
    let write = async || app.post("/v1/auth/login", None, &json!({})).await;
    let overloaded = app.state.readiness.overloaded();
    let is_refused =
        |answer: Answer| (answer.status == StatusCode::SERVICE_UNAVAILABLE).then_some(answer);

    let mut held = hold(&app, 7).await;
    assert_overloaded(eventually("seven in flight", async || is_refused(signed_out().await)).await);
    read().await.expect(StatusCode::OK);
    let prefetch = app.request(http::Method::GET, "/v1/me").bearer_auth(&token);
    assert_overloaded(Answer::of(prefetch.header("sec-purpose", "prefetch")).await);

    held.extend(hold(&app, 2).await);
    assert_overloaded(eventually("nine in flight", async || is_refused(read().await)).await);
    write().await.expect(StatusCode::BAD_REQUEST);
    assert!(!overloaded.load(Ordering::SeqCst));

    held.extend(hold(&app, 1).await);
    assert_overloaded(eventually("ten in flight", async || is_refused(write().await)).await);
    assert!(overloaded.load(Ordering::SeqCst));

    drop(held);
    let recovered = async || (!overloaded.load(Ordering::SeqCst)).then_some(());
    eventually("the end of the overload", recovered).await;
    signed_out().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_can_read_the_refusal() {
    let app = with_room_for(1).await;
    let _held = hold(&app, 1).await;
    let refused = async || {
        let request = app.request(http::Method::GET, "/problems");
        let answer = Answer::of(request.header("origin", "https://app.example")).await;
        (answer.status == StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    };
    let answer = eventually("one in flight", refused).await;
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin.as_deref(), Some("https://app.example"));
    assert_overloaded(answer);
}

/// Whoever asks for orders in a busy hour.
async fn ask_for_orders(program: &Program, token: &str) -> StatusCode {
    let request = program
        .request(Method::GET, "/v1/orders")
        .bearer_auth(token);
    Answer::of(request).await.status
}

#[tokio::test]
async fn fewer_are_let_in_while_requests_take_longer_and_more_again_afterwards() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    let token = app.signed_in("ann@example.com").await.access;
    let mut command = app.command(&["serve"]);
    command
        .env("BFF_LIMITS__READ__PER_MINUTE", "1000000")
        .env("BFF_LIMITS__READ__BURST", "100000")
        // What is slow is no failure here.
        .env("BFF_ORDERS__BREAKER__MIN_CALLS", "1000000")
        .env("BFF_ORDERS__BREAKER__CONSECUTIVE_FAILURES", "1000000");
    let program = Program::run(&app, command).await;
    let limit = async || {
        let metrics = program.metrics().await;
        let mut gauges = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("http_requests_limit "));
        gauges.next().expect("the gauge").parse::<f64>().unwrap()
    };
    // What quiet times are like.
    for _ in 0..100 {
        assert_eq!(ask_for_orders(&program, &token).await, StatusCode::OK);
    }
    let usual = limit().await;

    orders.will(Behaviour::AnswerAfter(Duration::from_millis(200)));
    eventually("fewer are let in", async || {
        let busy = (0..200).map(|_| ask_for_orders(&program, &token));
        join_all(busy).await;
        limit().await < usual / 2.0
    })
    .await;

    orders.will(Behaviour::Answer);
    eventually("as many as before are let in", async || {
        for _ in 0..20 {
            ask_for_orders(&program, &token).await;
        }
        limit().await >= usual
    })
    .await;
}
