use std::time::Duration;

use platform::{
    consumer::Consumer,
    nats::Stream,
    testing::{Fault, Loss, Proxy, Server, eventually, postgres_url},
};
use sqlx::PgPool;

use crate::support::{Bench, corner, create_tables, once, settings};

#[tokio::test]
async fn nothing_is_lost_or_done_twice_while_nats_is_absent_at_start_and_dies_midway() {
    let mut server = Server::nats().await;
    server.kill().await;
    let bench = Bench::with(settings(server.url())).await;
    bench.start_relay();
    bench.start_effects();
    bench.append_many(50).await;
    assert_eq!(bench.unpublished().await, 50);

    server.restart().await;
    eventually("everything that waited had its effect", async || {
        bench.effects().await == 50
    })
    .await;

    for round in 1..=3 {
        bench.append_many(50).await;
        server.kill().await;
        bench.append_many(50).await;
        server.restart().await;
        let all = 50 + round * 100;
        eventually("everything had its effect", async || {
            bench.effects().await == all
        })
        .await;
    }
    eventually("all is marked", async || bench.unpublished().await == 0).await;
    assert_eq!(
        bench
            .count("SELECT count(DISTINCT event_id) FROM effects")
            .await,
        350
    );
    bench.finish().await;
}

#[tokio::test]
async fn a_hung_nats_holds_neither_connections_nor_locks_for_long() {
    let server = Server::nats().await;
    let bench = Bench::with(settings(server.url())).await;
    bench.start_relay();
    bench.start_effects();
    bench.append_many(1).await;
    eventually("events flow", async || bench.effects().await == 1).await;
    server.stop();
    bench.append_many(20).await;
    // The claim ends with the wait for the acknowledgement, which is bounded.
    eventually("the rows are claimed", async || locked(&bench).await > 0).await;
    eventually("and free again", async || locked(&bench).await == 0).await;
    server.cont();
    eventually("events flow again", async || bench.effects().await == 21).await;
    bench.finish().await;
}

/// Effects, of which JetStream tells again soon when it hears nothing.
fn start_effects(bench: &Bench) {
    let consumer = Consumer {
        ack_wait: Duration::from_secs(1),
        ..bench.consumer()
    };
    let pool = bench.pool.clone();
    bench.start(consumer, move |delivery| once(pool.clone(), delivery));
}

async fn locked(bench: &Bench) -> i64 {
    let free = "SELECT count(*) FROM (
        SELECT id FROM outbox WHERE published_at IS NULL FOR UPDATE SKIP LOCKED) AS free";
    bench.unpublished().await - bench.count(free).await
}

#[tokio::test]
async fn the_relay_and_consumers_outlive_a_crash_of_postgres() {
    let mut postgres = Server::postgres().await;
    create_tables(
        &PgPool::connect(postgres.url().expose().as_str())
            .await
            .unwrap(),
    )
    .await;
    let nats = Server::nats().await;
    let bench = Bench::at(postgres.url(), &settings(nats.url())).await;
    bench.start_relay();
    bench.start_effects();
    bench.append_many(10).await;
    eventually("events flow", async || bench.effects().await == 10).await;
    postgres.restart().await;
    eventually("the pool heals", async || {
        sqlx::query("SELECT 1").execute(&bench.pool).await.is_ok()
    })
    .await;
    bench.append_many(10).await;
    eventually("events flow again", async || bench.effects().await == 20).await;
    bench.finish().await;
}

#[tokio::test]
async fn what_runs_ends_soon_after_it_is_asked_to_with_the_servers_away() {
    let mut server = Server::nats().await;
    server.kill().await;
    let bench = Bench::at(postgres_url(), &settings(server.url())).await;
    bench.start_relay();
    bench.start_effects();
    assert!(bench.lifetime.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn an_event_whose_acknowledgement_got_lost_is_published_again_and_there_once() {
    let mut settings = corner();
    let proxy = Proxy::stand_before(&mut settings.url);
    let bench = Bench::with(settings).await;
    bench.start_relay();
    start_effects(&bench);
    bench.append_many(1).await;
    eventually("events flow", async || bench.effects().await == 1).await;
    for round in 1..=2 {
        // JetStream has it, and says so with its number.
        proxy.set(Fault::LoseAnswer(Loss {
            request: b"HPUB",
            answer: b"\"seq\":",
            kept: 0,
        }));
        bench.append_many(10).await;
        let all = 1 + round * 10;
        eventually("everything had its effect", async || {
            bench.effects().await == all
        })
        .await;
        eventually("all is marked", async || bench.unpublished().await == 0).await;
        assert_eq!(proxy.lost() as i64, round);
        let stored = bench.messages(Stream::Accounts).await.len();
        assert_eq!(stored as i64, all, "JetStream knew them again");
    }
    bench.finish().await;
}

#[tokio::test]
async fn connections_to_nats_may_be_cut_at_any_time() {
    let mut settings = corner();
    let proxy = Proxy::stand_before(&mut settings.url);
    let bench = Bench::with(settings).await;
    bench.start_relay();
    start_effects(&bench);
    for round in 1..=10 {
        bench.append_many(20).await;
        proxy.cut();
        if round % 3 == 0 {
            eventually("some had their effect", async || {
                bench.effects().await >= round * 20 - 20
            })
            .await;
        }
    }
    eventually("all is marked", async || bench.unpublished().await == 0).await;
    eventually("everything had its effect", async || {
        bench.effects().await == 200
    })
    .await;
    let distinct = "SELECT count(DISTINCT event_id) FROM effects";
    assert_eq!(bench.count(distinct).await, 200);
    bench.finish().await;
}
