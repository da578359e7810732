//! Answers that come before the request has: whoever reads only once everything is
//! sent reads them as well.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::helpers::TestApp;

const MEGABYTE: usize = 1 << 20;

/// A connection of somebody who waits for nothing meanwhile.
fn connect(app: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

fn head(request: &str, more: &str) -> String {
    format!("{request} HTTP/1.1\r\nhost: edge\r\ncontent-type: application/json\r\n{more}\r\n")
}

/// Sends all of it, and only then looks at the answer.
async fn send_then_read(app: &TestApp, request: String, body: Vec<u8>) -> String {
    let mut stream = connect(app);
    let talk = move || {
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

fn is_last(answer: &str) -> bool {
    answer.contains("\r\nconnection: close\r\n")
}

#[tokio::test]
async fn whoever_sends_too_much_reads_that_it_is_too_much() {
    let app = TestApp::start().await;
    for (request, status) in [
        ("POST /v1/auth/login", 413),
        ("POST /v1/nothing", 404),
        ("POST /v1/auth/logout-all", 401),
        ("POST /v1/me", 405),
    ] {
        let length = format!("content-length: {}\r\n", 5 * MEGABYTE);
        let body = vec![b' '; 5 * MEGABYTE];
        let answer = send_then_read(&app, head(request, &length), body).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{request}: {answer}");
        assert!(is_last(&answer), "{request}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[tokio::test]
async fn a_short_body_that_nobody_wanted_costs_no_connection() {
    let app = TestApp::start().await;
    let body = " ".repeat(60_000);
    let length = format!("content-length: {}\r\n", body.len());
    let first = head("POST /v1/nothing", &length) + &body;
    let second = head("GET /v1/nothing", "connection: close\r\n");
    let answers = send_then_read(&app, first, second.into_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 404 ").count(), 2, "{answers}");
    let first = answers.split("HTTP/1.1 404 ").nth(1).unwrap();
    assert!(!is_last(first), "{answers}");
}

#[tokio::test]
async fn nobody_can_send_for_ever_for_nothing() {
    let app = TestApp::start().await;
    for encoding in [
        "transfer-encoding: chunked\r\n",
        "content-length: 9999999999\r\n",
    ] {
        let mut stream = connect(&app);
        let request = head("POST /v1/nothing", encoding);
        let talk = move || {
            stream.write_all(request.as_bytes()).unwrap();
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(1 << 16));
            // Some of it is with the kernel only.
            (0..1_000).position(|_| stream.write_all(chunk.as_bytes()).is_err())
        };
        let cut = tokio::task::spawn_blocking(talk).await.unwrap();
        assert!(cut.is_some(), "64 MB were taken");
    }
}

#[tokio::test]
async fn whoever_waits_for_the_word_to_send_gets_the_answer_alone_and_at_once() {
    let app = TestApp::start().await;
    // Whoever then sends something else must not have it taken for a short body.
    for length in [100, MEGABYTE] {
        let more = format!("content-length: {length}\r\nexpect: 100-continue\r\n");
        let began = Instant::now();
        let answer = send_then_read(&app, head("POST /v1/nothing", &more), Vec::new()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(is_last(&answer), "{answer}");
        // Nothing comes that could be waited for.
        let took = began.elapsed();
        assert!(took < Duration::from_millis(800), "{took:?}");
    }
}

#[tokio::test]
async fn whoever_was_told_to_send_and_sends_too_much_reads_that_it_is_too_much() {
    let app = TestApp::start().await;
    let length = 5 * MEGABYTE;
    let more = format!("content-length: {length}\r\nexpect: 100-continue\r\n");
    let mut stream = connect(&app);
    let talk = move || {
        const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";
        stream
            .write_all(head("POST /v1/auth/login", &more).as_bytes())
            .unwrap();
        let mut told = [0; GO_ON.len()];
        stream.read_exact(&mut told).unwrap();
        assert_eq!(told, GO_ON.as_bytes());
        stream.write_all(&vec![b' '; length]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = tokio::task::spawn_blocking(talk).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(is_last(&answer), "{answer}");
}
