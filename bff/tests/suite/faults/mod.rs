//! What a network does to those who talk over it: each server stands behind a
//! proxy that is late, loses answers, lets nothing pass or hangs up.

mod messages;
mod orders;
mod postgres;
mod redis;
mod writes;

use std::time::{Duration, Instant};

use bff::config::Settings;
use http::{Method, StatusCode};
use platform::{config::Millis, testing::Proxy};
use serde_json::{Value, json};

use crate::{
    helpers::{Answer, TestApp, eventually},
    money::Bank,
    orders_stub::OrdersStub,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// How long a request may take here, unless a test says otherwise.
const LIMIT: Duration = Duration::from_millis(2_500);

/// More than any request takes: by then its answer is there.
const BOUND: Duration = Duration::from_millis(3_500);

/// An edge, and the ways to its servers.
struct Edge {
    bank: Bank,
    _orders: OrdersStub,
    postgres: Proxy,
    redis: Proxy,
}

impl Edge {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let orders = OrdersStub::start();
        let mut proxies = None;
        let app = TestApp::with(|settings| {
            settings.orders.url = orders.url();
            // What a test counts is counted exactly.
            settings.orders.hedge = false;
            settings.http.request_timeout_ms = Millis(LIMIT.as_millis() as u64);
            settings.redis.response_timeout_ms = Millis(250);
            proxies = Some((
                Proxy::stand_before(&mut settings.postgres.url),
                Proxy::stand_before(&mut settings.redis.url),
            ));
            change(settings);
        })
        .await;
        let (postgres, redis) = proxies.unwrap();
        app.hears_of_changes().await;
        Self {
            bank: Bank::of(app).await,
            _orders: orders,
            postgres,
            redis,
        }
    }

    fn app(&self) -> &TestApp {
        &self.bank.app
    }

    async fn home(&self, token: &str) -> Answer {
        let (answer, took) = timed(self.app().get("/v1/screens/home", Some(token))).await;
        assert!(took < BOUND, "{took:?}");
        answer
    }

    /// Changes somebody's name, in a transaction.
    async fn rename(&self, token: &str) -> Answer {
        let name = json!({ "full_name": "Ann" });
        let request = self.app().request(Method::PATCH, "/v1/me");
        Answer::of(request.bearer_auth(token).json(&name)).await
    }

    /// Has all of somebody's home screen kept.
    async fn keep(&self, token: &str) {
        eventually("all of it is there", async || {
            self.home(token).await.json()["complete"] == true
        })
        .await;
    }

    /// Cuts the ways to PostgreSQL while some of `work` waits there for a table.
    async fn cut_amid<T>(&self, table: &str, work: impl Future<Output = T>) -> T {
        let lock = self.app().lock_table(table).await;
        let cut = async {
            let used = async || self.app().waiting_for_locks().await > 0;
            eventually("connections are used", used).await;
            self.postgres.cut();
            drop(lock);
        };
        tokio::join!(work, cut).0
    }

    /// The reports on the parts of a home screen that has to be there.
    async fn parts(&self, token: &str) -> Value {
        self.home(token).await.expect(StatusCode::OK).json()["parts"].clone()
    }
}

/// What something came to, and how long it took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let outcome = work.await;
    (outcome, began.elapsed())
}

/// How long the middle one of so many takes, one after another.
async fn median_of(count: usize, mut work: impl AsyncFnMut()) -> Duration {
    let mut took = Vec::new();
    for _ in 0..count {
        took.push(timed(work()).await.1);
    }
    took.sort_unstable();
    took[count / 2]
}

/// The answer to something that can't be done now: it came in time, and says
/// when to come again.
fn assert_unavailable(answer: Answer) {
    let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("set-cookie"), None);
}
