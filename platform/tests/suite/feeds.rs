use std::sync::{Arc, Mutex};

use platform::{
    consumer::{Feed, Signal},
    nats::Stream,
    testing::{Server, eventually},
};
use uuid::Uuid;

use crate::support::{Bench, SUBJECT, settings};

/// What a feed told: an event's id, or `None` for a reset.
type Heard = Arc<Mutex<Vec<Option<Uuid>>>>;

fn follow(bench: &Bench, feed: Feed) -> Heard {
    let heard = Heard::default();
    let (lifetime, log) = (bench.lifetime.clone(), heard.clone());
    bench.lifetime.spawn(async move {
        feed.run(&lifetime, move |signal| {
            log.lock().unwrap().push(match signal {
                Signal::Reset { .. } => None,
                Signal::Event(delivery) => Some(delivery.id),
            });
        })
        .await;
    });
    heard
}

#[tokio::test]
async fn every_process_hears_of_every_event() {
    let bench = Bench::new().await;
    bench.start_relay();
    let feeds = [
        follow(&bench, Feed::new(bench.nats.clone(), Stream::Accounts)),
        follow(
            &bench,
            Feed::of(bench.nats.clone(), Stream::Accounts, SUBJECT),
        ),
    ];
    let other = follow(
        &bench,
        Feed::of(
            bench.nats.clone(),
            Stream::Accounts,
            "evt.accounts.session.>",
        ),
    );
    eventually("all follow", async || {
        feeds
            .iter()
            .chain([&other])
            .all(|heard| !heard.lock().unwrap().is_empty())
    })
    .await;
    let mut expected = vec![None];
    for version in 1..=20 {
        let user = Uuid::from_u128(1);
        expected.push(Some(bench.append(user, version).await.id));
    }
    for heard in &feeds {
        eventually("it heard everything", async || {
            heard.lock().unwrap().len() == 21
        })
        .await;
        assert_eq!(*heard.lock().unwrap(), expected);
    }
    assert_eq!(
        *other.lock().unwrap(),
        [None],
        "it asked for something else"
    );
    bench.finish().await;
}

#[tokio::test]
async fn a_lost_connection_resets_and_later_events_are_heard() {
    let mut server = Server::nats().await;
    let bench = Bench::with(settings(server.url())).await;
    bench.start_relay();
    let heard = follow(&bench, Feed::new(bench.nats.clone(), Stream::Accounts));
    eventually("it follows", async || heard.lock().unwrap().len() == 1).await;
    for round in 1..=2 {
        server.restart().await;
        eventually("it starts anew", async || {
            heard
                .lock()
                .unwrap()
                .iter()
                .filter(|signal| signal.is_none())
                .count()
                == 1 + round
        })
        .await;
        let id = bench.append(Uuid::from_u128(1), 1).await.id;
        eventually("a later event is heard", async || {
            heard.lock().unwrap().contains(&Some(id))
        })
        .await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_server_that_hung_resets_too() {
    let server = Server::nats().await;
    let bench = Bench::with(settings(server.url())).await;
    bench.start_relay();
    let heard = follow(&bench, Feed::new(bench.nats.clone(), Stream::Accounts));
    eventually("it follows", async || heard.lock().unwrap().len() == 1).await;
    server.stop();
    bench.append(Uuid::from_u128(1), 1).await;
    eventually("its silence is noticed", async || {
        bench.nats.check().is_err()
    })
    .await;
    server.cont();
    eventually("it starts anew", async || {
        heard
            .lock()
            .unwrap()
            .iter()
            .filter(|signal| signal.is_none())
            .count()
            > 1
    })
    .await;
    bench.finish().await;
}
