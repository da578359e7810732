//! `bff worker`, as it runs in production.

use std::{net::TcpListener, process::Stdio, time::Duration};

use platform::testing::{Server, terminate};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::helpers::{TestApp, accounts_database_on, eventually};

/// The worker on the stores of a [`TestApp`].
struct Worker {
    url: String,
    client: reqwest::Client,
    child: Child,
}

impl Worker {
    async fn start(app: &TestApp, variables: &[(&str, &str)]) -> Self {
        let address = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().to_string()
        };
        let settings = &app.settings;
        let child = Command::new(env!("CARGO_BIN_EXE_bff"))
            .arg("worker")
            .env_clear()
            .env("BFF_ENVIRONMENT", "development")
            .env("BFF_WORKER__LISTEN", &address)
            .env("BFF_POSTGRES__URL", settings.postgres.url.expose().as_str())
            .env("BFF_REDIS__URL", settings.redis.url.expose().as_str())
            .env("BFF_NATS__URL", settings.nats.url.expose().as_str())
            .env("BFF_NATS__PREFIX", &settings.nats.prefix)
            .env("BFF_TELEMETRY__LOG_FILTER", "off")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let worker = Self {
            url: format!("http://{address}"),
            client: app.client.clone(),
            child,
        };
        eventually("the worker runs", async || {
            let alive = worker.client.get(format!("{}/livez", worker.url));
            alive.send().await.ok()
        })
        .await;
        worker
    }

    async fn metrics(&self) -> String {
        let metrics = self.client.get(format!("{}/metrics", self.url));
        metrics.send().await.unwrap().text().await.unwrap()
    }
}

#[tokio::test]
async fn a_worker_that_is_asked_to_end_does_so_although_the_database_hangs() {
    let server = Server::postgres().await;
    let accounts = accounts_database_on(server.url()).await;
    let app = TestApp::with_accounts(accounts, |_| {}).await;
    let mut worker = Worker::start(&app, &[]).await;
    eventually("the worker works", async || {
        let metrics = worker.metrics().await;
        metrics
            .contains("ledger_reconciled_at_seconds")
            .then_some(())
    })
    .await;
    server.stop();
    // Long enough for it to have asked something.
    eventually("the database is away", async || {
        let ready = worker.client.get(format!("{}/readyz", worker.url));
        let ready = ready.send().await.unwrap().text().await.unwrap();
        ready.contains("\"status\":\"down\"").then_some(())
    })
    .await;
    terminate(worker.child.id().unwrap());
    let ended = timeout(Duration::from_secs(20), worker.child.wait()).await;
    assert!(ended.expect("it ends").unwrap().success());
}

#[tokio::test]
async fn the_books_are_checked_again_and_again_and_drift_is_shown() {
    let app = TestApp::start().await;
    let worker = Worker::start(&app, &[("BFF_LEDGER__RECONCILE_EVERY_S", "1")]).await;
    let shows = async |line: &str| {
        eventually(line, async || {
            let metrics = worker.metrics().await;
            metrics.lines().any(|shown| shown == line).then_some(())
        })
        .await;
    };
    shows("ledger_drift{rule=\"world\"} 0").await;
    let change = async |balance: i32| {
        let sql = format!(
            "SET session_replication_role = replica;
             UPDATE accounts SET balance = {balance}, version = abs({balance}) WHERE kind = 'world' AND currency = 'USD'"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut app.superuser().await)
            .await
            .unwrap();
    };
    change(-5).await;
    shows("ledger_drift{rule=\"world\"} 1").await;
    shows("ledger_drift{rule=\"balance\"} 1").await;
    change(0).await;
    shows("ledger_drift{rule=\"world\"} 0").await;
}
