//! What is kept of a screen's parts, for how long, and until when.

use std::time::Duration;

use bff::{
    cache::Invalidate,
    screens::{Ask, Payload, home::HOME},
};
use platform::testing::Server;
use serde_json::Value;
use tonic::Code;

use super::stage::{Stage, read};
use crate::{helpers::eventually, orders_stub::Behaviour};

fn orders(payload: &Payload) -> Value {
    read(payload)["parts"]["orders"].clone()
}

/// The home screen of a replica that has nothing in memory. What was stored in
/// Redis is stored behind the back of whoever fetched it, so it takes a moment.
pub(super) async fn from_l2(stage: &Stage) -> Payload {
    eventually("the shared cache", async || {
        let (_, screens) = stage.replica();
        let payload = screens
            .show(&HOME, &stage.caller, &Ask::default())
            .await
            .unwrap();
        let parts = read(&payload)["parts"].clone();
        let all = parts
            .as_object()
            .unwrap()
            .values()
            .all(|part| part["source"] == "l2");
        all.then_some(payload)
    })
    .await
}

async fn rename(stage: &Stage, name: &str) {
    let mut db = stage.superuser().await;
    sqlx::query("UPDATE users SET full_name = $2 WHERE id = $1")
        .bind(stage.caller.user_id)
        .bind(name)
        .execute(&mut db)
        .await
        .unwrap();
}

fn name(payload: &Payload) -> String {
    read(payload)["data"]["profile"]["full_name"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn past_its_soft_time_a_part_is_served_stale_and_fetched_once_behind_the_back() {
    let stage = Stage::new().await;
    stage.home().await.unwrap();
    stage.advance(20);
    stage
        .orders
        .will(Behaviour::AnswerAfter(Duration::from_millis(200)));
    for _ in 0..10 {
        let payload = stage.home().await.unwrap();
        let part = orders(&payload);
        assert_eq!(
            (part["status"].as_str(), part["source"].as_str()),
            (Some("stale"), Some("l1"))
        );
        assert!(part["age_ms"].as_u64().unwrap() >= 20_000);
        assert_eq!(payload.etag, None, "what is stale isn't for keeping");
    }
    eventually("the new one", async || {
        (orders(&stage.home().await.unwrap())["status"] == "ok").then_some(())
    })
    .await;
    assert_eq!(stage.orders.count("list_orders"), 2);
}

#[tokio::test]
async fn while_orders_is_down_its_parts_are_stale_until_their_hard_time() {
    let stage = Stage::new().await;
    stage.home().await.unwrap();
    from_l2(&stage).await;
    stage.orders.will(Behaviour::Fail(Code::Unavailable));
    // Past the soft time, past what memory alone answers for, near the hard time.
    for seconds in [20, 20, 400] {
        stage.advance(seconds);
        let part = orders(&stage.home().await.unwrap());
        assert_eq!(part["status"], "stale", "{part}");
    }
    stage.advance(300);
    let part = orders(&stage.home().await.unwrap());
    assert_eq!(part["status"], "unavailable", "{part}");
}

#[tokio::test]
async fn without_redis_memory_still_has_what_orders_cant_bring() {
    let stage =
        Stage::with(|settings| settings.redis.url = "redis://127.0.0.1:1".parse().unwrap()).await;
    stage.home().await.unwrap();
    stage.orders.will(Behaviour::Fail(Code::Unavailable));
    stage.advance(40);
    let part = orders(&stage.home().await.unwrap());
    assert_eq!(
        (part["status"].as_str(), part["source"].as_str()),
        (Some("stale"), Some("l1"))
    );
}

#[tokio::test]
async fn a_change_is_seen_by_every_replica_that_heard_of_it() {
    let stage = Stage::new().await;
    let (cache, screens) = stage.replica();
    let there = async || {
        screens
            .show(&HOME, &stage.caller, &Ask::default())
            .await
            .unwrap()
    };
    stage.home().await.unwrap();
    from_l2(&stage).await;
    assert_eq!(name(&there().await), "Ann Lee");

    rename(&stage, "Ann Smith").await;
    assert_eq!(
        name(&stage.home().await.unwrap()),
        "Ann Lee",
        "nobody knows yet"
    );
    stage
        .cache
        .invalidate(Invalidate::User(stage.caller.user_id))
        .await;
    assert_eq!(name(&stage.home().await.unwrap()), "Ann Smith");
    assert_eq!(
        name(&there().await),
        "Ann Lee",
        "that replica's memory hasn't heard"
    );
    cache
        .invalidate(Invalidate::User(stage.caller.user_id))
        .await;
    assert_eq!(name(&there().await), "Ann Smith");
}

#[tokio::test]
async fn one_users_change_leaves_others_alone() {
    let stage = Stage::new().await;
    let other = stage.add_user().await;
    stage.home().await.unwrap();
    stage
        .cache
        .invalidate(Invalidate::User(other.user_id))
        .await;
    assert_eq!(orders(&stage.home().await.unwrap())["source"], "l1");
}

#[tokio::test]
async fn an_items_change_drops_what_lists_items() {
    let stage = Stage::new().await;
    stage.home().await.unwrap();
    stage
        .cache
        .invalidate(Invalidate::Item(uuid::Uuid::from_u128(9)))
        .await;
    let home = read(&stage.home().await.unwrap());
    assert_eq!(home["parts"]["recommendations"]["source"], "live");
    assert_eq!(home["parts"]["orders"]["source"], "l1");
}

#[tokio::test]
async fn a_fetch_that_a_change_overtook_isnt_kept() {
    let stage = Stage::new().await;
    stage
        .orders
        .will(Behaviour::AnswerAfter(Duration::from_millis(300)));
    let (screens, caller) = (stage.screens.clone(), stage.caller);
    let overtaken =
        tokio::spawn(async move { screens.show(&HOME, &caller, &Ask::default()).await });
    eventually("the calls", async || {
        (stage.orders.in_flight() == 2).then_some(())
    })
    .await;
    stage
        .cache
        .invalidate(Invalidate::User(stage.caller.user_id))
        .await;
    // Whoever comes after the change doesn't wait for what began before it.
    stage.orders.will(Behaviour::Answer);
    assert_eq!(orders(&stage.home().await.unwrap())["source"], "live");
    assert_eq!(stage.orders.count("list_orders"), 2);
    overtaken.await.unwrap().unwrap();
    let age = orders(&stage.home().await.unwrap());
    assert_eq!(
        (age["source"].as_str(), stage.orders.count("list_orders")),
        (Some("l1"), 2)
    );
    // Nor does it reach other replicas through Redis.
    rename(&stage, "Ann Smith").await;
    stage
        .cache
        .invalidate(Invalidate::User(stage.caller.user_id))
        .await;
    let (_, screens) = stage.replica();
    let there = screens
        .show(&HOME, &stage.caller, &Ask::default())
        .await
        .unwrap();
    assert_eq!(name(&there), "Ann Smith");
}

#[tokio::test]
async fn a_redis_that_lost_everything_is_filled_again() {
    let mut redis = Server::redis().await;
    let url = redis.url();
    let stage = Stage::with(|settings| settings.redis.url = url.clone()).await;
    from_l2(&stage).await;
    stage.home().await.unwrap();
    redis.restart().await;
    let client = redis::Client::open(url.expose().as_str()).unwrap();
    let mut client = client.get_multiplexed_async_connection().await.unwrap();
    let mut kept = async || redis::cmd("DBSIZE").query_async::<usize>(&mut client).await;
    assert_eq!(kept().await.unwrap(), 0);
    eventually("each part is kept there again", async || {
        // By then memory is believed no longer.
        stage.advance(31);
        stage.home().await.unwrap();
        kept().await.unwrap() >= 4
    })
    .await;
}

#[tokio::test]
async fn a_change_that_redis_wasnt_told_of_is_not_undone_by_redis() {
    let mut redis = Server::redis().await;
    let stage = Stage::with(|settings| settings.redis.url = redis.url()).await;
    stage.home().await.unwrap();
    from_l2(&stage).await;
    redis.stop();
    rename(&stage, "Ann Smith").await;
    stage
        .cache
        .invalidate(Invalidate::User(stage.caller.user_id))
        .await;
    redis.cont();
    stage.advance(2);
    eventually("Redis answers", async || {
        let payload = stage.home().await.unwrap();
        assert_eq!(name(&payload), "Ann Smith");
        stage
            .cache
            .invalidate(Invalidate::User(stage.caller.user_id))
            .await;
        stage.advance(2);
        (orders(&payload)["source"] == "live").then_some(())
    })
    .await;
    redis.kill().await;
}

#[tokio::test]
async fn after_events_may_have_been_missed_nothing_older_is_believed() {
    let stage = Stage::new().await;
    stage.home().await.unwrap();
    from_l2(&stage).await;
    rename(&stage, "Ann Smith").await;
    stage.cache.invalidate(Invalidate::Everything).await;
    let payload = stage.home().await.unwrap();
    assert_eq!(name(&payload), "Ann Smith");
    assert_eq!(orders(&payload)["source"], "live");
}
