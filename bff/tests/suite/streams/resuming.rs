use http::StatusCode;
use platform::testing::Server;

use super::{Listener, app};
use crate::{
    helpers::TestApp,
    money::{Bank, Person, id},
};

/// A transfer's id.
async fn pay(bank: &Bank, from: &Person, to: &Person) -> String {
    let answer = bank.transfer(from, to, "0.01").await;
    id(&answer.expect(StatusCode::CREATED).json()["transfer"])
}

#[tokio::test]
async fn who_comes_back_is_told_what_they_missed_in_order_on_any_replica() {
    let bank = Bank::of(app().await).await;
    let _worker = bank.app.worker().await;
    let (ann, bob) = (bank.person("ann", 1).await, bank.person("bob", 1).await);
    let mut stream = Listener::open(&bank.app, &ann.token, None).await;
    stream.in_step().await;
    let seen = pay(&bank, &ann, &bob).await;
    while stream.until("transfer.posted").await["id"] != seen {}
    let last = stream.last.clone().unwrap();
    drop(stream);

    let mut missed = Vec::new();
    for _ in 0..5 {
        missed.push(pay(&bank, &bob, &ann).await);
    }
    // Another replica begins later, and knows what was before it.
    let other = bank.app.replica().await;
    for app in [&bank.app, &other] {
        let mut ready = Listener::open(app, &bob.token, None).await;
        ready.in_step().await;
        let mut stream = Listener::open(app, &ann.token, Some(&last)).await;
        for id in &missed {
            let (event, data) = stream.next().await.unwrap();
            assert_eq!(
                (event.as_str(), data["id"].as_str()),
                ("transfer.posted", Some(id.as_str()))
            );
        }
    }
}

#[tokio::test]
async fn who_missed_more_than_is_remembered_is_told_to_look_anew() {
    let app = TestApp::with(|settings| {
        settings.streams.heartbeat_s = platform::config::Seconds(1);
        settings.streams.remembered = 3;
    })
    .await;
    let bank = Bank::of(app).await;
    let _worker = bank.app.worker().await;
    let (ann, bob) = (bank.person("ann", 1).await, bank.person("bob", 0).await);
    let mut stream = Listener::open(&bank.app, &ann.token, None).await;
    stream.in_step().await;
    let last = stream.last.clone().unwrap();
    let mut newest = String::new();
    for _ in 0..5 {
        newest = pay(&bank, &ann, &bob).await;
    }
    while stream.until("transfer.posted").await["id"] != newest {}
    let mut back = Listener::open(&bank.app, &ann.token, Some(&last)).await;
    let (event, _) = back.next().await.unwrap();
    assert_eq!(event, "reset");
    // Neither is an id believed that this system never gave.
    let mut foreign = Listener::open(&bank.app, &ann.token, Some("999999-999999")).await;
    assert_eq!(foreign.next().await.unwrap().0, "reset");
}

#[tokio::test]
async fn with_nats_away_streams_wait_and_then_their_clients_look_anew() {
    let mut nats = Server::nats().await;
    let url = nats.url();
    nats.kill().await;
    let app = TestApp::with(|settings| {
        settings.nats.url = url;
        settings.streams.heartbeat_s = platform::config::Seconds(1);
    })
    .await;
    let bank = Bank::of(app).await;
    let (ann, bob) = (bank.person("ann", 1).await, bank.person("bob", 0).await);
    let _worker = bank.app.worker().await;
    let mut stream = Listener::open(&bank.app, &ann.token, None).await;
    // Whatever happens meanwhile, they find when they look.
    pay(&bank, &ann, &bob).await;
    nats.restart().await;
    stream.until("reset").await;
    let paid = pay(&bank, &ann, &bob).await;
    while stream.until("transfer.posted").await["id"] != paid {}
    // Nothing is missed by a stream that stays open while NATS is away.
    nats.kill().await;
    let paid = pay(&bank, &ann, &bob).await;
    nats.restart().await;
    loop {
        let (event, data) = stream.next().await.unwrap();
        assert_ne!(event, "reset");
        if data["id"] == paid {
            break;
        }
    }
}
