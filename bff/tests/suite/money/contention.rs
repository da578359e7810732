//! What the database gives up in favour of others, or through no fault of the
//! caller's.

use std::sync::Arc;

use bff::upstream::{Accounts, CallError, Deadline, Guards, Read, RecentWrites};
use futures::FutureExt as _;
use http::{Method, StatusCode};
use platform::{config::Millis, testing::Server};
use rstest::rstest;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::Bank;
use crate::helpers::{Answer, TestApp, accounts_database_on, eventually};

#[tokio::test]
async fn an_account_that_others_keep_for_too_long_is_unavailable() {
    let app = TestApp::with(|settings| settings.postgres.lock_timeout_ms = Millis(50)).await;
    let bank = Bank::of(app).await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let mut db = bank.app.superuser().await;
    sqlx::raw_sql("BEGIN; SELECT FROM accounts FOR UPDATE")
        .execute(&mut db)
        .await
        .unwrap();
    let answer = bank.transfer(&ann, &bob, "1.00").await;
    let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "unavailable");
    assert!(answer.header("retry-after").is_some());
    sqlx::raw_sql("ROLLBACK").execute(&mut db).await.unwrap();
    let answer = bank.transfer(&ann, &bob, "1.00").await;
    answer.expect(StatusCode::CREATED);
}

/// Lets the next `times` transfers fail with this SQLSTATE.
async fn fail(bank: &Bank, times: u32, code: &str) {
    let sql = format!(
        "CREATE SEQUENCE tries;
         CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             IF nextval('public.tries') <= {times} THEN
                 RAISE EXCEPTION 'given up' USING ERRCODE = '{code}';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER give_up BEFORE INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION give_up();"
    );
    let mut db = bank.app.superuser().await;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut db)
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn what_lost_against_another_is_tried_three_times_more(
    #[values("40001", "40P01")] code: &str,
) {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    fail(&bank, 3, code).await;
    let answer = bank.transfer(&ann, &bob, "1.00").await;
    answer.expect(StatusCode::CREATED);
    assert_eq!(bank.balance(&bob).await, "1.00");
}

#[rstest]
#[tokio::test]
async fn what_goes_on_losing_is_unavailable(#[values("40001", "40P01")] code: &str) {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    fail(&bank, 100, code).await;
    let answer = bank.transfer(&ann, &bob, "1.00").await;
    let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(bank.count("SELECT last_value FROM tries").await, 4);
}

#[tokio::test]
async fn an_answer_that_is_missing_is_never_sent_as_an_empty_one() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let mut db = bank.app.superuser().await;
    sqlx::raw_sql(
        "CREATE OR REPLACE FUNCTION transfer_answer(done transfers, seen uuid[]) RETURNS text
             LANGUAGE sql STABLE AS $$ SELECT NULL::text $$;
         ALTER TABLE idempotency_keys ALTER body DROP NOT NULL",
    )
    .execute(&mut db)
    .await
    .unwrap();
    let answer = bank.transfer(&ann, &bob, "1.00").await;
    let answer = answer.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.code(), "internal");
}

/// Every connection that the edge has is dead, and nobody is told so.
#[tokio::test]
async fn accounts_are_opened_renamed_and_closed_at_once_after_a_restart_of_the_database() {
    let mut server = Server::postgres().await;
    let accounts = accounts_database_on(server.url()).await;
    let bank = Bank::of(TestApp::with_accounts(accounts, |_| {}).await).await;
    let tokens = bank.app.signed_in("ann@example.com").await;
    let mut path = String::new();
    for step in 0..3 {
        // As many connections as there may be.
        let asked = (0..32).map(|_| bank.app.get("/v1/me", Some(&tokens.access)));
        futures::future::join_all(asked).await;
        server.restart().await;
        let body = json!({ "currency": "EUR" });
        let answer = match step {
            0 => bank.app.request(Method::POST, "/v1/accounts").json(&body),
            1 => {
                let body = json!({ "name": "Holidays" });
                bank.app.request(Method::PATCH, &path).json(&body)
            }
            _ => bank.app.request(Method::DELETE, &path),
        };
        let answer = Answer::of(answer.bearer_auth(&tokens.access)).await;
        assert!(answer.status.is_success(), "{step}: {answer:?}");
        if step == 0 {
            path = format!("/v1/accounts/{}", super::id(&answer.json()));
        }
    }
    let opened = "SELECT count(*) FROM accounts WHERE currency = 'EUR' AND kind = 'user'";
    assert_eq!(bank.count(opened).await, 1);
}

#[tokio::test]
async fn a_value_that_the_store_can_not_take_says_nothing_about_the_store() {
    let bank = Bank::open().await;
    let settings = &bank.app.settings;
    let reads = Accounts::new(
        &settings.postgres,
        &settings.reads,
        RecentWrites::none(),
        &Guards::new(Arc::new(bank.app.clock.clone())),
    )
    .unwrap();
    async fn divide(by: i32, connection: &mut PgConnection) -> sqlx::Result<i32> {
        let query = sqlx::query_scalar("SELECT 1 / $1").bind(by);
        query.fetch_one(connection).await
    }
    let ask = async |by| {
        let deadline = Deadline::within(std::time::Duration::from_secs(5));
        let read = reads.read(Read::Money, deadline, Uuid::nil(), |c| {
            divide(by, c).boxed()
        });
        read.await
    };
    eventually("an answer", async || ask(1).await.ok()).await;
    for _ in 0..20 {
        let refused = ask(0).await;
        assert!(matches!(refused, Err(CallError::Invalid(_))), "{refused:?}");
    }
    assert_eq!(ask(1).await.unwrap(), 1);
}
