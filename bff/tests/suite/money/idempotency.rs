use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use platform::config::Millis;

use super::{Bank, Person, transfer, unique};
use crate::helpers::{Answer, TestApp, eventually};

#[tokio::test]
async fn the_same_again_gets_the_first_answer_byte_for_byte() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let (key, body) = (unique(), transfer(&ann, &bob, "1.00"));
    let post = async || bank.keyed("/v1/transfers", &ann.token, &key, &body).await;
    let first = post().await.expect(StatusCode::CREATED);
    // What has changed since doesn't change the answer.
    bank.transfer(&ann, &bob, "2.00")
        .await
        .expect(StatusCode::CREATED);
    let again = post().await.expect(StatusCode::CREATED);
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed").as_deref(), Some("true"));
    assert_eq!(bank.balance(&ann).await, "7.00");
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_user() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 10).await);
    let post = async |from: &Person, to: &Person, amount: &str| {
        let body = transfer(from, to, amount);
        bank.keyed("/v1/transfers", &from.token, "one", &body).await
    };
    post(&ann, &bob, "1.00").await.expect(StatusCode::CREATED);
    let other = post(&ann, &bob, "1.01").await;
    assert_eq!(
        other.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
        "idempotency_key_reused"
    );
    // Bob's key is Bob's.
    post(&bob, &ann, "1.00").await.expect(StatusCode::CREATED);
    assert_eq!(bank.balance(&ann).await, "10.00");
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 1).await, bank.person("bob", 2).await);
    let (key, body) = (unique(), transfer(&ann, &bob, "2.00"));
    let post = async || bank.keyed("/v1/transfers", &ann.token, &key, &body).await;
    assert_eq!(post().await.code(), "insufficient_funds");
    bank.transfer(&bob, &ann, "1.00")
        .await
        .expect(StatusCode::CREATED);
    post().await.expect(StatusCode::CREATED);
    assert_eq!(bank.balance(&ann).await, "0.00");
}

#[tokio::test]
async fn a_key_is_required_and_visible_ascii() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 1).await, bank.person("bob", 0).await);
    let body = transfer(&ann, &bob, "1.00");
    let without = bank
        .app
        .post("/v1/transfers", Some(&ann.token), &body)
        .await;
    let bad = async |key: &str| bank.keyed("/v1/transfers", &ann.token, key, &body).await;
    for answer in [without, bad("a b").await, bad(&"k".repeat(256)).await] {
        let answer = answer.expect(StatusCode::BAD_REQUEST);
        assert_eq!(answer.pointers(), ["Idempotency-Key"]);
    }
    bad(&"k".repeat(255)).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn the_same_key_a_hundred_times_at_once_moves_money_once() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let (key, body) = (unique(), transfer(&ann, &bob, "1.00"));
    let ask = async |_| {
        eventually("the first to end", async || {
            let answer = bank.keyed("/v1/transfers", &ann.token, &key, &body).await;
            if answer.status == StatusCode::CONFLICT {
                assert_eq!(answer.code(), "request_in_flight");
                return None;
            }
            Some(answer.expect(StatusCode::CREATED))
        })
        .await
    };
    let answers = join_all((0..100).map(ask)).await;
    let first = |answer: &&Answer| answer.header("idempotent-replayed").is_none();
    assert_eq!(answers.iter().filter(first).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.bytes == answers[0].bytes)
    );
    assert_eq!(bank.balance(&ann).await, "9.00");
    let posted = "SELECT count(*) FROM transfers WHERE note IS NULL";
    assert_eq!(bank.count(posted).await, 1);
    let told = "SELECT count(*) FROM outbox WHERE subject LIKE '%transfer.posted%'";
    assert_eq!(bank.count(told).await, 2, "this one and the deposit");
}

#[tokio::test]
async fn a_request_that_is_still_running_is_a_conflict() {
    // So long that the first doesn't give up before the second comes.
    let patient = TestApp::with(|settings| settings.postgres.lock_timeout_ms = Millis(20_000));
    let bank = Bank::of(patient.await).await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let (key, body) = (unique(), transfer(&ann, &bob, "1.00"));
    // Someone holds the account, so the first waits with its key.
    let mut db = bank.app.superuser().await;
    sqlx::raw_sql("BEGIN; SELECT FROM accounts FOR UPDATE")
        .execute(&mut db)
        .await
        .unwrap();
    let post = async || bank.keyed("/v1/transfers", &ann.token, &key, &body).await;
    let (first, second) = tokio::join!(post(), async {
        eventually("the first waits", async || {
            bank.app.waiting_for_locks().await == 1
        })
        .await;
        let answer = post().await;
        sqlx::raw_sql("COMMIT").execute(&mut db).await.unwrap();
        answer
    });
    let second = second.expect(StatusCode::CONFLICT);
    assert_eq!(second.code(), "request_in_flight");
    first.expect(StatusCode::CREATED);
    post().await.expect(StatusCode::CREATED);
    assert_eq!(bank.balance(&bob).await, "1.00");
}

#[tokio::test]
async fn answers_are_kept_for_a_day() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let (key, body) = (unique(), transfer(&ann, &bob, "1.00"));
    bank.keyed("/v1/transfers", &ann.token, &key, &body)
        .await
        .expect(StatusCode::CREATED);
    let pool = bank.app.settings.postgres.pool("test").unwrap();
    let sweep = async || {
        use platform::clock::Clock as _;
        let kept = bank.app.settings.events.idempotency_retention_s.delta();
        let before = bank.app.clock.now() - kept;
        let swept = bff::accounts::idempotency::sweep(&pool, before).await;
        assert!(!swept.unwrap(), "nothing is left");
    };
    let kept = async || bank.count("SELECT count(*) FROM idempotency_keys").await;
    assert_eq!(kept().await, 2, "of the transfer and of the deposit before");
    bank.app.advance(TimeDelta::hours(23));
    sweep().await;
    assert_eq!(kept().await, 2);
    bank.app.advance(TimeDelta::hours(2));
    sweep().await;
    assert_eq!(kept().await, 0);
}
