//! Transfers, each once, whatever becomes of its answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::ensure;
use bff::accounts::money::reconcile;
use http::Method;
use rand::{RngExt as _, rngs::StdRng};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{edge::Edge, guest};

const PATH: &str = "/v1/transfers";

/// What a guest knows of the transfers that it asked for, by their keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    /// Those that were acknowledged, with the answers.
    pub(crate) made: BTreeMap<String, String>,
    /// Those of which nothing is known, with what was asked for.
    pub(crate) unknown: BTreeMap<String, Value>,
    /// Those that were refused: there wasn't enough money.
    pub(crate) refused: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct Payer {
    who: usize,
    seed: u64,
    count: u64,
    from: String,
    to: Vec<String>,
    book: Book,
}

impl Payer {
    pub(crate) fn new(who: usize, seed: u64) -> Self {
        Self {
            who,
            seed,
            count: 0,
            from: String::new(),
            to: Vec::new(),
            book: Book::default(),
        }
    }

    pub(crate) fn pays(&mut self, from: String, to: Vec<String>) {
        (self.from, self.to) = (from, to);
    }

    /// Asks for a transfer: for one of which nothing is known, or for a new one;
    /// and now and then for one that was acknowledged.
    pub(crate) async fn pay(&mut self, edge: &Edge, bearer: &str, random: &mut StdRng) {
        let again = random.random_range(0..10);
        if again < 5
            && let Some((key, body)) = self.book.unknown.pop_first()
        {
            self.ask(edge, bearer, key, body).await;
        } else if again == 5
            && let Some((key, first)) = self.book.made.last_key_value()
        {
            let (key, first) = (key.clone(), first.clone());
            let made: Value = serde_json::from_str(&first).unwrap_or_default();
            let body = body_of(&made["transfer"]);
            self.ask(edge, bearer, key, body).await;
        } else {
            self.count += 1;
            // Sorted by time.
            let key = format!("soak {:x} {:03} {:08}", self.seed, self.who, self.count);
            let to = &self.to[random.random_range(0..self.to.len())];
            let amount = format!("0.{:02}", random.random_range(1..100));
            let body = json!({
                "from_account_id": self.from,
                "to_account_id": to,
                "amount": { "amount": amount, "currency": "USD" },
                "note": key,
            });
            if again == 6 {
                let patience = guest::hurry(random);
                edge.leave(request(edge, bearer, &key, &body), patience)
                    .await;
                self.book.unknown.insert(key, body);
            } else {
                self.ask(edge, bearer, key, body).await;
            }
        }
    }

    /// Finds out what became of each.
    pub(crate) async fn settle(&mut self, edge: &Edge, bearer: &str) -> Book {
        for _ in 0..600 {
            let Some((key, body)) = self.book.unknown.pop_first() else {
                break;
            };
            self.ask(edge, bearer, key, body).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.book.clone()
    }

    async fn ask(&mut self, edge: &Edge, bearer: &str, key: String, body: Value) {
        let request = request(edge, bearer, &key, &body);
        let operation = (Method::POST, PATH);
        let wanted = [201, 409, 422];
        let answer = edge.ask(self.who, &operation, request, &wanted).await;
        let known = self.book.made.get(&key);
        match answer {
            Some(answer) if answer.status == 201 => {
                if known.is_some_and(|first| *first != answer.text) {
                    edge.mistake(format!("{key}: two answers: {known:?}, {}", answer.text));
                }
                self.book.made.insert(key, answer.text);
            }
            Some(answer) if answer.status == 422 => {
                let code = &answer.json()["code"];
                if known.is_some() || code != "insufficient_funds" {
                    edge.mistake(format!("{key}: {}", answer.text));
                }
                self.book.refused.insert(key);
            }
            _ if known.is_none() => {
                self.book.unknown.insert(key, body);
            }
            _ => {}
        }
    }
}

fn request(edge: &Edge, bearer: &str, key: &str, body: &Value) -> RequestBuilder {
    let request = edge.request(&Method::POST, PATH);
    request
        .header("authorization", bearer)
        .header("idempotency-key", key.replace(' ', "-"))
        .json(body)
}

/// What was asked for, of a transfer as it is shown.
fn body_of(transfer: &Value) -> Value {
    json!({
        "from_account_id": transfer["from_account_id"],
        "to_account_id": transfer["to_account_id"],
        "amount": transfer["amount"],
        "note": transfer["note"],
    })
}

/// Whether every promise was kept, each transfer made once, and the books balance.
pub(crate) async fn check(db: &mut PgConnection, books: &[Book]) -> anyhow::Result<()> {
    let made: Vec<(String, Uuid)> =
        sqlx::query_as("SELECT note, id FROM transfers WHERE note LIKE 'soak %'")
            .fetch_all(&mut *db)
            .await?;
    let found: BTreeMap<&str, Uuid> = made.iter().map(|(note, id)| (note.as_str(), *id)).collect();
    ensure!(found.len() == made.len(), "a transfer was made twice");
    let mut acknowledged = 0;
    for book in books {
        ensure!(
            book.unknown.is_empty(),
            "unknown: {:?}",
            book.unknown.keys()
        );
        for (key, answer) in &book.made {
            let answer: Value = serde_json::from_str(answer)?;
            let id = found.get(key.as_str()).map(Uuid::to_string);
            ensure!(
                id.as_deref() == answer["transfer"]["id"].as_str(),
                "{key}: {answer}, and {id:?}"
            );
            acknowledged += 1;
        }
    }
    let all = found.len();
    ensure!(
        all == acknowledged,
        "{all} were made, and {acknowledged} acknowledged"
    );
    let drift = reconcile(&mut *db).await?;
    ensure!(drift.is_empty(), "{drift:?}");
    Ok(())
}
