//! Some seconds of what `make soak` does for minutes: guests, and faults that a
//! seed decides over. What is promised holds whatever the seed.

#[path = "../../benches/soak/arrival.rs"]
mod arrival;
#[path = "../../benches/soak/contract.rs"]
mod contract;
#[expect(dead_code, reason = "the soak itself prints more")]
#[path = "../../benches/soak/edge.rs"]
mod edge;
#[path = "../../benches/soak/guest.rs"]
mod guest;
#[path = "../../benches/soak/money.rs"]
mod money;
#[expect(dead_code, reason = "the soak itself prints more")]
#[path = "../../benches/soak/schedule.rs"]
mod schedule;
#[path = "../../benches/soak/streams.rs"]
mod streams;

use std::time::Duration;

use futures::future::join_all;
use platform::testing::Proxy;
use sqlx::PgConnection;
use tokio::time::Instant;

use self::{
    edge::{Edge, Person},
    guest::Guest,
    schedule::{Schedule, Ways},
};
use crate::{
    helpers::{PASSWORD, eventually},
    life::house::House,
};

/// The admin included.
const PEOPLE: usize = 7;
const SEED: u64 = 20_261_121;
const WHOLE: Duration = Duration::from_secs(20);

async fn unpublished(db: &mut PgConnection) -> i64 {
    let waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
    sqlx::query_scalar(waiting).fetch_one(db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_and_heals_no_promise_is_broken() {
    let mut ways = None;
    let house = House::with(|settings| {
        settings.sessions.max_per_user = 100_000;
        ways = Some(Ways {
            postgres: Proxy::stand_before(&mut settings.postgres.url),
            redis: Proxy::stand_before(&mut settings.redis.url),
            nats: Proxy::stand_before(&mut settings.nats.url),
            orders: Proxy::stand_before(&mut settings.orders.url),
        });
    })
    .await;
    let (app, ways) = (&house.app, ways.unwrap());
    let _worker = app.worker().await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let email = format!("guest{number}@example.com");
        let user = app.user(&email).await;
        let id = user["id"].as_str().unwrap().parse().unwrap();
        people.push(Person { id, email });
    }
    let mut db = app.superuser().await;
    sqlx::query("UPDATE users SET role = 'admin' WHERE id = $1")
        .bind(people[0].id)
        .execute(&mut db)
        .await
        .unwrap();
    let edge = Edge::new(&app.url, app.client.clone(), people).unwrap();
    let mut guests = arrival::of_everyone(&edge, PASSWORD, SEED).await.unwrap();
    let until = Instant::now() + WHOLE;
    let listener = Guest::arrive(&edge, 1, PASSWORD, SEED).await.unwrap();
    let listening = streams::listen(edge.clone(), 1, listener.bearer(), until);
    let visiting = join_all(guests.iter_mut().map(|guest| guest.visit(until)));
    let schedule = Schedule::new(SEED, WHOLE);
    let ((), _, told) = tokio::join!(schedule.run(&ways), visiting, listening);

    let mut books = Vec::new();
    eventually("it is known what became of every transfer", async || {
        books = join_all(guests.iter_mut().map(Guest::settle)).await;
        books.iter().all(|book| book.unknown.is_empty())
    })
    .await;
    eventually("every event is out", async || {
        unpublished(&mut db).await == 0
    })
    .await;
    money::check(&mut db, &books).await.unwrap();
    streams::check(&mut db, &edge, &[told]).await.unwrap();
    let tally = edge.told();
    assert_eq!(tally.mistakes_in_all, 0, "{:#?}", tally.mistakes);
    assert!(books.iter().any(|book| !book.made.is_empty()));
}
