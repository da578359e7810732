//! The edge whose pieces are looked at.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bff::{
    app::AppState,
    cache::{Key, Scope, Ttl},
    config::{EnvironmentKind, Settings},
    edge::visit::Visit,
    identity::{Caller, Role},
    upstream::Deadline,
};
use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use http::{Request, header};
use platform::{
    clock::Clock as _,
    config::ServerUrl,
    shutdown::Lifetime,
    telemetry::{self, Telemetry},
    testing::{ManualClock, Server},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, EnterGuard, Runtime};

/// An edge with a Redis and nothing else behind it, which has the parts of one
/// user's home screen in memory. Its clock stands still.
pub struct Edge {
    pub runtime: &'static Runtime,
    pub state: AppState,
    pub router: Router,
    pub caller: Caller,
    pub token: String,
    _alive: (EnterGuard<'static>, Server, TempDir, Telemetry),
}

/// Some work, done a few times already and about to be done again.
pub struct Piece {
    edge: Edge,
    work: BoxFuture<'static, ()>,
}

impl Piece {
    /// What all is there for is done when it is first looked at.
    pub fn done(self) -> Edge {
        self.work.now_or_never().expect("nothing is waited for");
        self.edge
    }
}

impl Edge {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime: &Runtime = Box::leak(Box::new(runtime.expect("a runtime")));
        runtime.block_on(Self::start(runtime, runtime.enter(), change))
    }

    async fn start(
        runtime: &'static Runtime,
        context: EnterGuard<'static>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let _ = telemetry::metrics_handle();
        let (redis, files) = (Server::redis().await, tempfile::tempdir());
        let files = files.expect("a directory");
        let mut settings = Settings {
            environment: EnvironmentKind::Development,
            ..Settings::default()
        };
        settings.redis.url = redis.url();
        settings.nats.url = ServerUrl::literal("nats://127.0.0.1:1");
        settings.tokens.keys_file = files.path().join("keys.json");
        settings.telemetry.log_filter = "error".into();
        change(&mut settings);
        let logs = telemetry::init("hot", &settings.telemetry).expect("a log");
        let clock = ManualClock::still();
        let [user_id, session_id] = [clock.new_id(), clock.new_id()];
        let role = Role::Customer;
        let state = AppState::build(settings, Arc::new(clock), Lifetime::new());
        let mut edge = Self {
            runtime,
            state: state.await.expect("the settings can be used"),
            router: Router::new(),
            caller: Caller {
                user_id,
                session_id,
                role,
            },
            token: String::new(),
            _alive: (context, redis, files, logs),
        };
        edge.router = edge.state.router();
        edge.token = edge.new_token();
        edge.keep_home().await;
        edge
    }

    /// As if the parts had been fetched.
    async fn keep_home(&self) {
        let parts = [
            ("profile", 500),
            ("accounts", 800),
            ("orders", 3_000),
            ("recommendations", 3_000),
        ];
        for (name, size) in parts {
            let json = Bytes::from(format!("\"{}\"", "x".repeat(size)));
            let fetch = move |_| ready(Ok(json)).boxed();
            let (ttl, deadline) = (
                Ttl::seconds(30, 600),
                Deadline::within(Duration::from_secs(60)),
            );
            let kept = self
                .state
                .cache
                .get(&self.key(name), ttl, deadline, fetch)
                .await;
            kept.expect("it was fetched");
        }
    }

    /// Of a part of the home screen.
    pub fn key(&self, part: &'static str) -> Key {
        let key = Key::new(part, Scope::User(self.caller.user_id));
        if part == "recommendations" {
            key.of_catalogue()
        } else {
            key
        }
    }

    pub fn new_token(&self) -> String {
        let tokens = &self.state.tokens;
        tokens
            .for_client(&self.caller, tokens.lifetime())
            .expect("a key")
    }

    pub fn get(&self, path: &str) -> Request<Body> {
        let request = Request::get(path)
            .header(header::HOST, "api.example.com")
            .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64)")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .extension(Visit::default());
        request.body(Body::empty()).expect("a request")
    }

    /// `work` prepares what is then awaited, and only that is counted.
    pub fn does<F>(self, work: impl Fn(&Self) -> F) -> Piece
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for _ in 0..6 {
            self.runtime.block_on(work(&self));
        }
        let work = work(&self).boxed();
        Piece { edge: self, work }
    }
}
