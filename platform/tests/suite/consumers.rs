use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use platform::{
    consumer::{Consumer, DeadLetters, Failure},
    nats::Stream,
    shutdown::Lifetime,
    testing::eventually,
};

use crate::support::{Bench, once};

#[tokio::test]
async fn a_message_whose_handler_fails_is_tried_again_until_it_succeeds() {
    let bench = Bench::new().await;
    bench.start_relay();
    let pool = bench.pool.clone();
    bench.start(bench.consumer(), move |delivery| {
        let pool = pool.clone();
        async move {
            match delivery.deliveries {
                1 => Err(Failure::Retry("not yet".into())),
                2 => panic!("a bug"),
                _ => once(pool, delivery).await,
            }
        }
    });
    bench.append_many(5).await;
    eventually("all were handled", async || bench.effects().await == 5).await;
    assert!(bench.messages(Stream::Dead).await.is_empty());
    bench.finish().await;
}

#[tokio::test]
async fn a_long_handler_keeps_its_message() {
    let bench = Bench::new().await;
    bench.start_relay();
    let started = Arc::new(AtomicI64::new(0));
    let (pool, count) = (bench.pool.clone(), started.clone());
    let consumer = Consumer {
        ack_wait: Duration::from_millis(300),
        ..bench.consumer()
    };
    bench.start(consumer, move |delivery| {
        count.fetch_add(1, Ordering::SeqCst);
        let pool = pool.clone();
        async move {
            // Six times as long as JetStream waits for an answer.
            tokio::time::sleep(Duration::from_millis(1_800)).await;
            once(pool, delivery).await
        }
    });
    bench.append_many(1).await;
    eventually("it was handled", async || bench.effects().await == 1).await;
    assert_eq!(started.load(Ordering::SeqCst), 1);
    bench.finish().await;
}

#[tokio::test]
async fn a_handler_that_never_ends_is_stopped_and_given_up() {
    let bench = Bench::new().await;
    bench.start_relay();
    let consumer = Consumer {
        limit: Duration::from_millis(50),
        ..bench.consumer()
    };
    bench.start(consumer, |_| std::future::pending());
    bench.append_many(1).await;
    let letters = DeadLetters::new(bench.nats.clone());
    eventually("it is a dead letter", async || {
        letters.list(10).await.unwrap().len() == 1
    })
    .await;
    assert_eq!(letters.list(10).await.unwrap()[0].reason, "took over 50ms");
    bench.finish().await;
}

#[tokio::test]
async fn a_message_that_kills_every_process_ends_as_a_dead_letter() {
    let bench = Bench::new().await;
    bench.start_relay();
    bench.append_many(1).await;
    let consumer = Consumer {
        max_deliver: 2,
        ack_wait: Duration::from_millis(200),
        ..bench.consumer()
    };
    for _ in 0..2 {
        let started = Arc::new(AtomicI64::new(0));
        let count = started.clone();
        let process = tokio::spawn({
            let consumer = consumer.clone();
            async move {
                let handler = move |_| {
                    count.fetch_add(1, Ordering::SeqCst);
                    std::future::pending()
                };
                consumer.run(&Lifetime::new(), handler).await;
            }
        });
        eventually("the handler runs", async || {
            started.load(Ordering::SeqCst) == 1
        })
        .await;
        process.abort();
    }
    bench.start(consumer, |_| async { panic!("it was tried twice already") });
    let letters = DeadLetters::new(bench.nats.clone());
    eventually("it is a dead letter", async || {
        letters.list(10).await.unwrap().len() == 1
    })
    .await;
    let letter = &letters.list(10).await.unwrap()[0];
    assert_eq!(letter.reason, "every attempt ended without an answer");
    bench.finish().await;
}

#[tokio::test]
async fn no_more_messages_are_handled_at_once_than_allowed() {
    let bench = Bench::new().await;
    bench.start_relay();
    let (now, most) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let (pool, running, peak) = (bench.pool.clone(), now, most.clone());
    let consumer = Consumer {
        concurrency: 3,
        ..bench.consumer()
    };
    bench.start(consumer, move |delivery| {
        let (pool, running, peak) = (pool.clone(), running.clone(), peak.clone());
        async move {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let outcome = once(pool, delivery).await;
            running.fetch_sub(1, Ordering::SeqCst);
            outcome
        }
    });
    bench.append_many(60).await;
    eventually("all were handled", async || bench.effects().await == 60).await;
    let most = most.load(Ordering::SeqCst);
    assert!((2..=3).contains(&most), "{most}");
    bench.finish().await;
}
