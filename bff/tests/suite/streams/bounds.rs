use std::time::Duration;

use http::{Method, StatusCode};
use platform::{
    config::{Millis, Seconds},
    telemetry::metrics_handle,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use super::{Listener, app};
use crate::helpers::{Answer, TestApp, eventually};

/// Streams of this process that ended because nobody read them in time.
fn too_slow() -> usize {
    let metrics = metrics_handle().render();
    let ended = r#"event_streams_ended_total{reason="too_slow"} "#;
    let count = metrics.lines().find_map(|line| line.strip_prefix(ended));
    count.map_or(0, |count| count.parse().unwrap())
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
        let request = app.request(Method::GET, "/v1/events").bearer_auth(&bob);
        (request.send().await.unwrap().status() == StatusCode::OK).then_some(())
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
    assert_eq!(stream.end().await, "renew");
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
    let before = too_slow();
    let app = TestApp::with(|settings| {
        settings.streams.heartbeat_s = Seconds(1);
        settings.streams.waiting = 4;
        settings.streams.max_per_user = 2;
        settings.http.write_timeout_ms = Millis(500);
    })
    .await;
    let ann = app.signed_in("ann@example.com").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1_024).unwrap();
    let address = app.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut idle = socket.connect(address).await.unwrap();
    let head = format!(
        "GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        ann.access
    );
    idle.write_all(head.as_bytes()).await.unwrap();
    let mut reads = Listener::open(&app, &ann.access, None).await;
    reads.in_step().await;

    // More than fits between here and there.
    let user = app.get("/v1/me", Some(&ann.access)).await.json()["id"].take();
    let nats = async_nats::connect(app.settings.nats.url.expose().as_str())
        .await
        .unwrap();
    let subject = "evt.accounts.user.updated.v1";
    let published = format!("{}.{subject}", app.settings.nats.prefix);
    let payload = serde_json::json!({ "user_id": user }).to_string();
    let ids: Vec<uuid::Uuid> = (0..20_000).map(uuid::Uuid::from_u128).collect();
    let publish = async {
        for id in &ids {
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
    };
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
            if count == ids.len() {
                break;
            }
        }
        (count, left)
    };
    let ((count, left), ()) = tokio::join!(read, publish);
    assert_eq!(count, ids.len(), "nothing is lost to who reads");
    assert!(too_slow() - before > left, "one more ended: the other one");
    // The other one's connection is gone, with an unread rest in it.
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(super::CAP, idle.read_to_end(&mut rest)).await;
    let _ = closed.expect("the connection is closed");
    let told = String::from_utf8_lossy(&rest)
        .matches("event: user.updated")
        .count();
    assert!(told < ids.len(), "{told}");
}
