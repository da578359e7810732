use std::{
    fs::{self, File},
    net::TcpListener,
    process::{Child, Command},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{
    eventually,
    process::{children, is_alive, record},
};
use crate::config::{ServerUrl, environment};

/// The script that runs a private server; `make up` and `make test` use it too.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/local/server");

/// How long a server has to accept connections, or to be gone.
const LIMIT: Duration = Duration::from_secs(30);

/// How often that is looked at.
const STEP: Duration = Duration::from_millis(10);

/// A server of one test's own, which the test may stop, kill and start again.
/// It ends with the test. Tests that do nothing to their server share the one
/// of [`postgres_url`](super::postgres_url) and its like.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    port: u16,
    process: Option<Child>,
    directory: TempDir,
    /// The port of the server that it copies.
    replica_of: Option<u16>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Postgres,
    Redis,
    Nats,
}

impl Server {
    /// A PostgreSQL that accepts connections.
    ///
    /// # Panics
    /// When it can't be started, as all of these.
    pub async fn postgres() -> Self {
        Self::start(Kind::Postgres, None).await
    }

    /// A PostgreSQL that follows this one, and can only be read from.
    pub async fn replica(&self) -> Self {
        Self::start(Kind::Postgres, Some(self.port)).await
    }

    /// A Redis that accepts connections, and forgets everything when it ends.
    pub async fn redis() -> Self {
        Self::start(Kind::Redis, None).await
    }

    /// A NATS server with JetStream that accepts connections.
    pub async fn nats() -> Self {
        Self::start(Kind::Nats, None).await
    }

    /// Where it listens; PostgreSQL's is the superuser's.
    #[must_use]
    pub fn url(&self) -> ServerUrl {
        let port = self.port;
        let url = match self.kind {
            Kind::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            Kind::Redis => format!("redis://127.0.0.1:{port}"),
            Kind::Nats => format!("nats://127.0.0.1:{port}"),
        };
        url.parse().expect("a well-formed URL")
    }

    /// Hangs the server (SIGSTOP): it accepts connections and answers nothing.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a hung server go on.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets Redis put off all commands (`ALL`), or those that write (`WRITE`),
    /// for so long.
    ///
    /// # Panics
    /// When it isn't a Redis, or doesn't answer.
    pub async fn pause_clients(&self, pause: Duration, what: &str) {
        let pause = format!("CLIENT PAUSE {} {what}\r\n", pause.as_millis());
        assert!(
            says(self.port, pause.as_bytes(), b"+OK").await,
            "{}",
            self.log()
        );
    }

    /// Ends the server at once (SIGKILL), as a power failure would.
    ///
    /// # Panics
    /// When it doesn't end.
    pub async fn kill(&mut self) {
        let Some(killed) = self.kill_now() else {
            return;
        };
        eventually("the server is gone", async || !killed.iter().any(is_alive)).await;
    }

    /// Starts the server again on its port with its directory, killing it
    /// first when it runs, and waits until it accepts connections.
    ///
    /// # Panics
    /// When it can't be started.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.process = Some(self.spawn());
        assert!(self.accepts().await, "{}", self.log());
    }

    async fn start(kind: Kind, replica_of: Option<u16>) -> Self {
        // `make test` ends what a crashed test left behind in its directory.
        let parent = environment()
            .remove("TEST_DIR")
            .map_or_else(std::env::temp_dir, Into::into);
        let mut server = Self {
            kind,
            port: 0,
            process: None,
            directory: tempfile::Builder::new()
                .prefix("server-")
                .tempdir_in(parent)
                .expect("a directory"),
            replica_of,
        };
        // Something else may take a free port before the server does.
        for _ in 0..5 {
            server.port = free_port();
            server.process = Some(server.spawn());
            if server.accepts().await {
                return server;
            }
        }
        panic!("{}", server.log());
    }

    fn spawn(&self) -> Child {
        let log = File::create(self.directory.path().join("log")).expect("a log file");
        let kind = match self.kind {
            Kind::Postgres => "postgres",
            Kind::Redis => "redis",
            Kind::Nats => "nats",
        };
        let process = Command::new(SCRIPT)
            .arg(kind)
            .arg(self.directory.path())
            .arg(self.port.to_string())
            .envs(self.replica_of.map(|port| ("REPLICA_OF", port.to_string())))
            .stdout(log.try_clone().expect("one more handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{SCRIPT}: {error}"));
        record(Pid::from_child(&process), self.directory.path());
        process
    }

    /// Waits for the first answer. False when the process ended instead.
    async fn accepts(&mut self) -> bool {
        let end = tokio::time::Instant::now() + LIMIT;
        while !self.answers().await {
            let process = self.process.as_mut().expect("it was started");
            if process.try_wait().expect("its own child").is_some() {
                self.process = None;
                return false;
            }
            let late = tokio::time::Instant::now() >= end;
            assert!(!late, "no answer within {LIMIT:?}: {}", self.log());
            tokio::time::sleep(STEP).await;
        }
        true
    }

    async fn answers(&self) -> bool {
        let url = self.url();
        let attempt = async {
            match self.kind {
                Kind::Postgres => PgConnection::connect(url.expose().as_str()).await.is_ok(),
                // Both say who they are: one when asked, one by itself.
                Kind::Redis => says(self.port, b"PING\r\n", b"+PONG").await,
                Kind::Nats => says(self.port, b"", b"INFO ").await,
            }
        };
        tokio::time::timeout(Duration::from_secs(1), attempt)
            .await
            .unwrap_or(false)
    }

    fn signal(&self, signal: Signal) {
        let server = Pid::from_child(self.process.as_ref().expect("the server runs"));
        kill_process(server, signal).expect("its own child");
        for child in children(server) {
            // It may have ended since it was found.
            let _ = kill_process(child, signal);
        }
    }

    /// Returns the processes that were killed, or none when nothing runs.
    fn kill_now(&mut self) -> Option<Vec<Pid>> {
        let mut process = self.process.take()?;
        let server = Pid::from_child(&process);
        // A stopped server makes no more children while they are looked for.
        let _ = kill_process(server, Signal::STOP);
        let mut killed = children(server);
        killed.push(server);
        for pid in &killed {
            let _ = kill_process(*pid, Signal::KILL);
        }
        process.wait().expect("its own child");
        Some(killed)
    }

    /// What it has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        format!("{:?} on port {}: {log}", self.kind, self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// A port that nothing listens on, below those that the kernel hands out to
/// outgoing connections: a client that keeps trying a dead server's port would
/// in the end be connected to itself.
pub(super) fn free_port() -> u16 {
    (0..200)
        .map(|_| 20_000 + (uuid::Uuid::new_v4().as_u128() % 12_000) as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of 12,000 ports is free")
}

async fn says(port: u16, question: &[u8], answer: &[u8]) -> bool {
    let attempt = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, question).await?;
        let mut start = vec![0; answer.len()];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start == answer)
    };
    attempt.await.unwrap_or(false)
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
