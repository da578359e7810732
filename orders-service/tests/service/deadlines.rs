use std::time::Duration;

use platform::config::Millis;
use proto::orders::v1::{
    GetItemRequest, ListItemsRequest, catalog_service_client::CatalogServiceClient,
};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tonic::{Code, Request};

use crate::helpers::{Service, assert_refused, eventually, missing_item};

/// A call with a token and, if any, this deadline.
fn call(service: &Service, deadline: Option<&'static str>) -> Request<GetItemRequest> {
    let mut request = Request::new(missing_item());
    let bearer = format!("Bearer {}", service.anonymous()).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    if let Some(deadline) = deadline {
        request
            .metadata_mut()
            .insert("grpc-timeout", deadline.parse().unwrap());
    }
    request
}

/// Statements of the service that wait on the server right now.
async fn statements_of(service: &Service, sql: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = $1 AND application_name = 'orders-service'
           AND state = 'active' AND query LIKE '%FROM items i%'",
    )
    .bind(service.database.name())
    .fetch_one(sql)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_call_without_a_deadline_is_refused() {
    let service = Service::start().await;
    let mut catalog = CatalogServiceClient::new(service.channel.clone());
    for deadline in [
        None,
        Some("soon"),
        Some("1"),
        Some("123456789m"),
        Some("-1S"),
    ] {
        let answer = catalog.get_item(call(&service, deadline)).await;
        assert_refused(answer, Code::InvalidArgument, "DEADLINE_REQUIRED");
    }
    let answer = catalog.get_item(call(&service, Some("5S"))).await;
    assert_refused(answer, Code::NotFound, "ITEM_NOT_FOUND");
}

#[tokio::test]
async fn a_statement_does_not_outlive_the_deadline_of_its_call() {
    let service = Service::with(|settings| settings.grpc.max_deadline_ms = Millis(700)).await;
    let mut sql = service.sql().await;
    let mut locking = service.sql().await;
    let mut lock = locking.begin().await.unwrap();
    lock.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();

    let mut catalog = service.public_catalog();
    let calling =
        tokio::spawn(async move { catalog.list_items(ListItemsRequest::default()).await });
    eventually("the statement waits", async || {
        statements_of(&service, &mut sql).await == 1
    })
    .await;
    let answer = calling.await.unwrap();
    assert_refused(answer, Code::DeadlineExceeded, "DEADLINE_PASSED");
    // The table is locked still: only the time limit can have ended it.
    eventually("the statement is gone", async || {
        statements_of(&service, &mut sql).await == 0
    })
    .await;
    lock.rollback().await.unwrap();
    assert!(
        service
            .public_catalog()
            .list_items(ListItemsRequest::default())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_statement_does_not_outlive_a_caller_that_hung_up() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let mut locking = service.sql().await;
    let mut lock = locking.begin().await.unwrap();
    lock.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();

    let mut catalog = service.public_catalog();
    let mut request = Request::new(ListItemsRequest::default());
    request.set_timeout(Duration::from_millis(900));
    let calling = tokio::spawn(async move { catalog.list_items(request).await });
    eventually("the statement waits", async || {
        statements_of(&service, &mut sql).await == 1
    })
    .await;
    calling.abort();
    eventually("the statement is gone", async || {
        statements_of(&service, &mut sql).await == 0
    })
    .await;
    lock.rollback().await.unwrap();
}
