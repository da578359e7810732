//! `bff` itself, as a process of its own on the stores of a [`TestApp`].

use std::{
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use http::Method;
use platform::testing::terminate;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr},
    time::timeout,
};

use crate::helpers::{Answer, TestApp};

/// Generous beside what beginning and ending take.
pub const LIMIT: Duration = Duration::from_secs(20);

impl TestApp {
    /// `bff` with these arguments, unstarted, on this edge's stores.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let settings = &self.settings;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bff"));
        command.args(arguments).env_clear();
        for (name, value) in [
            ("ENVIRONMENT", "development"),
            ("HTTP__LISTEN", "127.0.0.1:0"),
            ("HTTP__ALLOWED_ORIGINS", "https://app.example"),
            ("OPS__LISTEN", "127.0.0.1:0"),
            ("POSTGRES__URL", settings.postgres.url.expose().as_str()),
            ("POSTGRES__MAX_CONNECTIONS", "8"),
            ("REDIS__URL", settings.redis.url.expose().as_str()),
            ("REDIS__PREFIX", &settings.redis.prefix),
            ("NATS__URL", settings.nats.url.expose().as_str()),
            ("NATS__PREFIX", &settings.nats.prefix),
            ("ORDERS__URL", settings.orders.url.expose().as_str()),
            (
                "TOKENS__KEYS_FILE",
                settings.tokens.keys_file.to_str().expect("text"),
            ),
            ("PASSWORDS__MEMORY_KIB", "64"),
            ("PASSWORDS__ITERATIONS", "1"),
            ("LIMITS__AUTH__PER_MINUTE", "1000000"),
            ("LIMITS__AUTH__BURST", "100000"),
            ("LIMITS__WRITE__PER_MINUTE", "1000000"),
            ("LIMITS__WRITE__BURST", "100000"),
            ("TELEMETRY__LOG_FORMAT", "json"),
        ] {
            command.env(format!("BFF_{name}"), value);
        }
        command
    }
}

/// The lines that a program writes.
pub type Log = Lines<BufReader<ChildStderr>>;

/// A running `bff serve`.
pub struct Program {
    pub url: String,
    /// Where it tells of itself.
    operations: String,
    client: reqwest::Client,
    child: Child,
}

impl Program {
    /// Starts one, and waits until it listens.
    pub async fn start(app: &TestApp) -> Self {
        Self::run(app, app.command(&["serve"])).await
    }

    /// Starts one that was prepared by [`TestApp::command`]. Whatever it says is read.
    pub async fn run(app: &TestApp, command: Command) -> Self {
        let (program, mut log) = Self::unread(app, command).await;
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        program
    }

    /// The same, with its log, of which nothing is read from here on.
    pub async fn unread(app: &TestApp, command: Command) -> (Self, Log) {
        let mut child = tokio::process::Command::from(command)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut listening = async |which: &str| {
            loop {
                let line = lines.next_line().await.unwrap().expect("it runs");
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["message"] == which {
                    return format!("http://{}", line["address"].as_str().unwrap());
                }
            }
        };
        let listening = async {
            let operations = listening("operations listener").await;
            (operations, listening("public listener").await)
        };
        let (operations, url) = timeout(LIMIT, listening).await.unwrap();
        let program = Self {
            url,
            operations,
            client: app.client.clone(),
            child,
        };
        (program, lines)
    }

    /// Ends it as a power failure would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        terminate(self.child.id().unwrap());
    }

    /// How it ended, once it has.
    pub async fn ended(&mut self) -> ExitStatus {
        timeout(LIMIT, self.child.wait()).await.unwrap().unwrap()
    }

    /// What its operations listener has at `path`.
    pub async fn operations(&self, path: &str) -> Answer {
        Answer::of(self.client.get(format!("{}{path}", self.operations))).await
    }

    /// What it tells Prometheus.
    pub async fn metrics(&self) -> String {
        String::from_utf8(self.operations("/metrics").await.bytes).unwrap()
    }

    /// A request, unsent.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }
}
