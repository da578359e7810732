//! The database goes away, hangs, and returns.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use platform::{
    config::{Millis, ServerUrl},
    testing::nats_url,
};
use proto::orders::v1::ListItemsRequest;
use sqlx::{Connection as _, Executor as _};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::helpers::{CAP, Service, assert_refused, eventually, until_something_waits};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Nobody listens: connections end at once.
    Closed,
    /// Somebody listens and never answers.
    Stuck,
}

/// Stands between the service and its server.
pub struct Gate {
    address: SocketAddr,
    way: Arc<watch::Sender<Way>>,
    server: watch::Sender<Option<SocketAddr>>,
}

impl Gate {
    pub async fn closed() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            way: Arc::new(watch::Sender::new(Way::Closed)),
            server: watch::Sender::new(None),
        };
        let (way, server) = (gate.way.clone(), gate.server.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, *server.borrow(), way.subscribe()));
            }
        });
        gate
    }

    /// Leads a service through the gate to where it wanted to go.
    pub fn stand_before(&self, server: &mut ServerUrl) {
        let mut url = server.expose().clone();
        let addresses = url.socket_addrs(|| None).unwrap();
        self.server.send_replace(addresses.first().copied());
        url.set_port(Some(self.address.port())).unwrap();
        *server = url.as_str().parse().unwrap();
    }

    pub fn open(&self) {
        self.way.send_replace(Way::Open);
    }

    /// Cuts every connection and lets none through.
    pub fn close(&self) {
        self.way.send_replace(Way::Closed);
    }

    /// Lets nothing through and tells nobody.
    pub fn get_stuck(&self) {
        self.way.send_replace(Way::Stuck);
    }
}

async fn pass(mut client: TcpStream, server: Option<SocketAddr>, mut way: watch::Receiver<Way>) {
    let closed = async |way: &mut watch::Receiver<Way>| {
        let _ = way.wait_for(|way| *way == Way::Closed).await;
    };
    let mut listening = way.clone();
    tokio::select! {
        () = closed(&mut listening) => return,
        _ = way.wait_for(|way| *way == Way::Open) => {}
    }
    let Some(server) = server else { return };
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let mut watched = way.clone();
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server, way.clone()) => {}
        _ = copy(&mut from_server, &mut to_client, way) => {}
        () = closed(&mut watched) => {}
    }
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut way: watch::Receiver<Way>,
) -> std::io::Result<()> {
    let mut bytes = [0; 8192];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        let _ = way.wait_for(|way| *way == Way::Open).await;
        to.write_all(&bytes[..read]).await?;
    }
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
    let gate = Gate::closed().await;
    let service =
        Service::not_yet_ready(|settings| gate.stand_before(&mut settings.postgres.url)).await;
    eventually("it refuses", async || is_refused_at_once(&service).await).await;
    gate.open();
    eventually("it serves", async || list(&service).await.is_ok()).await;
}

#[tokio::test]
async fn a_database_that_goes_away_is_unavailable_at_once_and_healed_when_it_returns() {
    let gate = Gate::closed().await;
    gate.open();
    let service = Service::with(|settings| gate.stand_before(&mut settings.postgres.url)).await;
    for _ in 0..2 {
        gate.close();
        eventually("it refuses", async || is_refused_at_once(&service).await).await;
        gate.open();
        eventually("it serves", async || list(&service).await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_database_that_hangs_is_unavailable_without_waiting_for_the_deadline() {
    let gate = Gate::closed().await;
    gate.open();
    let service = Service::with(|settings| {
        gate.stand_before(&mut settings.postgres.url);
        settings.grpc.max_deadline_ms = Millis(500);
    })
    .await;
    gate.get_stuck();
    eventually("it refuses", async || is_refused_at_once(&service).await).await;
    gate.open();
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
    let gate = Gate::closed().await;
    let mut prefix = String::new();
    let service = Service::with(|settings| {
        gate.stand_before(&mut settings.nats.url);
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
    gate.open();
    let message = timeout(CAP, told.next())
        .await
        .expect("the event is told")
        .unwrap();
    let headers = message.headers.unwrap();
    assert_eq!(headers.get("ce-id").unwrap().as_str(), id.to_string());
    assert_eq!(headers.get("ce-source").unwrap().as_str(), "portico/orders");
}
