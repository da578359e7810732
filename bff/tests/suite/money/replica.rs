//! Reads from a real streaming replica, that a test lets lag.

use http::{Method, StatusCode};
use platform::{config::Millis, testing::Server};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Bank, Person};
use crate::helpers::{Answer, TestApp, accounts_database_on, eventually};

/// How long a user reads from the primary here. The time is Redis's: a test can
/// only wait until it is over.
const STICKY: Millis = Millis(1_500);

struct Pair {
    _primary: Server,
    replica: Server,
    bank: Bank,
    ann: Person,
}

impl Pair {
    async fn new() -> Self {
        let primary = Server::postgres().await;
        let accounts = accounts_database_on(primary.url()).await;
        let replica = primary.replica().await;
        let copy = accounts.on(&replica);
        let app = TestApp::with_accounts(accounts, |settings| {
            settings.reads.replica_url = Some(copy.url_as("accounts_app"));
            settings.reads.primary_after_write_ms = STICKY;
            settings.reads.wait_ms = Millis(2_000);
            settings.screens.read_ms = Millis(5_000);
        })
        .await;
        let bank = Bank::of(app).await;
        let ann = bank.person("ann", 10).await;
        Self {
            _primary: primary,
            replica,
            bank,
            ann,
        }
    }

    /// A connection to the accounts store's copy.
    async fn copy(&self) -> PgConnection {
        let url = self.bank.app.accounts.on(&self.replica).superuser_url();
        PgConnection::connect(url.expose().as_str()).await.unwrap()
    }

    /// Lets the replica fall behind, or catch up.
    async fn replay(&self, what: &str) {
        let sql = format!("SELECT pg_wal_replay_{what}()");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.copy().await)
            .await
            .unwrap();
    }

    /// The account's name, as one replica of the edge tells it.
    async fn name(&self, app: &TestApp) -> String {
        self.name_of(app, &self.ann).await
    }

    async fn name_of(&self, app: &TestApp, person: &Person) -> String {
        let path = format!("/v1/accounts/{}", person.account);
        let shown = app.get(&path, Some(&person.token)).await;
        let json = shown.expect(StatusCode::OK).json();
        json["name"].as_str().unwrap_or("none").to_owned()
    }

    async fn rename(&self, name: &str) {
        let path = format!("/v1/accounts/{}", self.ann.account);
        let request = self.bank.app.request(Method::PATCH, &path);
        let request = request.bearer_auth(&self.ann.token);
        Answer::of(request.json(&json!({ "name": name })))
            .await
            .expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn who_wrote_reads_the_own_writes_on_every_replica_of_the_edge_and_later_from_the_copy() {
    let pair = Pair::new().await;
    let other = pair.bank.app.replica().await;
    pair.rename("One").await;
    eventually("the copy to have it, and be asked", async || {
        (pair.name(&other).await == "One").then_some(())
    })
    .await;
    pair.replay("pause").await;
    pair.rename("Two").await;
    assert_eq!(pair.name(&pair.bank.app).await, "Two");
    assert_eq!(pair.name(&other).await, "Two");
    // The copy is behind, and once the time is over it is what is read.
    eventually("the copy to be asked again", async || {
        (pair.name(&pair.bank.app).await == "One").then_some(())
    })
    .await;
    eventually("the copy to be asked by the other", async || {
        (pair.name(&other).await == "One").then_some(())
    })
    .await;
    pair.replay("resume").await;
    eventually("the copy to catch up", async || {
        (pair.name(&pair.bank.app).await == "Two").then_some(())
    })
    .await;
}

#[tokio::test]
async fn money_is_never_decided_by_what_the_copy_says() {
    let pair = Pair::new().await;
    let bob = pair.bank.person("bob", 0).await;
    pair.replay("pause").await;
    let (ann, bank) = (&pair.ann, &pair.bank);
    bank.transfer(ann, &bob, "9.00")
        .await
        .expect(StatusCode::CREATED);
    // The copy still says ten dollars.
    let again = bank.transfer(ann, &bob, "9.00").await;
    assert_eq!(again.code(), "insufficient_funds");
    let transfers = bank.app.get("/v1/transfers", Some(&ann.token)).await;
    assert_eq!(transfers.json()["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_copy_does_not_have_yet_or_can_not_answer_comes_from_the_primary() {
    let mut pair = Pair::new().await;
    let bob = pair.bank.person("bob", 0).await;
    let other = pair.bank.app.replica().await;
    eventually("the copy to have Bob's account", async || {
        let mut copy = pair.copy().await;
        let account = sqlx::query("SELECT FROM accounts WHERE id = $1::uuid").bind(&bob.account);
        account.fetch_optional(&mut copy).await.unwrap().is_some()
    })
    .await;
    pair.replay("pause").await;
    // Behind the program's back: what it tells shows where it reads.
    sqlx::query("UPDATE accounts SET name = 'In the primary' WHERE id = $1::uuid")
        .bind(&bob.account)
        .execute(&mut pair.bank.app.superuser().await)
        .await
        .unwrap();
    eventually("Bob's writes to be long ago", async || {
        pair.name_of(&other, &bob).await == "none"
    })
    .await;
    let posted = pair.bank.transfer(&pair.ann, &bob, "1.00").await;
    let id = super::id(&posted.json()["transfer"]);
    // Bob has written nothing since, and Bob's replica of the edge heard of nothing.
    assert_eq!(pair.name_of(&other, &bob).await, "none");
    let path = format!("/v1/transfers/{id}");
    let shown = other.get(&path, Some(&bob.token)).await;
    shown.expect(StatusCode::OK);

    pair.replica.kill().await;
    let balance = async || {
        let path = format!("/v1/accounts/{}", bob.account);
        let shown = other.get(&path, Some(&bob.token)).await;
        shown.expect(StatusCode::OK).json()["balance"]["amount"].clone()
    };
    for _ in 0..10 {
        assert_eq!(balance().await, "1.00");
    }
}

#[tokio::test]
async fn who_has_just_registered_is_known_although_the_copy_does_not_know_them() {
    let pair = Pair::new().await;
    pair.replay("pause").await;
    let tokens = pair.bank.app.signed_in("cat@example.com").await;
    // It heard of nothing.
    let other = pair.bank.app.replica().await;
    let home = other.get("/v1/screens/home", Some(&tokens.access)).await;
    let home = home.expect(StatusCode::OK).json();
    assert_eq!(home["data"]["profile"]["email"], "cat@example.com");
}

#[tokio::test]
async fn a_page_behind_an_entry_that_the_copy_does_not_have_comes_from_the_primary() {
    let pair = Pair::new().await;
    let bob = pair.bank.person("bob", 5).await;
    pair.replay("pause").await;
    pair.bank
        .transfer(&bob, &pair.ann, "1.00")
        .await
        .expect(StatusCode::CREATED);
    let edge = async |change: fn(&mut bff::config::Settings)| {
        let mut settings = pair.bank.app.settings.clone();
        change(&mut settings);
        pair.bank.app.replica_with(settings).await
    };
    let without_copy = edge(|settings| settings.reads.replica_url = None).await;
    // It takes nobody for one who has just written.
    let lagging = edge(|settings| settings.reads.primary_after_write_ms = Millis(1)).await;
    let page = async |app: &TestApp, query: &str| {
        let path = format!("/v1/accounts/{}/entries?limit=1{query}", pair.ann.account);
        let page = app.get(&path, Some(&pair.ann.token)).await;
        page.expect(StatusCode::OK).json()
    };
    let first = page(&without_copy, "").await;
    assert_eq!(first["items"][0]["amount"]["amount"], "1.00");
    eventually("the copy to be asked", async || {
        let page = page(&lagging, "").await;
        (page["items"][0]["amount"]["amount"] == "10.00").then_some(())
    })
    .await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = page(&lagging, &format!("&cursor={cursor}")).await;
    assert_eq!(second["items"][0]["amount"]["amount"], "10.00");
}
