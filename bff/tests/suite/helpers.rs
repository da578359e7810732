//! A whole edge on a port of its own, with its own databases, key prefix and
//! subjects on the real servers that `make test` started.

mod answer;
mod document;
mod people;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use bff::{app::AppState, config::Settings, edge, identity::keys::KeyFile, limits::LimitSettings};
use chrono::TimeDelta;
use platform::{
    clock::{Clock as _, SystemClock},
    config::{List, ServerUrl},
    ops,
    shutdown::Lifetime,
    telemetry::metrics_handle,
    testing::{Database, ManualClock, nats_url, redis_url, unique_name},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

pub use answer::{Answer, Tokens};
pub use document::Operation;
pub use platform::testing::{eventually, within};

/// A password that breaks no rule.
pub const PASSWORD: &str = "plum orbit cello 9";
/// Another one.
pub const OTHER: &str = "nine quiet harbour lamps";

/// What ends a session or changes a role is known to every replica within this.
pub const BOUND: Duration = Duration::from_secs(1);

/// A running edge.
pub struct TestApp {
    pub url: String,
    pub client: reqwest::Client,
    pub clock: ManualClock,
    pub settings: Settings,
    pub accounts: Database,
    pub lifetime: Lifetime,
    pub state: AppState,
    pub files: Arc<TempDir>,
}

impl TestApp {
    /// An edge with the defaults, but cheap hashes and generous limits.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// An edge with changed settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_accounts(accounts_database().await, change).await
    }

    /// An edge with changed settings, whose clock stands still until it is moved.
    pub async fn standing_still(change: impl FnOnce(&mut Settings)) -> Self {
        Self::build(accounts_database().await, ManualClock::still(), change).await
    }

    /// An edge with changed settings on a given accounts store.
    pub async fn with_accounts(accounts: Database, change: impl FnOnce(&mut Settings)) -> Self {
        Self::build(accounts, ManualClock::new(), change).await
    }

    async fn build(
        accounts: Database,
        clock: ManualClock,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let files = Arc::new(tempfile::tempdir().expect("a directory"));
        let mut settings = Settings::default();
        settings.postgres.url = accounts.url_as("accounts_app");
        settings.postgres.max_connections = 8;
        settings.redis.url = redis_url();
        settings.redis.prefix = unique_name();
        settings.redis.response_timeout_ms = platform::config::Millis(2_000);
        settings.nats.url = nats_url();
        settings.nats.prefix = unique_name();
        settings.tokens.keys_file = key_file(&files);
        settings.environment = bff::config::EnvironmentKind::Development;
        settings.passwords.memory_kib = 64;
        settings.passwords.iterations = 1;
        settings.http.allowed_origins = List(vec!["https://app.example".into()]);
        settings.http.drain_delay_ms = platform::config::Millis(0);
        settings.limits = no_limits();
        change(&mut settings);
        Self::run(settings, clock, accounts, files).await
    }

    /// Another replica of the same edge: same stores, same keys.
    pub async fn replica(&self) -> Self {
        self.replica_with(self.settings.clone()).await
    }

    /// Another replica with changed settings. What the others tell from now on, it
    /// hears.
    pub async fn replica_with(&self, settings: Settings) -> Self {
        let replica = Self::run(
            settings,
            self.clock.clone(),
            self.accounts.clone(),
            self.files.clone(),
        )
        .await;
        replica.hears_of_changes().await;
        replica
    }

    async fn run(
        settings: Settings,
        clock: ManualClock,
        accounts: Database,
        files: Arc<TempDir>,
    ) -> Self {
        // One provider for the process; another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Before anything is counted.
        let _ = metrics_handle();
        let lifetime = Lifetime::new();
        let state = AppState::build(settings.clone(), Arc::new(clock.clone()), lifetime.clone())
            .await
            .expect("the settings of a test can be used");
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (router, http, life) = (state.router(), settings.http.clone(), lifetime.clone());
        lifetime.spawn(async move { edge::serve::serve(listener, router, &http, &life).await });
        Self {
            url,
            client: client(),
            clock,
            settings,
            accounts,
            lifetime,
            state,
            files,
        }
    }

    /// A request, unsent.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// `GET`s as nobody or with an access token.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let request = self.request(Method::GET, path);
        Answer::of(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    /// `POST`s JSON as nobody or with an access token.
    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).json(body);
        Answer::of(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    /// Every item of a list, page by page; `path` has its limit.
    pub async fn pages(&self, path: &str, token: &str) -> Vec<Value> {
        let (mut items, mut next) = (Vec::new(), path.to_owned());
        for _ in 0..100 {
            let page = self.get(&next, Some(token)).await;
            let page = page.expect(StatusCode::OK).json();
            items.extend(page["items"].as_array().expect("items").clone());
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}&cursor={cursor}"),
                None => return items,
            }
        }
        panic!("{path} has no end");
    }

    /// A connection that may do everything, for looking at what was stored.
    pub async fn superuser(&self) -> sqlx::PgConnection {
        use sqlx::Connection as _;

        let url = self.accounts.superuser_url();
        sqlx::PgConnection::connect(url.expose().as_str())
            .await
            .expect("PostgreSQL")
    }

    /// Lets nobody read a table or write to it, until the connection is dropped.
    pub async fn lock_table(&self, table: &str) -> sqlx::PgConnection {
        let mut locker = self.superuser().await;
        let sql = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        let locked = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut locker);
        locked.await.expect("the lock");
        locker
    }

    /// How many connections to the accounts store wait for a lock.
    pub async fn waiting_for_locks(&self) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting = sqlx::query_scalar(sql);
        waiting
            .fetch_one(&mut self.superuser().await)
            .await
            .expect("a count")
    }

    /// What `/readyz` says, from an operations listener of its own.
    pub async fn readyz(&self) -> Value {
        let (readiness, lifetime) = (self.state.readiness.clone(), self.lifetime.clone());
        let request = Request::get("/readyz").body(Body::empty());
        let answer = ops::router(readiness, metrics_handle(), lifetime)
            .oneshot(request.expect("a request"))
            .await
            .expect("a router answers");
        assert_eq!(answer.status(), StatusCode::OK, "traffic goes on");
        let body = to_bytes(answer.into_body(), usize::MAX);
        serde_json::from_slice(&body.await.expect("a body")).expect("JSON")
    }

    /// Waits until changes are heard of: that begins with dropping all that is kept.
    pub async fn hears_of_changes(&self) {
        eventually("changes are heard of", async || {
            self.readyz().await["dependencies"]["events"]["status"] == "up"
        })
        .await;
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.lifetime.stop();
    }
}

/// What this process tells Prometheus of a series.
pub fn metric(series: &str) -> f64 {
    let metrics = metrics_handle().render();
    let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    let value = metrics.lines().find_map(value);
    value.unwrap_or_else(|| panic!("{series} isn't among {metrics}"))
}

/// An empty, migrated accounts store.
pub async fn accounts_database() -> Database {
    Database::create(&accounts_template(), migrate_accounts).await
}

/// The same on a server of the test's own.
pub async fn accounts_database_on(server: ServerUrl) -> Database {
    Database::create_on(server, &accounts_template(), migrate_accounts).await
}

fn accounts_template() -> String {
    format!("accounts_{}", migrator::digest(migrator::Store::Accounts))
}

async fn migrate_accounts(url: ServerUrl) {
    let done = migrator::up(migrator::Store::Accounts, &url).await;
    done.expect("migrations");
}

/// Limits that no test reaches; those that test limits set their own.
fn no_limits() -> LimitSettings {
    let class = json!({ "per_minute": 1_000_000, "burst": 100_000 });
    let code = json!({ "per_hour": 1_000_000, "burst": 100_000 });
    let all =
        json!({ "auth": class, "write": class, "read": class, "public": class, "code": code });
    serde_json::from_value(all).expect("limits")
}

fn key_file(files: &TempDir) -> PathBuf {
    let path = files.path().join("keys.json");
    let mut keys = KeyFile::default();
    // Old enough for a clock that is moved back, good for one moved far ahead.
    let from = SystemClock.now() - TimeDelta::days(1);
    keys.generate(from, TimeDelta::days(400)).expect("a key");
    std::fs::write(&path, serde_json::to_vec(&keys).expect("JSON")).expect("a file");
    path
}

#[expect(clippy::disallowed_methods, reason = "a client of the tests' own")]
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}
