//! Who looks at a screen sees what happened, soon.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::{Value, json};

use super::Bank;
use crate::{
    helpers::{TestApp, eventually},
    orders_stub::OrdersStub,
};

/// How long a screen may take to follow.
const SOON: Duration = Duration::from_secs(1);

#[tokio::test]
async fn the_home_screens_of_both_sides_follow_a_transfer_within_a_second_on_every_replica() {
    let orders = OrdersStub::start();
    let bank = Bank::of(TestApp::with(|settings| settings.orders.url = orders.url()).await).await;
    let other = bank.app.replica().await;
    let _worker = bank.app.worker().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let home = async |app: &TestApp, token: &str| -> Value {
        let home = app.get("/v1/screens/home", Some(token)).await;
        let json = home.expect(StatusCode::OK).json();
        json["data"]["accounts"][0]["balance"]["amount"].clone()
    };
    let all = async || {
        [
            home(&bank.app, &ann.token).await,
            home(&other, &ann.token).await,
            home(&bank.app, &bob.token).await,
            home(&other, &bob.token).await,
        ]
    };
    // Everything is cached everywhere, and every replica hears the events.
    eventually("the replicas follow", async || {
        (all().await == ["10.00", "10.00", "0.00", "0.00"]).then_some(())
    })
    .await;
    for number in 1..=3 {
        bank.transfer(&ann, &bob, "1.00")
            .await
            .expect(StatusCode::CREATED);
        let began = Instant::now();
        // Who did it sees it at once.
        let left = json!(format!("{}.00", 10 - number));
        assert_eq!(home(&bank.app, &ann.token).await, left);
        let came = json!(format!("{number}.00"));
        let expected = [left.clone(), left, came.clone(), came];
        eventually("the screens to follow", async || {
            (all().await == expected).then_some(())
        })
        .await;
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn the_worker_lets_holds_expire() {
    use bff::accounts::money::{NewHold, place_hold};
    use platform::{clock::Clock as _, currency::Currency, money::Money};

    let bank = Bank::open().await;
    let ann = bank.person("ann", 10).await;
    let hold = NewHold {
        id: bank.app.clock.new_id(),
        account_id: ann.account.parse().unwrap(),
        user_id: ann.id,
        amount: Money::from_minor(100, Currency::Usd).unwrap(),
        expires_at: bank.app.clock.now() + TimeDelta::minutes(15),
    };
    place_hold(&mut bank.app.superuser().await, &hold, &bank.app.clock)
        .await
        .unwrap()
        .unwrap();
    let _worker = bank.app.worker().await;
    bank.app.advance(TimeDelta::minutes(15));
    eventually("the hold to expire", async || {
        let expired = "SELECT count(*) FROM holds WHERE state = 'expired'";
        (bank.count(expired).await == 1).then_some(())
    })
    .await;
    eventually("the event to leave", async || {
        let left = "SELECT count(*) FROM outbox WHERE subject LIKE '%hold.expired%' AND published_at IS NOT NULL";
        (bank.count(left).await == 1).then_some(())
    })
    .await;
}
