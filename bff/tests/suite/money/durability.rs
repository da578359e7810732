//! `kill -9` in the middle of a stream of transfers: what was acknowledged is
//! there, exactly once, and what wasn't is never there twice.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::join_all;
use http::{Method, StatusCode};
use platform::{config::Millis, testing::Server};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Bank, Person, transfer, unique};
use crate::{
    helpers::{TestApp, accounts_database_on, eventually},
    program::Program,
};

/// Transfers at once.
const CLIENTS: usize = 16;
/// Transfers of each.
const EACH: usize = 25;
/// Acknowledged ones between two kills.
const STEP: usize = 60;

/// What a stream of transfers is sent to, and what became of it.
struct Stream<'a> {
    bank: &'a Bank,
    url: Mutex<String>,
    from: Person,
    to: Person,
    acknowledged: AtomicUsize,
    /// Keys of transfers of which nobody knows what became.
    unknown: Mutex<Vec<String>>,
}

impl<'a> Stream<'a> {
    async fn new(bank: &'a Bank, url: String) -> Self {
        Self {
            bank,
            url: Mutex::new(url),
            from: bank.person("ann", 1_000).await,
            to: bank.person("bob", 0).await,
            acknowledged: AtomicUsize::new(0),
            unknown: Mutex::default(),
        }
    }

    /// The edge is somewhere else from here on.
    fn goes_to(&self, url: &str) {
        url.clone_into(&mut self.url.lock().unwrap());
    }

    /// A transfer of one cent, whose note is its key.
    fn body(&self, key: &str) -> Value {
        let mut body = transfer(&self.from, &self.to, "0.01");
        body["note"] = json!(key);
        body
    }

    /// The answer to a transfer, unless none came.
    async fn ask(&self, key: &str) -> Option<StatusCode> {
        let client = &self.bank.app.client;
        let path = format!("{}/v1/transfers", self.url.lock().unwrap());
        let request = client.request(Method::POST, path);
        let request = request
            .bearer_auth(&self.from.token)
            .header("idempotency-key", key)
            .timeout(Duration::from_secs(10))
            .json(&self.body(key));
        let answer = request.send().await.ok()?;
        let status = answer.status();
        // An answer counts when all of it came.
        answer.bytes().await.ok()?;
        Some(status)
    }

    /// Sends the stream. Every other transfer whose answer didn't come is asked
    /// for again until it does; of the rest nobody asks again.
    async fn run(&self) {
        let client = async |_| {
            for number in 0..EACH {
                let key = unique();
                if self.ask(&key).await != Some(StatusCode::CREATED) {
                    if number % 2 == 0 {
                        self.unknown.lock().unwrap().push(key);
                        continue;
                    }
                    eventually("the transfer to be answered", async || {
                        let answer = self.ask(&key).await;
                        (answer == Some(StatusCode::CREATED)).then_some(())
                    })
                    .await;
                }
                self.acknowledged.fetch_add(1, Relaxed);
            }
        };
        join_all((0..CLIENTS).map(client)).await;
    }

    /// Waits until so many more were acknowledged; false, when the stream ends
    /// before.
    async fn after(&self, more: usize) -> bool {
        let target = self.acknowledged.load(Relaxed) + more;
        let all = CLIENTS * EACH - more;
        eventually("more to be acknowledged", async || {
            let now = self.acknowledged.load(Relaxed);
            (now >= target || now >= all).then_some(now >= target)
        })
        .await
    }

    /// What was promised, was kept.
    async fn check(&self) {
        let acknowledged = self.acknowledged.load(Relaxed);
        let unknown = self.unknown.lock().unwrap().clone();
        assert_eq!(acknowledged + unknown.len(), CLIENTS * EACH);
        let mut db = self.bank.app.superuser().await;
        let (all, distinct, of_unknown): (i64, i64, i64) = sqlx::query_as(
            "SELECT count(*), count(DISTINCT note), count(*) FILTER (WHERE note = ANY($1))
             FROM transfers WHERE amount = 0.01",
        )
        .bind(&unknown)
        .fetch_one(&mut db)
        .await
        .unwrap();
        assert_eq!(all, distinct, "a transfer was made twice");
        let known = all - of_unknown;
        assert_eq!(known as usize, acknowledged, "a promise was broken");
        let moved = Decimal::new(all, 2);
        let (from, to): (Decimal, Decimal) = sqlx::query_as(
            "SELECT (SELECT balance FROM accounts WHERE id = $1::uuid),
                    (SELECT balance FROM accounts WHERE id = $2::uuid)",
        )
        .bind(&self.from.account)
        .bind(&self.to.account)
        .fetch_one(&mut db)
        .await
        .unwrap();
        assert_eq!((from, to), (Decimal::from(1_000) - moved, moved));
        let keys = "SELECT count(*) FROM idempotency_keys WHERE body LIKE '%\"0.01\"%'";
        assert_eq!(self.bank.count(keys).await, all);
        let told = "SELECT count(*) FROM outbox WHERE subject LIKE '%transfer.posted%'";
        assert_eq!(self.bank.count(told).await, all + 1, "and the deposit");
    }
}

#[tokio::test]
async fn a_killed_edge_breaks_no_promise_and_makes_no_transfer_twice() {
    let bank = Bank::open().await;
    let mut edge = Program::start(&bank.app).await;
    let stream = Stream::new(&bank, edge.url.clone()).await;
    let mut kills = 0;
    tokio::join!(stream.run(), async {
        while stream.after(STEP).await {
            edge.kill().await;
            edge = Program::start(&bank.app).await;
            stream.goes_to(&edge.url);
            kills += 1;
        }
    });
    assert!(kills > 1, "{kills}");
    stream.check().await;
}

#[tokio::test]
async fn a_killed_database_breaks_no_promise_and_makes_no_transfer_twice() {
    let mut server = Server::postgres().await;
    let accounts = accounts_database_on(server.url()).await;
    let app = TestApp::with_accounts(accounts, |settings| {
        settings.postgres.acquire_timeout_ms = Millis(3_000);
    })
    .await;
    let bank = Bank::of(app).await;
    let stream = Stream::new(&bank, bank.app.url.clone()).await;
    let mut kills = 0;
    tokio::join!(stream.run(), async {
        while stream.after(STEP).await {
            server.restart().await;
            kills += 1;
        }
    });
    assert!(kills > 1, "{kills}");
    stream.check().await;
}
