//! `GET /v1/events`: what happens to a user, told as it happens.

mod bounds;
mod resuming;
mod telling;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::helpers::TestApp;

/// What isn't told by then isn't going to be.
const CAP: Duration = Duration::from_secs(20);

/// One block of a stream, as `EventSource` reads it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: Option<Value>,
}

/// A client of one stream.
pub struct Listener {
    response: reqwest::Response,
    text: String,
    /// The id of the last event, as the client would send it.
    pub last: Option<String>,
}

impl Listener {
    /// Opens a stream, after the event `last`.
    pub async fn open(app: &TestApp, token: &str, last: Option<&str>) -> Self {
        let mut request = app.request(Method::GET, "/v1/events").bearer_auth(token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut listener = Self::of(request).await;
        // The stream says at once that it is there.
        assert_eq!(listener.block().await, Some(Told::default()));
        listener
    }

    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-cache");
        assert_eq!(header("x-accel-buffering"), "no");
        Self {
            response,
            text: String::new(),
            last: None,
        }
    }

    /// The next block, heartbeats included; `None` at the end.
    pub async fn block(&mut self) -> Option<Told> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let told = read(block);
                self.text = rest.to_owned();
                self.last = told.id.clone().or(self.last.take());
                return Some(told);
            }
            let chunk = timeout(CAP, self.response.chunk()).await;
            let chunk = chunk.expect("told in time").expect("the stream goes on")?;
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The next event: its name and its data.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Told {
                event: Some(event),
                data: Some(data),
                ..
            } = self.block().await?
            {
                return Some((event, data));
            }
        }
    }

    /// The next event of this name; those before it are passed over.
    pub async fn until(&mut self, name: &str) -> Value {
        loop {
            let (event, data) = self.next().await.expect("the stream goes on");
            if event == name {
                return data;
            }
        }
    }

    /// The reason of the end, whatever is told before it.
    pub async fn end(&mut self) -> String {
        let data = self.until("end").await;
        assert_eq!(self.block().await, None, "nothing comes after the end");
        data["reason"].as_str().unwrap().to_owned()
    }

    /// Waits until the replica knows where the streams of both stores are.
    pub async fn in_step(&mut self) {
        while self.last.is_none() {
            self.block().await.expect("the stream goes on");
        }
    }
}

fn read(block: &str) -> Told {
    let mut told = Told::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => told.id = Some(id.into()),
            Some(("event", event)) => told.event = Some(event.into()),
            Some(("data", data)) => told.data = Some(serde_json::from_str(data).unwrap()),
            _ => assert!(
                line.starts_with("retry:") || line.starts_with(':'),
                "{line}"
            ),
        }
    }
    told
}

/// An edge whose quiet streams say so every second.
pub async fn app() -> TestApp {
    TestApp::with(|settings| {
        settings.streams.heartbeat_s = platform::config::Seconds(1);
    })
    .await
}
