//! Between the edge and PostgreSQL: writes whose outcome is unknown.

use bff::{accounts::money::reconcile, config::Settings};
use futures::future::join_all;
use http::StatusCode;
use platform::{
    config::Millis,
    testing::{Fault, Loss},
};

use super::{BOUND, Edge, MS, assert_unavailable, timed};
use crate::{
    helpers::eventually,
    money::{Bank, Person, transfer, unique},
};

/// How PostgreSQL says that a statement and its transaction are over, and that
/// it is ready for the next one.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// The answer to what has this in it, after PostgreSQL has committed.
fn answer_to(request: String) -> Fault {
    Fault::LoseAnswer(Loss {
        request: request.leak().as_bytes(),
        answer: READY,
        kept: 0,
    })
}

/// Someone with 100 dollars, and someone without.
async fn two(bank: &Bank) -> (Person, Person) {
    (bank.person("ann", 100).await, bank.person("bob", 0).await)
}

/// Transfers between people, as the database knows them.
async fn transfers(bank: &Bank) -> i64 {
    bank.count("SELECT count(*) FROM transfers WHERE amount < 100")
        .await
}

/// So many transfers were made, and none is on its way.
async fn assert_done(bank: &Bank, count: i64) {
    let working = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()
                   AND backend_type = 'client backend' AND state <> 'idle'";
    let over = async || bank.count(working).await == 0;
    eventually("nothing is being worked on", over).await;
    assert_eq!(transfers(bank).await, count);
}

async fn assert_reconciled(bank: &Bank) {
    let mut db = bank.app.superuser().await;
    assert_eq!(reconcile(&mut db).await.unwrap(), []);
}

#[tokio::test]
async fn a_transfer_whose_commit_was_not_heard_of_is_made_once_and_answered_alike() {
    let edge = Edge::start().await;
    let (bank, way) = (&edge.bank, &edge.postgres);
    let (ann, bob) = two(bank).await;
    let body = transfer(&ann, &bob, "1.00");
    for round in 1..=5 {
        let key = unique();
        way.set(answer_to(key.clone()));
        let ask = || bank.keyed("/v1/transfers", &ann.token, &key, &body);
        let first = ask().await.expect(StatusCode::CREATED);
        assert_eq!(way.lost(), round, "PostgreSQL had committed");
        let again = ask().await.expect(StatusCode::CREATED);
        assert_eq!(again.bytes, first.bytes);
        assert_eq!(again.header("idempotent-replayed").as_deref(), Some("true"));
        assert_eq!(transfers(bank).await, round as i64);
    }
    assert_eq!(bank.balance(&bob).await, "5.00");
    let told = "SELECT count(*) FROM outbox WHERE subject LIKE '%transfer.posted%'";
    assert_eq!(bank.count(told).await, 6, "one each, and the deposit");
    assert_reconciled(bank).await;
}

#[tokio::test]
async fn transfers_go_on_while_connections_are_cut() {
    let edge = Edge::start().await;
    let bank = &edge.bank;
    let (ann, bob) = two(bank).await;
    let body = transfer(&ann, &bob, "0.10");
    for _ in 0..10 {
        let keys: Vec<_> = (0..8).map(|_| unique()).collect();
        let ask = async |key: &String| bank.keyed("/v1/transfers", &ann.token, key, &body).await;
        let asked = join_all(keys.iter().map(ask));
        for answer in edge.cut_amid("entries", asked).await {
            answer.expect(StatusCode::CREATED);
        }
    }
    assert_eq!(transfers(bank).await, 80);
    assert_eq!(bank.balance(&bob).await, "8.00");
    assert_reconciled(bank).await;
}

#[tokio::test]
async fn a_transaction_that_began_too_late_swallows_no_transfer_of_others() {
    let edge = Edge::with(|settings| {
        settings.postgres.max_connections = 1;
        settings.postgres.acquire_timeout_ms = platform::config::Millis(300);
    })
    .await;
    let (bank, way) = (&edge.bank, &edge.postgres);
    let (ann, bob) = two(bank).await;
    let body = transfer(&ann, &bob, "1.00");
    for round in 1..=3 {
        way.set(Fault::Latency {
            delay: MS(400),
            jitter: MS(1),
        });
        let late = edge.rename(&ann.token).await;
        assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE);
        way.heal();
        let key = unique();
        eventually("the transfer is made", async || {
            bank.app.advance(chrono::TimeDelta::seconds(2));
            let answer = bank.keyed("/v1/transfers", &ann.token, &key, &body).await;
            answer.status == StatusCode::CREATED
        })
        .await;
        // As another connection sees it: what was acknowledged is committed.
        assert_eq!(transfers(bank).await, round);
    }
}

#[tokio::test]
async fn a_transfer_that_nothing_came_back_of_is_found_out_by_its_key() {
    // The edge gives up by itself, and not because the request's time is up.
    let patient = |settings: &mut Settings| settings.http.request_timeout_ms = Millis(15_000);
    let edge = Edge::with(patient).await;
    let (bank, way) = (&edge.bank, &edge.postgres);
    let (ann, bob) = two(bank).await;
    let (key, body) = (unique(), transfer(&ann, &bob, "1.00"));
    let ask = || bank.keyed("/v1/transfers", &ann.token, &key, &body);
    way.set(Fault::BlackHole);
    let (answer, took) = timed(ask()).await;
    assert!(matches!(answer.status.as_u16(), 503 | 504), "{answer:?}");
    assert!(took < MS(5_000), "{took:?}");
    // What was sent before arrives after all, perhaps; and is the same transfer.
    way.heal();
    let first = eventually("it is answered", async || {
        let answer = ask().await;
        (answer.status == StatusCode::CREATED).then_some(answer)
    })
    .await;
    assert_eq!(ask().await.bytes, first.bytes);
    assert_eq!(transfers(bank).await, 1);
    assert_eq!(bank.balance(&bob).await, "1.00");
    assert_reconciled(bank).await;
}

#[tokio::test]
async fn who_registered_without_hearing_of_it_is_registered_once() {
    let mut edge = Edge::start().await;
    // The worker commits too, and goes another way.
    let direct = edge.app().accounts.url_as("accounts_app");
    edge.bank.app.settings.postgres.url = direct;
    let (app, way) = (edge.app(), &edge.postgres);
    let worker = app.worker().await;
    let asked = app.ask("cat@example.com", "registration", None).await;
    asked.expect(StatusCode::ACCEPTED);
    let code = worker.code_for("cat@example.com").await;
    way.set(answer_to("COMMIT\0".into()));
    let first = app.register("cat@example.com", &code).await;
    assert_eq!(way.lost(), 1);
    assert_unavailable(first);
    let again = app.register("cat@example.com", &code).await;
    assert_eq!(
        again.expect(StatusCode::CONFLICT).pointers(),
        ["/identifier"]
    );
    app.login("cat@example.com").await.expect(StatusCode::OK);
    let users = "SELECT count(*) FROM users WHERE email = 'cat@example.com'";
    assert_eq!(edge.bank.count(users).await, 1);
    let told = "SELECT count(*) FROM outbox WHERE subject LIKE '%user.registered%'";
    assert_eq!(edge.bank.count(told).await, 1);
}

#[tokio::test]
async fn a_write_that_waits_for_a_lock_gives_up_in_time_and_has_done_nothing() {
    let edge = Edge::start().await;
    let bank = &edge.bank;
    let (ann, bob) = two(bank).await;
    let lock = bank.app.lock_table("entries").await;
    let (key, body) = (unique(), transfer(&ann, &bob, "1.00"));
    let ask = || bank.keyed("/v1/transfers", &ann.token, &key, &body);
    let (answer, took) = timed(ask()).await;
    assert_unavailable(answer);
    assert!(took < BOUND, "{took:?}");
    drop(lock);
    assert_done(bank, 0).await;
    let done = ask().await.expect(StatusCode::CREATED);
    assert_eq!(done.header("idempotent-replayed"), None);
    assert_reconciled(bank).await;
}

#[tokio::test]
async fn a_transfer_that_was_refused_while_postgres_was_away_is_not_made_when_it_returns() {
    let edge = Edge::start().await;
    let (bank, way) = (&edge.bank, &edge.postgres);
    let (ann, bob) = two(bank).await;
    let (key, body) = (unique(), transfer(&ann, &bob, "1.00"));
    let ask = || bank.keyed("/v1/transfers", &ann.token, &key, &body);
    way.set(Fault::Refuse);
    assert_unavailable(ask().await);
    way.heal();
    let other = unique();
    eventually("transfers are made again", async || {
        let answer = bank.keyed("/v1/transfers", &ann.token, &other, &body).await;
        answer.status == StatusCode::CREATED
    })
    .await;
    assert_done(bank, 1).await;
    let made = ask().await.expect(StatusCode::CREATED);
    assert_eq!(made.header("idempotent-replayed"), None);
    assert_eq!(transfers(bank).await, 2);
    assert_reconciled(bank).await;
}
