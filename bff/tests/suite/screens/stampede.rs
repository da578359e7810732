//! Many ask at once for what is about to end, or has ended.

use std::time::Duration;

use bff::screens::{Ask, Payload, Screens, home::HOME};
use futures::future::join_all;
use rstest::rstest;
use serde_json::Value;

use super::stage::{Stage, read};
use crate::{helpers::eventually, orders_stub::Behaviour};

/// The home screen of so many waiters at once.
async fn crowd(stage: &Stage, screens: &Screens, count: usize) -> Vec<Payload> {
    let shown = (0..count).map(|_| {
        let (screens, caller) = (screens.clone(), stage.caller);
        tokio::spawn(async move { screens.show(&HOME, &caller, &Ask::default()).await })
    });
    let shown = join_all(shown).await;
    shown
        .into_iter()
        .map(|shown| shown.unwrap().unwrap())
        .collect()
}

fn orders(payload: &Payload) -> Value {
    read(payload)["parts"]["orders"].clone()
}

/// A screen whose parts are in memory, and are that old.
async fn aged(seconds: i64) -> Stage {
    let stage = Stage::new().await;
    stage.home().await.unwrap();
    super::cached::from_l2(&stage).await;
    stage
        .orders
        .will(Behaviour::AnswerAfter(Duration::from_millis(100)));
    stage.advance(seconds);
    stage
}

#[rstest]
// Orders are fresh for 13.5 to 16.5 s, memory answers for 30 s, Redis for 540 to 660.
#[case::past_its_soft_time(17)]
#[case::past_what_memory_answers_for(35)]
#[tokio::test]
async fn five_hundred_who_wait_for_something_stale_make_one_call(#[case] seconds: i64) {
    let stage = aged(seconds).await;
    for payload in crowd(&stage, &stage.screens, 500).await {
        assert_ne!(orders(&payload)["status"], "unavailable");
    }
    eventually("it is fresh again", async || {
        orders(&stage.home().await.unwrap())["status"] == "ok"
    })
    .await;
    assert_eq!(stage.orders.count("list_orders"), 2);
}

#[tokio::test]
async fn five_hundred_who_wait_for_something_that_ended_make_one_call() {
    let stage = aged(700).await;
    for payload in crowd(&stage, &stage.screens, 500).await {
        let part = orders(&payload);
        assert_eq!(
            (&part["status"], &part["source"]),
            (&"ok".into(), &"live".into())
        );
    }
    assert_eq!(stage.orders.count("list_orders"), 2);
}

#[tokio::test]
async fn the_first_of_five_hundred_may_leave_and_the_others_have_its_call() {
    let stage = aged(700).await;
    stage
        .orders
        .will(Behaviour::AnswerAfter(Duration::from_millis(300)));
    let (screens, caller) = (stage.screens.clone(), stage.caller);
    let first = tokio::spawn(async move { screens.show(&HOME, &caller, &Ask::default()).await });
    eventually("its call", async || stage.orders.in_flight() > 0).await;
    let crowd = crowd(&stage, &stage.screens, 499);
    let leave = async {
        // By then all of them have asked: they were spawned before.
        tokio::task::yield_now().await;
        first.abort();
    };
    for payload in tokio::join!(crowd, leave).0 {
        assert_eq!(orders(&payload)["status"], "ok");
    }
    assert_eq!(stage.orders.count("list_orders"), 2);
}

#[tokio::test]
async fn five_hundred_on_each_of_two_replicas_make_one_call_each() {
    let stage = aged(700).await;
    let (_cache, other) = stage.replica();
    let (here, there) = tokio::join!(
        crowd(&stage, &stage.screens, 500),
        crowd(&stage, &other, 500),
    );
    for payload in here.iter().chain(&there) {
        assert_eq!(orders(payload)["status"], "ok");
    }
    let calls = stage.orders.count("list_orders") - 1;
    assert!(calls <= 2, "{calls}");
}

#[tokio::test]
async fn a_failure_is_asked_for_once_by_all_who_wait() {
    let stage = aged(700).await;
    stage.orders.will(Behaviour::Fail(tonic::Code::Internal));
    for payload in crowd(&stage, &stage.screens, 500).await {
        assert_eq!(orders(&payload)["status"], "unavailable");
    }
    let calls = stage.orders.count("list_orders") - 1;
    // Whoever comes after the failure asks anew, and the circuit ends that.
    assert!(calls <= 10, "{calls}");
}
