//! Connections, before and beside what is asked over them.

use std::time::{Duration, Instant};

use http::{StatusCode, Version};
use platform::config::Millis;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::helpers::{TestApp, eventually};

/// Generous beside what an edge under test is told.
const SOON: Duration = Duration::from_secs(10);

async fn connect(app: &TestApp) -> TcpStream {
    let address = app.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Says some of it, and the rest once that was looked at.
async fn in_two(app: &TestApp, text: &str, first: usize) -> TcpStream {
    let mut stream = connect(app).await;
    stream.set_nodelay(true).unwrap();
    let (first, rest) = text.split_at(first);
    stream.write_all(first.as_bytes()).await.unwrap();
    // Answered after it, and over another connection, which was taken after it.
    app.get("/problems", None).await.expect(StatusCode::OK);
    stream.write_all(rest.as_bytes()).await.unwrap();
    stream
}

async fn with_patience_for_heads(ms: u64) -> TestApp {
    TestApp::with(|settings| settings.http.header_timeout_ms = Millis(ms)).await
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_on_one_port() {
    let app = TestApp::start().await;
    let url = format!("{}/problems", app.url);
    #[expect(clippy::disallowed_methods, reason = "the test's own clients")]
    let builder = reqwest::Client::builder;
    for (client, version) in [
        (builder().http1_only(), Version::HTTP_11),
        (builder().http2_prior_knowledge(), Version::HTTP_2),
    ] {
        let answer = client.build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.version(), version);
    }
}

#[tokio::test]
async fn who_says_nothing_or_stops_halfway_is_hung_up_on() {
    let app = with_patience_for_heads(200).await;
    for said in [
        "",
        "PR",
        "PRI",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r",
        "GET /problems HTTP/1.1\r\nhost: ",
    ] {
        let mut stream = connect(&app).await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let ended = timeout(SOON, stream.read_to_end(&mut heard)).await;
        // The end, or a reset where something was left unread.
        let _ = ended.unwrap_or_else(|_| panic!("{said:?} is waited for"));
        assert!(!heard.starts_with(b"HTTP/1.1 2"), "{said:?}");
    }
}

#[tokio::test]
async fn who_goes_on_asking_is_waited_for_anew_each_time() {
    const PATIENCE: u64 = 1_000;
    let app = with_patience_for_heads(PATIENCE).await;
    let mut stream = connect(&app).await;
    let (began, longer) = (Instant::now(), Duration::from_millis(2 * PATIENCE));
    let request = b"HEAD /problems HTTP/1.1\r\nhost: x\r\n\r\n";
    while began.elapsed() < longer {
        stream.write_all(request).await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "the end");
        }
        assert!(heard.starts_with(b"HTTP/1.1 200 "));
        sleep(Duration::from_millis(PATIENCE / 4)).await;
    }
    // And then as if it were the first time.
    stream.write_all(&request[..8]).await.unwrap();
    let mut heard = Vec::new();
    let ended = timeout(SOON, stream.read_to_end(&mut heard)).await;
    let _ = ended.expect("the rest is waited for");
    assert_eq!(heard, b"");
}

#[tokio::test]
async fn who_hangs_up_without_a_word_or_after_some_leaves_the_place_to_others() {
    let app = TestApp::with(|settings| {
        settings.http.max_connections = 1;
        settings.http.header_timeout_ms = Millis(60_000);
    })
    .await;
    for said in ["", "P", "PRI * HTTP/2.0"] {
        for _ in 0..3 {
            let mut stream = connect(&app).await;
            // A place is there as soon as whoever had it before is seen to have gone.
            stream.write_all(said.as_bytes()).await.unwrap();
            drop(stream);
        }
        eventually("others have their turn", async || {
            let mut stream = connect(&app).await;
            let request = b"GET /problems HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            let mut heard = Vec::new();
            stream.write_all(request).await.is_ok()
                && stream.read_to_end(&mut heard).await.is_ok()
                && heard.starts_with(b"HTTP/1.1 200")
        })
        .await;
    }
}

#[tokio::test]
async fn whatever_comes_first_of_it_a_version_is_recognised_by_the_whole() {
    let app = TestApp::start().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // No settings, as the frame that has to follow; hyper's own come first, too.
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let post = "POST /problems HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n";
    for first in 1..preface.len() {
        let mut stream = in_two(&app, preface, first).await;
        stream.write_all(&settings).await.unwrap();
        let mut heard = [0; 4];
        stream.read_exact(&mut heard[..]).await.unwrap();
        assert_eq!(heard[3], 4, "settings after {first} bytes: {heard:?}");
    }
    for (request, status) in [
        (post.to_owned(), 405),
        (post.replace("POST", "PUT"), 405),
        (post.replace("POST", "PATCH"), 405),
        // The longest beginnings that may be either.
        (post.replace("POST", "PROPFIND"), 405),
        (post.replace("POST", "PRI"), 405),
    ] {
        for first in 1..4 {
            let mut stream = in_two(&app, &request, first).await;
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.unwrap();
            let expected = format!("HTTP/1.1 {status} ");
            assert!(heard.starts_with(&expected), "{request} {first}: {heard}");
        }
    }
}

#[tokio::test]
async fn who_sends_its_preface_in_drops_has_no_more_time_for_all_of_them() {
    const PATIENCE: Duration = Duration::from_millis(400);
    let app = with_patience_for_heads(400).await;
    let mut stream = connect(&app).await;
    stream.set_nodelay(true).unwrap();
    // Three times as long as there is patience, and none of them is late by itself.
    let drops = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r".bytes();
    let pause = PATIENCE * 3 / drops.len() as u32;
    for drop in drops {
        let said = stream.write_all(&[drop]).await;
        let heard = timeout(pause, stream.read_u8()).await;
        if said.is_err() || matches!(heard, Ok(Err(_))) {
            return;
        }
    }
    panic!("it is waited for each of them");
}

#[tokio::test]
async fn who_says_nothing_does_not_hold_up_the_end() {
    let app = with_patience_for_heads(60_000).await;
    let _silent = connect(&app).await;
    // Connections are taken in their order.
    app.get("/problems", None).await.expect(StatusCode::OK);
    app.lifetime.stop();
    assert!(app.lifetime.finish(SOON).await);
}
