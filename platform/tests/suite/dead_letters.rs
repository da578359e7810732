use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use platform::consumer::{DeadLetters, Failure};
use platform::testing::eventually;

use crate::support::{Bench, SUBJECT, once};

#[tokio::test]
async fn a_message_that_keeps_failing_becomes_a_dead_letter_that_can_be_replayed() {
    let bench = Bench::new().await;
    bench.start_relay();
    let broken = Arc::new(AtomicBool::new(true));
    let (pool, fails) = (bench.pool.clone(), broken.clone());
    bench.start(bench.consumer(), move |delivery| {
        let (pool, fails) = (pool.clone(), fails.clone());
        async move {
            if fails.load(Ordering::SeqCst) {
                return Err(Failure::Retry("the line\nis broken".into()));
            }
            once(pool, delivery).await
        }
    });
    let user = platform::clock::Clock::new_id(&bench.clock);
    let event = bench.append(user, 1).await;
    let letters = DeadLetters::new(bench.nats.clone());
    eventually("it is a dead letter", async || {
        letters.list(10).await.unwrap().len() == 1
    })
    .await;

    let [letter] = &letters.list(10).await.unwrap()[..] else {
        panic!("one letter")
    };
    assert_eq!(letter.event_id, Some(event.id.to_string()));
    assert_eq!(letter.event_type, SUBJECT);
    assert_eq!(letter.consumer, "test");
    assert_eq!(letter.reason, "the line is broken");
    assert_eq!(letter.deliveries, "3");

    broken.store(false, Ordering::SeqCst);
    let replayed = letters.replay(letter.sequence).await.unwrap();
    assert_eq!(replayed.as_ref(), Some(letter));
    eventually("it had its effect", async || bench.effects().await == 1).await;
    assert!(letters.list(10).await.unwrap().is_empty());
    assert_eq!(letters.replay(letter.sequence).await.unwrap(), None);
    bench.finish().await;
}

#[tokio::test]
async fn a_message_that_can_never_be_handled_is_not_tried_again() {
    let bench = Bench::new().await;
    bench.start_relay();
    bench.start(bench.consumer(), |delivery| async move {
        delivery.json::<Vec<u8>>().map(|_| ())
    });
    bench.append_many(2).await;
    let letters = DeadLetters::new(bench.nats.clone());
    eventually("both are dead letters", async || {
        letters.list(10).await.unwrap().len() == 2
    })
    .await;
    for letter in letters.list(10).await.unwrap() {
        assert_eq!(letter.reason, "the payload doesn't fit (Data)");
        assert_eq!(letter.deliveries, "1");
    }
    assert_eq!(letters.list(1).await.unwrap().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn a_message_without_an_event_id_is_a_dead_letter() {
    let bench = Bench::new().await;
    bench.start_effects();
    bench.nats.ensure_streams().await.unwrap();
    let subject = bench.nats.subject(SUBJECT);
    let published = bench
        .nats
        .jetstream()
        .publish(subject, "{}".into())
        .await
        .unwrap();
    published.await.unwrap();
    let letters = DeadLetters::new(bench.nats.clone());
    eventually("it is a dead letter", async || {
        letters.list(10).await.unwrap().len() == 1
    })
    .await;
    assert_eq!(
        letters.list(10).await.unwrap()[0].reason,
        "not a CloudEvent"
    );
    bench.finish().await;
}
