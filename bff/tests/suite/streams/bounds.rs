use std::time::Duration;

use http::{Method, StatusCode};
use platform::{
    config::{Millis, Seconds},
    telemetry::metrics_handle,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use uuid::Uuid;

use super::{Listener, app};
use crate::helpers::{Answer, TestApp, eventually};

/// More events than fit between here and there.
const MANY: usize = 20_000;

/// Streams of this process that ended for this reason.
fn ended(reason: &str) -> usize {
    let metrics = metrics_handle().render();
    let ended = format!(r#"event_streams_ended_total{{reason="{reason}"}} "#);
    let count = metrics.lines().find_map(|line| line.strip_prefix(&ended));
    count.map_or(0, |count| count.parse().unwrap())
}

/// A stream with little room on the way, of which nothing is read yet.
async fn idle(app: &TestApp, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1_024).unwrap();
    let address = app.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut idle = socket.connect(address).await.unwrap();
    let head = format!(
        "GET /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    idle.write_all(head.as_bytes()).await.unwrap();
    idle
}

/// Tells of many changes of whom the token is of.
async fn change_often(app: &TestApp, token: &str) {
    let user = app.get("/v1/me", Some(token)).await.json()["id"].take();
    let nats = async_nats::connect(app.settings.nats.url.expose().as_str())
        .await
        .unwrap();
    let subject = "evt.accounts.user.updated.v1";
    let published = format!("{}.{subject}", app.settings.nats.prefix);
    let payload = serde_json::json!({ "user_id": user }).to_string();
    for id in (0..MANY as u128).map(Uuid::from_u128) {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("ce-id", id.to_string());
        headers.insert("ce-subject", user.as_str().unwrap());
        headers.insert("ce-time", "2026-01-01T00:00:00Z");
        let payload = payload.clone().into();
        nats.publish_with_headers(published.clone(), headers, payload)
            .await
            .unwrap();
    }
    nats.flush().await.unwrap();
}

/// Whether there is room for one more stream of this user's.
async fn room(app: &TestApp, token: &str) -> bool {
    let request = app.request(Method::GET, "/v1/events").bearer_auth(token);
    request.send().await.unwrap().status() == StatusCode::OK
}

async fn refusal(app: &TestApp, token: &str) -> Answer {
    Answer::of(app.request(Method::GET, "/v1/events").bearer_auth(token)).await
}

#[tokio::test]
async fn a_user_and_a_replica_have_so_many_streams_and_room_again_when_one_closes() {
    let app = TestApp::with(|settings| {
        settings.streams.max_per_user = 2;
        settings.streams.max = 3;
    })
    .await;
    let ann = app.signed_in("ann@example.com").await.access;
    let bob = app.signed_in("bob@example.com").await.access;
    let _first = Listener::open(&app, &ann, None).await;
    let second = Listener::open(&app, &ann, None).await;
    let third = refusal(&app, &ann)
        .await
        .expect(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.code(), "rate_limited");
    assert!(third.header("retry-after").is_some());
    let _of_bob = Listener::open(&app, &bob, None).await;
    let one_more = refusal(&app, &bob)
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(one_more.code(), "overloaded");
    assert!(one_more.header("retry-after").is_some());
    drop(second);
    eventually("there is room again", async || {
        room(&app, &bob).await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_quiet_stream_shows_that_it_is_there_and_ends_after_a_while() {
    let app = TestApp::with(|settings| {
        settings.streams.heartbeat_s = Seconds(1);
        settings.streams.max_age_s = Seconds(4);
    })
    .await;
    let ann = app.signed_in("ann@example.com").await.access;
    let mut stream = Listener::open(&app, &ann, None).await;
    stream.in_step().await;
    let beat = stream.block().await.unwrap();
    assert_eq!((beat.event, beat.data), (None, None));
    let before = ended("renew");
    assert_eq!(stream.end().await, "renew");
    assert_eq!(ended("renew"), before + 1);
}

#[tokio::test]
async fn a_replica_that_stops_ends_its_streams_at_once() {
    let app = app().await;
    let ann = app.signed_in("ann@example.com").await.access;
    let mut stream = Listener::open(&app, &ann, None).await;
    app.lifetime.stop();
    assert_eq!(stream.end().await, "going_away");
    assert!(app.lifetime.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn who_does_not_read_is_left_and_holds_nobody_up() {
    let before = ended("too_slow");
    let app = TestApp::with(|settings| {
        settings.streams.heartbeat_s = Seconds(1);
        settings.streams.waiting = 4;
        settings.streams.max_per_user = 2;
        settings.http.write_timeout_ms = Millis(500);
    })
    .await;
    let ann = app.signed_in("ann@example.com").await;
    let mut idle = idle(&app, &ann.access).await;
    let mut reads = Listener::open(&app, &ann.access, None).await;
    reads.in_step().await;

    let read = async {
        let (mut count, mut left) = (0, 0);
        while let Some((event, data)) = reads.next().await {
            // It may be left too, when it can't keep up: then it comes back.
            if event == "end" {
                assert_eq!(data["reason"], "too_slow");
                left += 1;
                let last = reads.last.clone();
                reads = Listener::open(&app, &ann.access, last.as_deref()).await;
                continue;
            }
            count += 1;
            if count == MANY {
                break;
            }
        }
        (count, left)
    };
    let ((count, left), ()) = tokio::join!(read, change_often(&app, &ann.access));
    assert_eq!(count, MANY, "nothing is lost to who reads");
    assert!(
        ended("too_slow") - before > left,
        "one more ended: the other one"
    );
    // The other one's connection is gone, with an unread rest in it.
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(super::CAP, idle.read_to_end(&mut rest)).await;
    let _ = closed.expect("the connection is closed");
    let told = String::from_utf8_lossy(&rest)
        .matches("event: user.updated")
        .count();
    assert!(told < MANY, "{told}");
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_so_at_the_end() {
    let app = TestApp::with(|settings| {
        settings.streams.heartbeat_s = Seconds(1);
        settings.streams.waiting = 4;
        settings.streams.max_per_user = 1;
    })
    .await;
    let ann = app.signed_in("ann@example.com").await.access;
    let bob = app.signed_in("bob@example.com").await.access;
    Listener::open(&app, &bob, None).await.in_step().await;
    let mut slow = idle(&app, &ann).await;
    let mut status = [0; 15];
    slow.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    change_often(&app, &ann).await;
    eventually("its place is free", async || {
        room(&app, &ann).await.then_some(())
    })
    .await;
    // Now it reads on.
    let mut text = String::new();
    let read = tokio::time::timeout(super::CAP, slow.read_to_string(&mut text)).await;
    read.expect("the stream ends").unwrap();
    let told = text.matches("event: user.updated").count();
    assert!(0 < told && told < MANY, "{told}");
    let (_, end) = text.rsplit_once("event: ").unwrap();
    assert!(
        end.starts_with("end\ndata: {\"reason\":\"too_slow\"}\n\n"),
        "{end}"
    );
}
