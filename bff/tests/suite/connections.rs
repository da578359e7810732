//! Connections, before and beside what is asked over them.

use std::time::Duration;

use http::{StatusCode, Version};
use platform::config::Millis;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::helpers::TestApp;

/// Generous beside what an edge under test is told.
const SOON: Duration = Duration::from_secs(10);

async fn connect(app: &TestApp) -> TcpStream {
    let address = app.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
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
    for said in ["", "PR", "PRI", "GET /problems HTTP/1.1\r\nhost: "] {
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
async fn who_says_nothing_does_not_hold_up_the_end() {
    let app = with_patience_for_heads(60_000).await;
    let _silent = connect(&app).await;
    // Connections are taken in their order.
    app.get("/problems", None).await.expect(StatusCode::OK);
    app.lifetime.stop();
    assert!(app.lifetime.finish(SOON).await);
}
