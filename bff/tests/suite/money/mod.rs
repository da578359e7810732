//! Money, as its owners and admins see it, and as the database keeps it.

mod accounts;
mod concurrency;
mod contention;
mod deposits;
mod durability;
mod events;
mod holds;
mod idempotency;
mod model;
mod reconciling;
mod replica;
mod statements;
mod transfers;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::{Answer, TestApp};

/// Someone with an account in USD.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: Uuid,
    pub token: String,
    pub account: String,
}

/// An edge with an admin, who can bring money into it.
pub struct Bank {
    pub app: TestApp,
    pub admin: String,
}

impl Bank {
    pub async fn open() -> Self {
        Self::of(TestApp::start().await).await
    }

    pub async fn of(app: TestApp) -> Self {
        let admin = admin(&app, "admin@example.com").await;
        Self { app, admin }
    }

    /// A user with so many dollars.
    pub async fn person(&self, name: &str, dollars: u32) -> Person {
        let email = format!("{name}@example.com");
        let user = self.app.user(&email).await;
        let tokens = self.app.login(&email).await.expect(StatusCode::OK).tokens();
        let account = self.account(&tokens.access, "USD").await;
        if dollars > 0 {
            self.deposit(&account, &usd(&format!("{dollars}.00"))).await;
        }
        Person {
            id: id(&user).parse().unwrap(),
            token: tokens.access,
            account,
        }
    }

    /// Opens an account, and returns its id.
    pub async fn account(&self, token: &str, currency: &str) -> String {
        let body = json!({ "currency": currency });
        let answer = self.app.post("/v1/accounts", Some(token), &body).await;
        id(&answer.expect(StatusCode::CREATED).json())
    }

    pub async fn deposit(&self, account: &str, amount: &Value) {
        let path = format!("/v1/admin/accounts/{account}/deposit");
        let body = json!({ "amount": amount, "reason": "A test" });
        let answer = self.keyed(&path, &self.admin, &unique(), &body).await;
        answer.expect(StatusCode::CREATED);
    }

    /// `POST`s with an idempotency key.
    pub async fn keyed(&self, path: &str, token: &str, key: &str, body: &Value) -> Answer {
        let request = self.app.request(Method::POST, path).bearer_auth(token);
        Answer::of(request.header("idempotency-key", key).json(body)).await
    }

    /// Moves dollars, with a key of its own.
    pub async fn transfer(&self, from: &Person, to: &Person, amount: &str) -> Answer {
        let body = transfer(from, to, amount);
        self.keyed("/v1/transfers", &from.token, &unique(), &body)
            .await
    }

    /// What is in a person's account, as the API says it.
    pub async fn balance(&self, of: &Person) -> String {
        let path = format!("/v1/accounts/{}", of.account);
        let account = self.app.get(&path, Some(&of.token)).await;
        let json = account.expect(StatusCode::OK).json();
        json["balance"]["amount"].as_str().unwrap().to_owned()
    }

    /// A number that the database counts.
    pub async fn count(&self, query: &'static str) -> i64 {
        let mut db = self.app.superuser().await;
        sqlx::query_scalar(query).fetch_one(&mut db).await.unwrap()
    }
}

/// Gives an account a long history, as if it had one: a cent a second in,
/// beginning with 2020.
pub async fn long_history(app: &TestApp, account: &str, entries: i32) {
    let mut db = app.superuser().await;
    let sql = "WITH made AS (
            SELECT n, gen_random_uuid() AS id, timestamptz '2020-01-01Z' + n * interval '1 s' AS at
            FROM generate_series(1, $2) AS n),
        transfers AS (
            INSERT INTO transfers
            SELECT made.id, w.id, $1::uuid, 'USD', 2, 0.01, NULL, made.at
            FROM made, accounts w WHERE w.kind = 'world' AND w.currency = 'USD')
        INSERT INTO entries (transfer_id, account_id, account_version, currency, minor_units, amount, balance_after)
        SELECT id, $1::uuid, n, 'USD', 2, 0.01, n * 0.01 FROM made";
    sqlx::raw_sql("SET session_replication_role = replica")
        .execute(&mut db)
        .await
        .unwrap();
    sqlx::query(sql)
        .bind(account)
        .bind(entries)
        .execute(&mut db)
        .await
        .unwrap();
    sqlx::query("UPDATE accounts SET version = $2, balance = $2 * 0.01 WHERE id = $1::uuid")
        .bind(account)
        .bind(entries)
        .execute(&mut db)
        .await
        .unwrap();
}

/// An admin's access token.
async fn admin(app: &TestApp, email: &str) -> String {
    app.user(email).await;
    let mut db = app.superuser().await;
    sqlx::query("UPDATE users SET role = 'admin' WHERE email = $1")
        .bind(email)
        .execute(&mut db)
        .await
        .unwrap();
    app.login(email)
        .await
        .expect(StatusCode::OK)
        .tokens()
        .access
}

pub fn transfer(from: &Person, to: &Person, amount: &str) -> Value {
    json!({ "from_account_id": from.account, "to_account_id": to.account, "amount": usd(amount) })
}

pub fn usd(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "USD" })
}

pub fn id(json: &Value) -> String {
    json["id"].as_str().unwrap().to_owned()
}

pub fn unique() -> String {
    Uuid::new_v4().to_string()
}
