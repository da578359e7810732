//! Ends in the middle of something: the program's and its clients'.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    helpers::{Answer, TestApp, eventually},
    orders_stub::{Behaviour, OrdersStub},
    program::Program,
};

/// The calls for a request end this soon after its client left, and not at their own
/// limit, which is a second.
const SOON: Duration = Duration::from_millis(400);

/// What the end takes at most beside the two settings: 0.5 s for what is on its way,
/// 5 s for what runs in the background, 2 s for the last words. As they come, 2 s and
/// 20 s, the sum stays below the 30 s that are left before SIGKILL.
const AROUND: Duration = Duration::from_millis(7_500);

#[tokio::test]
async fn at_sigterm_readyz_turns_off_nothing_in_flight_fails_and_the_exit_code_is_0() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    let token = app.signed_in("ann@example.com").await.access;
    let mut command = app.command(&["serve"]);
    command
        .env("BFF_HTTP__DRAIN_DELAY_MS", "1000")
        .env("BFF_SCREENS__READ_MS", "10000")
        .env("BFF_LIMITS__READ__PER_MINUTE", "1000000")
        .env("BFF_LIMITS__READ__BURST", "100000");
    let mut program = Program::run(&app, command).await;
    let get = async |path: &str| {
        let request = program.request(Method::GET, path).bearer_auth(&token);
        Answer::of(request).await.expect(StatusCode::OK)
    };
    let address = program.url.strip_prefix("http://").unwrap().to_owned();
    let readyz = async || program.operations("/readyz").await;
    readyz().await.expect(StatusCode::OK);

    let answered = AtomicUsize::new(0);
    // Clients that keep their connections, as browsers and balancers do, and go
    // elsewhere when they are asked to.
    let client = async || {
        while get("/v1/me").await.header("connection").as_deref() != Some("close") {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    // Long after nobody new is let in, and connections in use are all that is left.
    orders.will(Behaviour::AnswerAfter(Duration::from_secs(4)));
    let end = async {
        eventually("a call", async || orders.in_flight() == 1).await;
        program.terminate();
        eventually("/readyz turns off", async || {
            let answer = readyz().await;
            answer.status == StatusCode::SERVICE_UNAVAILABLE
                && answer.json()["status"] == "draining"
        })
        .await;
        // Who hasn't heard of it yet is served as well.
        get("/v1/me").await;
        let closed = async || TcpStream::connect(&address).await.is_err();
        eventually("nobody new is let in", closed).await;
        assert_eq!(orders.in_flight(), 1);
    };
    let slow_and_end = async {
        eventually("load", async || answered.load(Ordering::Relaxed) > 200).await;
        tokio::join!(get("/v1/orders"), end);
    };
    tokio::join!(join_all((0..8).map(|_| client())), slow_and_end);
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_request_that_never_ends_holds_up_the_exit_for_as_long_as_is_set_and_no_longer() {
    let app = TestApp::start().await;
    let mut command = app.command(&["serve"]);
    command
        .env("BFF_HTTP__DRAIN_DELAY_MS", "200")
        .env("BFF_HTTP__DRAIN_LIMIT_MS", "1000")
        .env("BFF_HTTP__BODY_TIMEOUT_MS", "60000")
        .env("BFF_HTTP__REQUEST_TIMEOUT_MS", "60000");
    let settings = Duration::from_millis(1_200);
    let mut program = Program::run(&app, command).await;
    let address = program.url.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 100\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    // The word of a handler that waits for the rest.
    let mut heard = [0; 25];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"HTTP/1.1 100 Continue\r\n\r\n");

    let told = Instant::now();
    program.terminate();
    assert_eq!(program.ended().await.code(), Some(0));
    let took = told.elapsed();
    assert!(took >= settings, "{took:?}");
    assert!(took <= settings + AROUND, "{took:?}");
}

#[tokio::test]
async fn a_client_that_leaves_counts_as_499_and_the_call_for_it_ends() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    let token = app.signed_in("ann@example.com").await.access;
    let program = Program::start(&app).await;
    orders.will(Behaviour::Hang);
    let request = program
        .request(Method::GET, "/v1/orders")
        .bearer_auth(&token);
    let client = tokio::spawn(request.send());
    eventually("the call", async || orders.in_flight() == 1).await;
    let left = Instant::now();
    client.abort();
    eventually("the end of the call", async || orders.in_flight() == 0).await;
    let took = left.elapsed();
    assert!(took < SOON, "{took:?}");

    let counted = r#"http_requests_total{route="/v1/orders",method="GET",status="499"} 1"#;
    eventually("the count", async || {
        program.metrics().await.lines().any(|line| line == counted)
    })
    .await;
    let is_error =
        |line: &str| line.starts_with("http_requests_total") && line.contains(r#"status="5"#);
    assert!(!program.metrics().await.lines().any(is_error));
}
