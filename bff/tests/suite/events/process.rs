//! `bff worker`, as it runs in production.

use std::{net::TcpListener, process::Stdio, time::Duration};

use http::StatusCode;
use platform::testing::{Fault, Proxy, Server, terminate};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::helpers::{Answer, TestApp, accounts_database_on, eventually};

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

    /// What `/readyz` says: whatever is down, there is nothing to take out of service.
    async fn readyz(&self) -> Value {
        let ready = Answer::of(self.client.get(format!("{}/readyz", self.url))).await;
        ready.expect(StatusCode::OK).json()
    }
}

#[tokio::test]
async fn a_worker_starts_without_what_it_needs_says_so_and_works_once_it_is_there() {
    let app = TestApp::start().await;
    let settings = &app.settings;
    let ways = [
        &settings.postgres.url,
        &settings.redis.url,
        &settings.nats.url,
    ]
    .map(Proxy::before);
    ways.iter().for_each(|way| way.set(Fault::Refuse));
    let [postgres, redis, nats] = ways.each_ref().map(|way| way.url().expose().to_string());
    let variables = [
        ("BFF_POSTGRES__URL", &*postgres),
        ("BFF_REDIS__URL", &redis),
        ("BFF_NATS__URL", &nats),
    ];
    let worker = Worker::start(&app, &variables).await;
    let dependencies = async || {
        let readyz = worker.readyz().await;
        assert_eq!(readyz["circuits"], json!({ "redis.identity": "closed" }));
        let all = ["nats", "postgres", "redis"];
        all.map(|name| readyz["dependencies"][name]["status"].clone())
    };
    assert_eq!(dependencies().await, ["down"; 3]);

    let asked = app.ask("ann@example.com", "registration", None).await;
    asked.expect(StatusCode::ACCEPTED);
    ways.iter().for_each(Proxy::heal);
    eventually("all are up", async || dependencies().await == ["up"; 3]).await;
    let mut db = app.superuser().await;
    eventually("the message is published", async || {
        let published = "SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NOT NULL)";
        let published = sqlx::query_scalar::<_, bool>(published).fetch_one(&mut db);
        published.await.unwrap()
    })
    .await;
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
        worker.readyz().await["dependencies"]["postgres"]["status"] == "down"
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
