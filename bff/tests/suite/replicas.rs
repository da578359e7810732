//! Two replicas that keep what they have read: a change on one is seen on the
//! other within a second, and within half a minute when nobody hears of it.

use futures::future::join_all;
use http::{Method, StatusCode};
use platform::{
    config::Millis,
    testing::{Fault, Proxy},
};
use serde_json::{Value, json};

use crate::{
    helpers::{Answer, BOUND, TestApp, eventually, within},
    life::house::House,
    money::{Bank, Person, usd},
    orders_stub::OrdersStub,
    worker::TestWorker,
};

struct Pair {
    here: Bank,
    there: TestApp,
    /// The other replica's way to NATS.
    way: Proxy,
    _orders: OrdersStub,
    _worker: TestWorker,
}

impl Pair {
    async fn start() -> Self {
        let orders = OrdersStub::start();
        let app = TestApp::with(|settings| {
            settings.orders.url = orders.url();
            settings.reads.wait_ms = Millis(2_000);
        });
        let here = Bank::of(app.await).await;
        let mut settings = here.app.settings.clone();
        let way = Proxy::stand_before(&mut settings.nats.url);
        Self {
            there: here.app.replica_with(settings).await,
            _worker: here.app.worker().await,
            here,
            way,
            _orders: orders,
        }
    }

    async fn rename(&self, person: &Person, name: &str) {
        let request = self.here.app.request(Method::PATCH, "/v1/me");
        let request = request.bearer_auth(&person.token);
        let answer = Answer::of(request.json(&json!({ "full_name": name }))).await;
        answer.expect(StatusCode::OK);
    }

    /// What the other replica shows.
    async fn shown(&self, person: &Person) -> Value {
        let home = self
            .there
            .get("/v1/screens/home", Some(&person.token))
            .await;
        home.expect(StatusCode::OK).json()["data"].clone()
    }

    async fn name(&self, person: &Person) -> Value {
        self.shown(person).await["profile"]["full_name"].clone()
    }

    /// Waits until the other replica has heard of a change.
    async fn in_step(&self, person: &Person) {
        let mut number = 0;
        eventually("the replicas are in step", async || {
            self.name(person).await;
            number += 1;
            let name = format!("Number {number}");
            self.rename(person, &name).await;
            tokio::time::timeout(BOUND, async {
                while self.name(person).await != name.as_str() {}
            })
            .await
            .is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn a_change_on_one_replica_is_seen_on_the_other_within_a_second() {
    let pair = Pair::start().await;
    let bank = &pair.here;
    let (ann, bob) = (bank.person("ann", 100).await, bank.person("bob", 0).await);
    pair.in_step(&ann).await;
    for round in 1..=10 {
        // Both are in that replica's memory.
        pair.shown(&ann).await;
        pair.shown(&bob).await;
        let name = format!("Ann {round}");
        pair.rename(&ann, &name).await;
        within(BOUND, "the name", async || {
            pair.name(&ann).await == name.as_str()
        })
        .await;
        let paid = bank.transfer(&ann, &bob, "1.00").await;
        paid.expect(StatusCode::CREATED);
        for (person, amount) in [(&ann, 100 - round), (&bob, round)] {
            let balance = usd(&format!("{amount}.00"));
            within(BOUND, "the balance", async || {
                pair.shown(person).await["accounts"][0]["balance"] == balance
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_change_to_an_order_is_seen_on_each_replica_within_a_second() {
    let house = House::new().await;
    let replicas = [&house.app, &house.app.replica().await];
    house.app.hears_of_changes().await;
    let ann = house.person("ann").await;
    house.cancel(house.order(&ann).await).await;
    let mut sql = house.orders_sql().await;
    eventually("the orders service tells of changes", async || {
        let waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
        let waiting = sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut sql);
        waiting.await.unwrap() == 0
    })
    .await;
    // As many as are shown.
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(house.order(&ann).await);
    }
    // How many of them are shown as cancelled, and where that is from.
    let shown = async |replica: &TestApp| {
        let path = "/v1/screens/home";
        let home = replica.get(path, Some(&ann.tokens.access)).await;
        let home = home.expect(StatusCode::OK).json();
        let orders = home["data"]["orders"].as_array().into_iter().flatten();
        let cancelled = orders.filter(|order| order["state"] == "cancelled");
        (cancelled.count(), home["parts"]["orders"]["source"].clone())
    };
    for (before, order) in orders.into_iter().enumerate() {
        for replica in replicas {
            eventually("it is in memory", async || {
                shown(replica).await == (before, json!("l1"))
            })
            .await;
        }
        house.cancel(order).await;
        within(BOUND, "the cancelled order", async || {
            let all = join_all(replicas.map(shown)).await;
            all.into_iter()
                .all(|(cancelled, _)| cancelled == before + 1)
        })
        .await;
    }
}

#[tokio::test]
async fn a_change_that_is_not_heard_of_is_seen_when_memory_may_not_be_believed_any_more() {
    let pair = Pair::start().await;
    let ann = pair.here.person("ann", 0).await;
    pair.in_step(&ann).await;
    for fault in [Fault::BlackHole, Fault::Refuse] {
        pair.rename(&ann, "Ann Lee").await;
        within(BOUND, "the name", async || {
            pair.name(&ann).await == "Ann Lee"
        })
        .await;
        pair.way.set(fault);
        eventually("it is in memory", async || {
            let home = pair.there.get("/v1/screens/home", Some(&ann.token)).await;
            home.json()["parts"]["profile"]["source"] == "l1"
        })
        .await;
        pair.rename(&ann, "Ann Smith").await;
        // The event is out, and the other replica didn't get it.
        let unpublished = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
        eventually("the event is out", async || {
            pair.here.count(unpublished).await == 0
        })
        .await;
        assert_eq!(pair.name(&ann).await, "Ann Lee");
        pair.there.advance(chrono::TimeDelta::seconds(31));
        assert_eq!(pair.name(&ann).await, "Ann Smith");
        pair.way.heal();
        pair.in_step(&ann).await;
    }
}
