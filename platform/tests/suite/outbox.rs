use std::collections::HashMap;

use chrono::TimeDelta;
use platform::{
    clock::Clock as _,
    nats::Stream,
    outbox::{self, NewEvent},
    testing::eventually,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Bench, SUBJECT, corner};

#[tokio::test]
async fn an_event_leaves_as_a_cloudevent_as_soon_as_its_work_is_committed() {
    let bench = Bench::new().await;
    bench.start_relay();
    let user = bench.clock.new_id();
    let mut event = NewEvent::new(SUBJECT, user, 7, &json!({ "user_id": user }), &bench.clock);
    event.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    let mut work = platform::postgres::begin(&bench.pool).await.unwrap();
    outbox::append(&mut *work, &event).await.unwrap();
    work.commit().await.unwrap();

    eventually("the event is published", async || {
        bench.unpublished().await == 0
    })
    .await;
    let messages = bench.messages(Stream::Accounts).await;
    let [message] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(bench.nats.event_type(&message.subject), SUBJECT);
    assert_eq!(
        serde_json::from_slice::<Value>(&message.payload).unwrap(),
        json!({ "user_id": user })
    );
    let header = |name: &str| message.headers.get(name).map(|value| value.as_str());
    let id = event.id.to_string();
    assert_eq!(header("Nats-Msg-Id"), Some(id.as_str()));
    assert_eq!(header("ce-id"), Some(id.as_str()));
    assert_eq!(header("ce-specversion"), Some("1.0"));
    assert_eq!(header("ce-type"), Some(SUBJECT));
    assert_eq!(header("ce-source"), Some("portico/test"));
    assert_eq!(header("ce-subject"), Some(user.to_string().as_str()));
    assert_eq!(header("ce-aggregateversion"), Some("7"));
    assert_eq!(header("ce-datacontenttype"), Some("application/json"));
    assert_eq!(header("traceparent"), event.traceparent.as_deref());
    let time: chrono::DateTime<chrono::Utc> = header("ce-time").unwrap().parse().unwrap();
    assert!((time - event.occurred_at).abs() < TimeDelta::milliseconds(1));
    bench.finish().await;
}

#[tokio::test]
async fn work_that_is_rolled_back_tells_nobody() {
    let bench = Bench::new().await;
    bench.start_relay();
    let mut work = platform::postgres::begin(&bench.pool).await.unwrap();
    let user = bench.clock.new_id();
    let lost = NewEvent::new(SUBJECT, user, 1, &json!({}), &bench.clock);
    outbox::append(&mut *work, &lost).await.unwrap();
    work.rollback().await.unwrap();
    let kept = bench.append(user, 1).await;
    eventually("the later event is published", async || {
        bench
            .count("SELECT count(*) FROM outbox WHERE published_at IS NOT NULL")
            .await
            == 1
    })
    .await;
    let messages = bench.messages(Stream::Accounts).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(
        messages[0].headers.get("ce-id").unwrap().as_str(),
        kept.id.to_string()
    );
    bench.finish().await;
}

#[tokio::test]
async fn two_relays_share_the_work_and_keep_the_order_of_each_aggregate() {
    const VERSIONS: i64 = 40;
    let bench = Bench::new().await;
    let users: Vec<Uuid> = (0..25).map(|_| bench.clock.new_id()).collect();
    for version in 1..=VERSIONS / 2 {
        for user in &users {
            bench.append(*user, version).await;
        }
    }
    bench.start_relay();
    bench.start_relay();
    for version in VERSIONS / 2 + 1..=VERSIONS {
        for user in &users {
            bench.append(*user, version).await;
        }
    }
    eventually("everything is published", async || {
        bench.unpublished().await == 0
    })
    .await;
    let mut last: HashMap<String, i64> = HashMap::new();
    for message in bench.messages(Stream::Accounts).await {
        let header = |name: &str| message.headers.get(name).unwrap().as_str();
        let version: i64 = header("ce-aggregateversion").parse().unwrap();
        let before = last
            .insert(header("ce-subject").to_owned(), version)
            .unwrap_or(0);
        assert_eq!(version, before + 1, "one event after another, each once");
    }
    assert_eq!(last.len(), users.len());
    assert!(last.values().all(|version| *version == VERSIONS));
    bench.finish().await;
}

#[tokio::test]
async fn an_event_that_was_published_but_not_marked_has_its_effect_once() {
    // JetStream forgets ids at once here: the inbox has to know the repeat.
    let bench = Bench::with(platform::nats::NatsSettings {
        duplicate_window_s: platform::config::Seconds(0),
        ..corner()
    })
    .await;
    // A relay that dies between publishing and marking leaves what a failed
    // UPDATE leaves: a message, and a row that looks unpublished.
    sqlx::raw_sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'killed here'; END $$;
         CREATE TRIGGER fail BEFORE UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION fail();",
    )
    .execute(&bench.pool)
    .await
    .unwrap();
    bench.start_effects();
    bench.start_relay();
    bench.append_many(3).await;
    eventually("the same events were published again", async || {
        let name = bench.nats.stream_name(Stream::Accounts);
        match bench.nats.jetstream().get_stream(name).await {
            Ok(stream) => stream.cached_info().state.messages >= 9,
            Err(_) => false,
        }
    })
    .await;
    sqlx::query("DROP TRIGGER fail ON outbox")
        .execute(&bench.pool)
        .await
        .unwrap();
    eventually("the rows are marked", async || {
        bench.unpublished().await == 0
    })
    .await;
    eventually("every delivery was handled", async || {
        let name = bench.nats.stream_name(Stream::Accounts);
        let stream = bench.nats.jetstream().get_stream(name).await.unwrap();
        let info = stream.consumer_info("test").await.unwrap();
        info.num_pending == 0 && info.num_ack_pending == 0
    })
    .await;
    assert_eq!(bench.effects().await, 3);
    bench.finish().await;
}

#[tokio::test]
async fn published_events_are_swept_after_a_day_and_unpublished_ones_never() {
    let bench = Bench::new().await;
    bench.start_relay();
    bench.append_many(3).await;
    eventually("they are published", async || {
        bench.unpublished().await == 0
    })
    .await;
    let stuck = NewEvent::new(
        "evt.nowhere.v1",
        bench.clock.new_id(),
        1,
        &json!({}),
        &bench.clock,
    );
    outbox::append(&bench.pool, &stuck).await.unwrap();
    bench.clock.advance(TimeDelta::hours(25));
    // A relay sweeps when it starts.
    bench.start_relay();
    eventually("only the unpublished one is left", async || {
        bench.count("SELECT count(*) FROM outbox").await == 1
    })
    .await;
    assert_eq!(bench.unpublished().await, 1);
    bench.finish().await;
}

#[tokio::test]
async fn the_inbox_knows_what_a_consumer_had_until_it_is_swept() {
    let bench = Bench::new().await;
    let id = bench.clock.new_id();
    let first_time = async |consumer| {
        platform::inbox::first_time(&bench.pool, consumer, id)
            .await
            .unwrap()
    };
    assert!(first_time("a").await);
    assert!(!first_time("a").await);
    assert!(first_time("b").await, "another consumer has its own");
    let swept = platform::inbox::sweep(&bench.pool, bench.clock.now() + TimeDelta::hours(1)).await;
    assert!(!swept.unwrap(), "nothing is left");
    assert!(first_time("a").await);
    bench.finish().await;
}

#[tokio::test]
async fn bad_rows_are_refused_by_their_constraint() {
    let bench = Bench::new().await;
    let good = NewEvent::new(SUBJECT, bench.clock.new_id(), 1, &json!({}), &bench.clock);
    let cases = [
        (
            NewEvent {
                subject: "other.user",
                ..good.clone()
            },
            "outbox_subject_check",
        ),
        (
            NewEvent {
                data: json!([1]),
                ..good.clone()
            },
            "outbox_data_check",
        ),
        (
            NewEvent {
                data: json!({ "a": "b".repeat(70_000) }),
                ..good.clone()
            },
            "outbox_data_is_small",
        ),
        (
            NewEvent {
                aggregate_version: -1,
                ..good
            },
            "outbox_aggregate_version_check",
        ),
    ];
    for (event, constraint) in cases {
        let error = outbox::append(&bench.pool, &event).await.unwrap_err();
        let refused = error
            .as_database_error()
            .and_then(|error| error.constraint());
        assert_eq!(refused, Some(constraint));
    }
    bench.finish().await;
}
