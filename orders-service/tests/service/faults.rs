//! The database goes away, hangs, and returns.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use platform::{
    config::{Millis, ServerUrl},
    testing::{Fault, Proxy, nats_url},
};
use proto::orders::v1::ListItemsRequest;
use sqlx::{Connection as _, Executor as _};
use tokio::time::timeout;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::helpers::{CAP, Service, assert_refused, eventually, until_something_waits};

/// Leads a service to one of its servers by way of a proxy.
pub fn by_way_of(server: &mut ServerUrl, fault: Fault) -> Option<Proxy> {
    let proxy = Proxy::stand_before(server);
    proxy.set(fault);
    Some(proxy)
}

async fn list(service: &Service) -> Result<(), Status> {
    let answer = service
        .public_catalog()
        .list_items(ListItemsRequest::default())
        .await;
    answer.map(|_| ())
}

/// A refusal because of the database that comes at once and says when to return.
async fn is_refused_at_once(service: &Service) -> bool {
    let began = Instant::now();
    let answer = list(service).await;
    let took = began.elapsed();
    if !answer
        .as_ref()
        .is_err_and(|status| status.code() == Code::Unavailable)
    {
        return false;
    }
    let details = assert_refused(answer, Code::Unavailable, "DEPENDENCY_UNAVAILABLE");
    assert!(
        details
            .retry_info()
            .and_then(|retry| retry.retry_delay)
            .is_some()
    );
    took < Duration::from_millis(100)
}

#[tokio::test]
async fn the_service_starts_without_its_database_and_serves_once_it_is_there() {
    let mut proxy = None;
    let service = Service::not_yet_ready(|settings| {
        proxy = by_way_of(&mut settings.postgres.url, Fault::Refuse);
    })
    .await;
    eventually("it refuses", async || is_refused_at_once(&service).await).await;
    let proxy = proxy.unwrap();
    proxy.heal();
    eventually("it serves", async || list(&service).await.is_ok()).await;
}

#[tokio::test]
async fn a_database_that_goes_away_is_unavailable_at_once_and_healed_when_it_returns() {
    let mut proxy = None;
    let service = Service::with(|settings| {
        proxy = by_way_of(&mut settings.postgres.url, Fault::None);
    })
    .await;
    let proxy = proxy.unwrap();
    for _ in 0..2 {
        proxy.set(Fault::Refuse);
        eventually("it refuses", async || is_refused_at_once(&service).await).await;
        proxy.heal();
        eventually("it serves", async || list(&service).await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_database_that_hangs_is_unavailable_without_waiting_for_the_deadline() {
    let mut proxy = None;
    let service = Service::with(|settings| {
        proxy = by_way_of(&mut settings.postgres.url, Fault::None);
        settings.grpc.max_deadline_ms = Millis(500);
    })
    .await;
    let proxy = proxy.unwrap();
    proxy.set(Fault::BlackHole);
    eventually("it refuses", async || is_refused_at_once(&service).await).await;
    proxy.heal();
    eventually("it serves", async || list(&service).await.is_ok()).await;
}

#[tokio::test]
async fn connections_that_died_while_idle_fail_no_call() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let calls = (0..5).map(|_| list(&service));
    futures::future::try_join_all(calls).await.unwrap();
    let killed: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = $1 AND application_name = 'orders-service'",
    )
    .bind(service.database.name())
    .fetch_one(&mut sql)
    .await
    .unwrap();
    assert!(killed >= 2, "there were idle connections to kill");
    for _ in 0..10 {
        list(&service).await.unwrap();
    }
}

#[tokio::test]
async fn calls_beyond_the_bound_are_refused_and_told_when_to_return() {
    let service = Service::with(|settings| settings.grpc.max_in_flight = 1).await;
    let mut locking = service.sql().await;
    let mut lock = locking.begin().await.unwrap();
    lock.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut catalog = service.public_catalog();
    let waiting =
        tokio::spawn(async move { catalog.list_items(ListItemsRequest::default()).await });
    until_something_waits(&mut lock).await;
    let details = assert_refused(list(&service).await, Code::ResourceExhausted, "OVERLOADED");
    assert!(details.retry_info().is_some());
    lock.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();
    list(&service).await.unwrap();
}

#[tokio::test]
async fn without_nats_everything_is_served_and_what_happened_is_told_when_it_returns() {
    let (mut proxy, mut prefix) = (None, String::new());
    let service = Service::with(|settings| {
        proxy = by_way_of(&mut settings.nats.url, Fault::Refuse);
        prefix.clone_from(&settings.nats.prefix);
    })
    .await;
    let client = async_nats::connect(nats_url().expose().as_str())
        .await
        .unwrap();
    let subject = format!("{prefix}.evt.orders.item.updated.v1");
    let mut told = client.subscribe(subject).await.unwrap();
    let id = Uuid::new_v4();
    sqlx::query(
        "INSERT INTO outbox (id, subject, aggregate_id, aggregate_version, data, occurred_at)
         VALUES ($1, 'evt.orders.item.updated.v1', $1, 1, '{}', now())",
    )
    .bind(id)
    .execute(&mut service.sql().await)
    .await
    .unwrap();
    list(&service).await.unwrap();
    let proxy = proxy.unwrap();
    proxy.heal();
    let message = timeout(CAP, told.next())
        .await
        .expect("the event is told")
        .unwrap();
    let headers = message.headers.unwrap();
    assert_eq!(headers.get("ce-id").unwrap().as_str(), id.to_string());
    assert_eq!(headers.get("ce-source").unwrap().as_str(), "portico/orders");
}
