//! Between the edge and PostgreSQL: reads.

use bff::config::Settings;
use futures::future::join_all;
use http::StatusCode;
use platform::testing::{Fault, Loss};
use rstest::rstest;
use serde_json::json;

use super::{BOUND, Edge, LIMIT, MS, median_of, timed};
use crate::helpers::eventually;

/// Connections are made in quieter times.
fn patient(settings: &mut Settings) {
    settings.reads.wait_ms = platform::config::Millis(2_000);
}

fn late(ms: u64) -> Fault {
    Fault::Latency {
        delay: MS(ms),
        jitter: MS(20),
    }
}

/// An edge that has connections already, and someone who is signed in.
async fn connected() -> (Edge, String) {
    let edge = Edge::with(patient).await;
    let token = edge.app().signed_in("ann@example.com").await.access;
    edge.app()
        .get("/v1/accounts", Some(&token))
        .await
        .expect(StatusCode::OK);
    (edge, token)
}

#[tokio::test]
async fn a_late_postgres_costs_time_and_nothing_else_within_the_budget() {
    let (edge, token) = connected().await;
    edge.postgres.set(late(60));
    let (home, took) = timed(edge.home(&token)).await;
    assert!(took >= MS(60), "{took:?}");
    let home = home.expect(StatusCode::OK).json();
    assert_eq!(home["complete"], true, "{home}");
    // Several round trips each.
    edge.app().signed_in("bob@example.com").await;
}

#[tokio::test]
async fn a_postgres_that_is_later_than_the_budget_is_a_504_or_stale() {
    let edge = Edge::with(patient).await;
    let known = edge.app().signed_in("ann@example.com").await.access;
    let unknown = edge.app().signed_in("bob@example.com").await.access;
    assert_eq!(
        edge.parts(&known).await["profile"],
        json!({ "status": "ok", "source": "live", "age_ms": 0 })
    );
    edge.postgres.set(late(1_200));
    edge.app().advance(chrono::TimeDelta::seconds(25));
    let parts = edge.parts(&known).await;
    assert_eq!(parts["accounts"]["status"], "stale", "{parts}");
    let (answer, took) = timed(edge.home(&unknown)).await;
    assert_eq!(
        answer.expect(StatusCode::GATEWAY_TIMEOUT).code(),
        "deadline_exceeded"
    );
    assert!(took < MS(1_200), "within the screen's budget: {took:?}");
    edge.postgres.heal();
    eventually("it heals", async || {
        edge.app().advance(chrono::TimeDelta::seconds(2));
        edge.home(&unknown).await.status == StatusCode::OK
    })
    .await;
}

#[rstest]
#[case::nothing_passes(Fault::BlackHole)]
#[case::connections_are_refused(Fault::Refuse)]
#[tokio::test]
async fn nothing_from_postgres_is_stale_screens_or_503_in_time_and_heals(#[case] fault: Fault) {
    let edge = Edge::with(|settings| {
        settings.reads.breaker.probe_after_max_ms = settings.reads.breaker.probe_after_ms;
        settings.postgres.acquire_timeout_ms = platform::config::Millis(500);
        settings.postgres.lock_timeout_ms = platform::config::Millis(500);
    })
    .await;
    let known = edge.app().signed_in("ann@example.com").await.access;
    let unknown = edge.app().signed_in("bob@example.com").await.access;
    edge.keep(&known).await;
    edge.postgres.set(fault);
    edge.app().advance(chrono::TimeDelta::seconds(25));
    let parts = edge.parts(&known).await;
    assert_eq!(parts["accounts"]["status"], "stale", "{parts}");
    // More than there are connections, each of which is held by someone.
    for _ in 0..20 {
        let status = edge.home(&unknown).await.status;
        assert!(matches!(status.as_u16(), 503 | 504), "{status}");
    }
    let (answer, took) = timed(edge.home(&unknown)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(took < LIMIT / 2, "the circuit is open: {took:?}");
    let writes = (0..12).map(|number| {
        edge.app()
            .login(["ann@example.com", "bob@example.com"][number % 2])
    });
    let (answers, took) = timed(join_all(writes)).await;
    assert!(took < BOUND, "{took:?}");
    for answer in answers {
        assert!(matches!(answer.status.as_u16(), 503 | 504), "{answer:?}");
    }
    // By now it isn't waited for, but by one call a second that asks whether it is back.
    let circuits = edge.app().readyz().await["circuits"].clone();
    let circuit = circuits["accounts.write"].as_str();
    assert!(matches!(circuit, Some("open" | "half_open")), "{circuits}");
    let took = median_of(20, async || {
        let answer = edge.app().login("ann@example.com").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    })
    .await;
    assert!(took < MS(500) / 4, "{took:?}");
    edge.postgres.heal();
    eventually("reads heal", async || {
        edge.app().advance(chrono::TimeDelta::seconds(2));
        let home = edge.home(&unknown).await;
        home.status == StatusCode::OK && home.json()["complete"] == true
    })
    .await;
    eventually("writes heal", async || {
        edge.app().login("ann@example.com").await.status == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn connections_that_are_cut_while_they_are_used_fail_no_read() {
    let edge = Edge::with(|settings| {
        patient(settings);
        settings.cache.enabled = false;
        // So that it is by its connection alone that a read could fail.
        for limit in [
            &mut settings.http.request_timeout_ms,
            &mut settings.screens.read_ms,
            &mut settings.reads.statement_timeout_ms,
        ] {
            *limit = platform::config::Millis(15_000);
        }
    })
    .await;
    let token = edge.app().signed_in("ann@example.com").await.access;
    let list = || edge.app().get("/v1/accounts", Some(&token));
    for _ in 0..20 {
        let lists = join_all((0..4).map(|_| list()));
        for answer in edge.cut_amid("accounts", lists).await {
            answer.expect(StatusCode::OK);
        }
    }
    // In the middle of an answer, too.
    edge.postgres.set(Fault::LoseAnswer(Loss {
        request: b"",
        answer: b"",
        kept: 7,
    }));
    let home = edge.home(&token).await;
    assert_eq!(home.expect(StatusCode::OK).json()["complete"], true);
    assert_eq!(edge.postgres.lost(), 1);
}

#[tokio::test]
async fn a_connection_that_is_cut_while_it_is_made_is_made_again() {
    let edge = Edge::with(patient).await;
    let token = edge.app().signed_in("ann@example.com").await.access;
    // Nobody has read anything yet, and so each connection begins with it.
    edge.postgres.set(Fault::LoseAnswer(Loss::to(
        b"client_connection_check_interval",
    )));
    let home = edge.home(&token).await;
    assert_eq!(edge.postgres.lost(), 1);
    assert_eq!(home.expect(StatusCode::OK).json()["complete"], true);
}

#[tokio::test]
async fn connections_that_are_forgotten_on_the_way_are_made_anew() {
    let edge = Edge::with(|settings| {
        settings.postgres.acquire_timeout_ms = platform::config::Millis(500);
    })
    .await;
    let token = edge.app().signed_in("ann@example.com").await.access;
    // Each begins a transaction; together they use every connection there may be.
    let rename = || edge.rename(&token);
    let renames = async || join_all((0..32).map(|_| rename())).await;
    renames().await;
    edge.postgres.abandon();
    renames().await;
    eventually("writes heal", async || {
        edge.app().advance(chrono::TimeDelta::seconds(2));
        rename().await.status == StatusCode::OK
    })
    .await;
    eventually("reads heal", async || {
        edge.app().advance(chrono::TimeDelta::seconds(2));
        edge.home(&token).await.status == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_table_that_is_locked_costs_the_part_that_reads_it_alone() {
    let edge = Edge::with(patient).await;
    let known = edge.app().signed_in("ann@example.com").await.access;
    let unknown = edge.app().signed_in("bob@example.com").await.access;
    edge.keep(&known).await;
    let lock = edge.app().lock_table("accounts").await;
    let (parts, took) = timed(edge.parts(&unknown)).await;
    assert_eq!(parts["accounts"]["code"], "deadline_exceeded", "{parts}");
    for part in ["profile", "orders", "recommendations"] {
        assert_eq!(parts[part]["status"], "ok", "{parts}");
    }
    assert!(took < MS(1_200), "{took:?}");
    edge.app().advance(chrono::TimeDelta::seconds(25));
    assert_eq!(edge.parts(&known).await["accounts"]["status"], "stale");
    drop(lock);
    eventually("all of it is there", async || {
        edge.app().advance(chrono::TimeDelta::seconds(2));
        edge.home(&unknown).await.json()["complete"] == true
    })
    .await;
}

#[tokio::test]
async fn however_many_read_a_locked_table_the_others_have_their_connections() {
    let edge = Edge::with(|settings| settings.cache.enabled = false).await;
    let emails: Vec<_> = (0..24).map(|n| format!("{n}@example.com")).collect();
    let people = emails.iter().map(|email| edge.app().signed_in(email));
    let people = join_all(people).await;
    let homes = async || join_all(people.iter().map(|one| edge.parts(&one.access))).await;
    homes().await;
    let lock = edge.app().lock_table("accounts").await;
    // More at once than there are connections, and more than it takes to open a circuit.
    for _ in 0..3 {
        let transfers = people
            .iter()
            .map(|one| edge.app().get("/v1/transfers", Some(&one.access)));
        let (homes, transfers) = tokio::join!(homes(), join_all(transfers));
        for parts in homes {
            assert_eq!(parts["accounts"]["status"], "unavailable", "{parts}");
            assert_eq!(parts["profile"]["status"], "ok", "{parts}");
        }
        for answer in transfers {
            assert!(matches!(answer.status.as_u16(), 503 | 504), "{answer:?}");
        }
    }
    let circuits = edge.app().readyz().await["circuits"].clone();
    assert_eq!(circuits["accounts.profile"], "closed", "{circuits}");
    assert_ne!(circuits["accounts.money"], "closed", "{circuits}");
    drop(lock);
}

#[tokio::test]
async fn a_narrow_way_to_postgres_is_slow_and_whole() {
    let (edge, token) = connected().await;
    edge.postgres.set(Fault::Bandwidth(20_000));
    let home = edge.home(&token).await;
    assert_eq!(home.expect(StatusCode::OK).json()["complete"], true);
}

#[tokio::test]
async fn a_worker_whose_connections_are_forgotten_on_the_way_makes_them_anew() {
    let edge = Edge::with(|settings| {
        settings.postgres.acquire_timeout_ms = platform::config::Millis(500);
    })
    .await;
    let (app, worker) = (edge.app(), edge.app().worker().await);
    let asked = async |email| app.ask(email, "registration", None).await.status;
    assert_eq!(asked("ann@example.com").await, StatusCode::ACCEPTED);
    worker.code_for("ann@example.com").await;
    edge.postgres.abandon();
    eventually("the edge writes again", async || {
        app.advance(chrono::TimeDelta::seconds(2));
        asked("bob@example.com").await == StatusCode::ACCEPTED
    })
    .await;
    worker.code_for("bob@example.com").await;
}
