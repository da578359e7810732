//! Events that a stream doesn't take.

use std::time::Duration;

use async_nats::jetstream::stream::Stream as Queue;
use platform::{
    clock::Clock as _,
    nats::Stream,
    outbox::{self, NewEvent},
};
use serde_json::json;

use platform::testing::eventually;

use crate::support::{Bench, SUBJECT};

#[tokio::test]
async fn an_event_that_cannot_leave_holds_up_no_other() {
    let bench = Bench::new().await;
    // No stream takes this subject.
    let user = bench.clock.new_id();
    let stuck = NewEvent::new(
        "evt.nowhere.user.updated.v1",
        user,
        1,
        &json!({}),
        &bench.clock,
    );
    outbox::append(&bench.pool, &stuck).await.unwrap();
    bench.append(user, 2).await;
    bench.start_relay();
    bench.append_many(5).await;
    eventually("the others are published", async || {
        bench.unpublished().await == 2
    })
    .await;
    bench.append_many(5).await;
    eventually("and later ones", async || bench.unpublished().await == 2).await;
    assert_eq!(bench.messages(Stream::Accounts).await.len(), 10);
    bench.finish().await;
}

#[tokio::test]
async fn jobs_that_a_full_queue_refuses_hold_up_no_event_and_leave_when_there_is_room() {
    // As many as the queue holds, and more than a relay claims at once.
    const FULL: u64 = 100_000;
    const REFUSED: i64 = 600;
    let bench = Bench::new().await;
    bench.nats.ensure_streams().await.unwrap();
    let subject = bench.nats.subject("jobs.notify.message.v1");
    for _ in 0..FULL {
        let client = bench.nats.client();
        client.publish(subject.clone(), "".into()).await.unwrap();
    }
    let name = bench.nats.stream_name(Stream::Notify);
    let mut queue = bench.nats.jetstream().get_stream(name).await.unwrap();
    let waiting = async |queue: &mut Queue| queue.info().await.unwrap().state.messages;
    while waiting(&mut queue).await < FULL {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..REFUSED {
        let id = bench.clock.new_id();
        let job = NewEvent::new("jobs.notify.message.v1", id, 0, &json!({}), &bench.clock);
        outbox::append(&bench.pool, &job).await.unwrap();
    }
    bench.start_relay();
    let refused = "SELECT count(*) FROM outbox WHERE attempts > 0";
    eventually("every job was refused", async || {
        bench.count(refused).await == REFUSED
    })
    .await;
    bench.append_many(1).await;
    eventually("the event is published", async || {
        bench.unpublished().await == REFUSED
    })
    .await;
    assert_eq!(bench.messages(Stream::Accounts).await.len(), 1);
    queue.purge().await.unwrap();
    eventually("the jobs have left", async || {
        bench.unpublished().await == 0
    })
    .await;
    assert_eq!(waiting(&mut queue).await, REFUSED as u64);
    bench.finish().await;
}

#[tokio::test]
async fn what_waits_behind_an_event_that_cannot_leave_holds_up_no_other() {
    // More than a relay claims at once.
    const BEHIND: i64 = 300;
    let bench = Bench::new().await;
    let user = bench.clock.new_id();
    let stuck = NewEvent::new("evt.nowhere.v1", user, 1, &json!({}), &bench.clock);
    outbox::append(&bench.pool, &stuck).await.unwrap();
    for version in 2..BEHIND + 2 {
        bench.append(user, version).await;
    }
    bench.start_relay();
    bench.append_many(5).await;
    eventually("the others are published", async || {
        bench.unpublished().await == BEHIND + 1
    })
    .await;
    assert_eq!(bench.messages(Stream::Accounts).await.len(), 5);
    // Somebody mends it.
    sqlx::query("UPDATE outbox SET subject = $2 WHERE id = $1")
        .bind(stuck.id)
        .bind(SUBJECT)
        .execute(&bench.pool)
        .await
        .unwrap();
    eventually("all have left", async || bench.unpublished().await == 0).await;
    let messages = bench.messages(Stream::Accounts).await;
    let versions = messages[5..].iter().map(|message| {
        let version = message.headers.get("ce-aggregateversion").unwrap();
        version.as_str().parse::<i64>().unwrap()
    });
    assert!(versions.eq(1..=BEHIND + 1), "in the order of writing");
    bench.finish().await;
}
