use chrono::TimeDelta;
use platform::{
    config::Seconds,
    nats::{NatsSettings, Stream},
    shutdown::Lifetime,
    testing::{Server, nats_url, unique_name},
};

use super::smtp::Smtp;
use crate::{
    helpers::eventually,
    messaging::{Logs, Messaging},
};

#[tokio::test]
async fn with_nats_away_codes_wait_in_the_outbox_and_leave_once_when_it_returns() {
    let mut nats = Server::nats().await;
    nats.kill().await;
    let settings = NatsSettings {
        url: nats.url(),
        ..NatsSettings::default()
    };
    let mut messaging = Messaging::with(&settings).await;
    let smtp = Smtp::answering(&[]).await;
    messaging.mail_to(&smtp.url());
    messaging.start_worker();
    for n in 0..10 {
        let message = messaging.code(&format!("user{n}@example.com"), "271828");
        messaging.enqueue(&message).await;
    }
    assert_eq!(smtp.given(), 0);
    nats.restart().await;
    eventually("every mail was taken", async || smtp.taken().len() == 10).await;
    nats.restart().await;
    eventually("all are marked", async || messaging.handled().await == 10).await;
    let mut recipients: Vec<_> = smtp.taken().into_iter().map(|mail| mail.to).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((recipients.len(), smtp.given()), (10, 10));
    messaging.finish().await;
}

#[tokio::test]
async fn a_job_that_is_delivered_again_is_not_sent_again() {
    // JetStream recognises no repeats here.
    let settings = NatsSettings {
        url: nats_url(),
        prefix: unique_name(),
        duplicate_window_s: Seconds(0),
        ..NatsSettings::default()
    };
    let mut messaging = Messaging::with(&settings).await;
    let smtp = Smtp::answering(&[]).await;
    messaging.mail_to(&smtp.url());
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    eventually("it is marked", async || messaging.handled().await == 1).await;
    for round in 2..=3 {
        eventually("it was published again and dealt with", async || {
            // As after a relay's crash between publishing and marking. The shortest
            // time for which repeats are recognised is longer than a relay's pause.
            let again = "UPDATE outbox SET published_at = NULL";
            let again = sqlx::query(again).execute(&messaging.superuser);
            again.await.unwrap();
            let name = messaging.nats.stream_name(Stream::Notify);
            let stream = messaging.nats.jetstream().get_stream(name).await.unwrap();
            let state = &stream.cached_info().state;
            state.last_sequence >= round && state.messages == 0
        })
        .await;
    }
    assert_eq!(smtp.given(), 1);
    messaging.finish().await;
}

#[tokio::test]
async fn two_workers_send_each_message_once() {
    let mut messaging = Messaging::new().await;
    let smtp = Smtp::answering(&[]).await;
    messaging.mail_to(&smtp.url());
    for n in 0..40 {
        let message = messaging.code(&format!("user{n}@example.com"), "271828");
        messaging.enqueue(&message).await;
    }
    messaging.start_worker();
    messaging.start_worker();
    eventually("all are marked", async || messaging.handled().await == 40).await;
    assert_eq!((smtp.taken().len(), smtp.given()), (40, 40));
    messaging.finish().await;
}

#[tokio::test]
async fn a_code_that_waited_too_long_is_not_sent_and_the_log_says_so_once() {
    let (logs, _guard) = Logs::capture();
    let mut messaging = Messaging::new().await;
    let smtp = Smtp::answering(&[]).await;
    messaging.mail_to(&smtp.url());
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    messaging.clock.advance(TimeDelta::minutes(6));
    messaging.start_worker();
    eventually("it was given up", async || messaging.handled().await == 1).await;
    messaging
        .enqueue(&messaging.code("bob@example.com", "314159"))
        .await;
    eventually("a later one is sent", async || smtp.taken().len() == 1).await;
    assert!(smtp.taken()[0].to.contains("bob@"));

    let logs = logs.text();
    let told: Vec<_> = logs
        .lines()
        .filter(|line| line.contains("was not sent"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("a***@example.com") && told[0].contains("expired"));
    assert!(!logs.contains("271828"), "the code is in the log");
    messaging.finish().await;
}

#[tokio::test]
async fn a_code_that_never_left_the_outbox_is_told_of_too() {
    let (logs, _guard) = Logs::capture();
    let mut nats = Server::nats().await;
    nats.kill().await;
    let settings = NatsSettings {
        url: nats.url(),
        ..NatsSettings::default()
    };
    let messaging = Messaging::with(&settings).await;
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    messaging.clock.advance(TimeDelta::minutes(6));
    messaging.start_worker();
    eventually("it is told of", async || {
        logs.text()
            .contains("a message was not sent to=\"a***@example.com\" reason=\"expired\"")
    })
    .await;
    messaging.finish().await;
}

#[tokio::test]
async fn a_decoy_goes_all_the_way_and_is_sent_to_nobody() {
    let mut messaging = Messaging::new().await;
    let smtp = Smtp::answering(&[]).await;
    messaging.mail_to(&smtp.url());
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("nobody@example.com", "271828").decoy())
        .await;
    eventually("it is marked", async || messaging.handled().await == 1).await;
    messaging
        .enqueue(&messaging.code("ann@example.com", "314159"))
        .await;
    eventually("a real one is sent", async || smtp.taken().len() == 1).await;
    assert!(smtp.taken()[0].to.contains("ann@"));
    assert_eq!(smtp.given(), 1);
    messaging.finish().await;
}

#[tokio::test]
async fn neither_outbox_nor_queue_shows_code_or_address() {
    let mut messaging = Messaging::new().await;
    // The mail server is busy: what was published stays in the queue.
    let smtp = Smtp::answering(&["451 later"; 100]).await;
    messaging.mail_to(&smtp.url());
    messaging
        .enqueue(&messaging.code("ann.lee@example.com", "271828"))
        .await;
    messaging.start_worker();
    eventually("it was tried", async || smtp.given() > 0).await;
    let rows: Vec<String> = sqlx::query_scalar("SELECT outbox::text FROM outbox")
        .fetch_all(&messaging.superuser)
        .await
        .unwrap();
    let name = messaging.nats.stream_name(Stream::Notify);
    let stream = messaging.nats.jetstream().get_stream(name).await.unwrap();
    let queued = stream.get_raw_message(1).await.unwrap();
    let body = String::from_utf8(queued.payload.to_vec()).unwrap();
    let queued = format!("{} {:?} {body}", queued.subject, queued.headers);
    assert!(rows.len() == 1 && queued.contains("sealed"), "{queued}");
    for text in rows.iter().chain([&queued]) {
        // Neither a dot nor an at sign is in what is sealed.
        for shown in ["271828", "ann.lee", "@example"] {
            assert!(!text.contains(shown), "{shown}: {text}");
        }
    }
    let keys = "SELECT count(*) FROM outbox, jsonb_object_keys(data) AS key
                WHERE key NOT IN ('sealed', 'expires_at')";
    assert_eq!(
        messaging.count(keys).await,
        0,
        "nothing stands beside the sealed message"
    );
    messaging.finish().await;
}

#[tokio::test]
async fn a_message_sealed_with_another_key_is_a_dead_letter_until_it_is_replayed() {
    let mut messaging = Messaging::new().await;
    let smtp = Smtp::answering(&[]).await;
    messaging.mail_to(&smtp.url());
    let right = messaging.sealer.clone();
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    messaging.sealer = bff::notify::Sealer::new([2; 32]);
    messaging.start_worker();
    eventually("it is a dead letter", async || {
        messaging
            .dead_letters()
            .await
            .contains("sealed with another key")
    })
    .await;
    assert!(
        messaging
            .lifetime
            .finish(std::time::Duration::from_secs(30))
            .await
    );

    messaging.lifetime = Lifetime::new();
    messaging.sealer = right;
    messaging.start_worker();
    let replayed = bff::events::dead_letters::replay(&messaging.nats, 1)
        .await
        .unwrap();
    assert_eq!(replayed, "jobs.notify.mail is back for notify\n");
    eventually("it is sent", async || smtp.taken().len() == 1).await;
    assert_eq!(messaging.dead_letters().await, "no dead letters\n");
    let again = bff::events::dead_letters::replay(&messaging.nats, 1)
        .await
        .unwrap_err();
    assert_eq!(again.to_string(), "there is no dead letter 1");
    messaging.finish().await;
}
