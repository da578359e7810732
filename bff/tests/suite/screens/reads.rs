//! Reads from the accounts store: nothing goes on for nobody.

use std::time::{Duration, Instant};

use bff::{
    accounts::money::{self, Account},
    upstream::{Accounts, CallError, Deadline, Read},
};
use futures::FutureExt as _;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::stage::{Stage, reads, superuser, user};
use crate::helpers::eventually;

/// Queries on `users` that the server is working on or waiting with.
async fn running(db: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'bff-read'
           AND state = 'active' AND query LIKE '%FROM users%'",
    )
    .fetch_one(db)
    .await
    .unwrap()
}

async fn list(
    reads: &Accounts,
    deadline: Deadline,
    user: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Account>, CallError> {
    let read = reads.read(Read::Money, deadline, user, |c| {
        money::list(c, user, after, limit).boxed()
    });
    read.await
}

async fn account(
    reads: &Accounts,
    deadline: Deadline,
    user: Uuid,
    id: Uuid,
) -> Result<Account, CallError> {
    let read = reads.read(Read::Money, deadline, user, |c| {
        money::get(c, user, id).boxed()
    });
    read.await
}

#[tokio::test]
async fn when_the_time_is_up_the_server_ends_the_query_too() {
    let stage = Stage::new().await;
    let reads = reads(
        &stage.settings.reads,
        &stage.database.url_as("accounts_app"),
        &stage.clock,
    );
    let locker = stage.lock_users().await;
    let mut db = superuser(&stage.database).await;
    let began = Instant::now();
    // Far less than the server's own limit for a statement.
    let deadline = Deadline::within(Duration::from_millis(150));
    let (outcome, ()) = tokio::join!(
        user(&reads, deadline, stage.caller.user_id),
        eventually("the query", async || (running(&mut db).await == 1)
            .then_some(()))
    );
    assert!(
        matches!(outcome, Err(CallError::DeadlineExceeded)),
        "{outcome:?}"
    );
    eventually("its end", async || {
        (running(&mut db).await == 0).then_some(())
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );
    locker.close().await.unwrap();
}

#[tokio::test]
async fn when_the_caller_leaves_the_server_ends_the_query_too() {
    let stage = Stage::new().await;
    let reads = reads(
        &stage.settings.reads,
        &stage.database.url_as("accounts_app"),
        &stage.clock,
    );
    let locker = stage.lock_users().await;
    let mut db = superuser(&stage.database).await;
    let user_id = stage.caller.user_id;
    let asked = tokio::spawn(async move {
        user(&reads, Deadline::within(Duration::from_secs(20)), user_id).await
    });
    eventually("the query", async || {
        (running(&mut db).await == 1).then_some(())
    })
    .await;
    let left = Instant::now();
    asked.abort();
    eventually("its end", async || {
        (running(&mut db).await == 0).then_some(())
    })
    .await;
    assert!(
        left.elapsed() < Duration::from_millis(500),
        "{:?}",
        left.elapsed()
    );
    locker.close().await.unwrap();
}

#[tokio::test]
async fn the_server_ends_a_read_at_its_own_limit_too() {
    let stage = Stage::new().await;
    let reads = reads(
        &stage.settings.reads,
        &stage.database.url_as("accounts_app"),
        &stage.clock,
    );
    let locker = stage.lock_users().await;
    let began = Instant::now();
    let outcome = user(
        &reads,
        Deadline::within(Duration::from_secs(20)),
        stage.caller.user_id,
    )
    .await;
    assert!(
        matches!(outcome, Err(CallError::DeadlineExceeded)),
        "{outcome:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    locker.close().await.unwrap();
}

#[tokio::test]
async fn connections_that_died_are_replaced_before_anyone_notices() {
    let stage = Stage::new().await;
    let reads = reads(
        &stage.settings.reads,
        &stage.database.url_as("accounts_app"),
        &stage.clock,
    );
    let deadline = || Deadline::within(Duration::from_secs(5));
    let many = || {
        futures::future::join_all((0..16).map(|_| user(&reads, deadline(), stage.caller.user_id)))
    };
    assert!(many().await.iter().all(Result::is_ok));
    let mut db = superuser(&stage.database).await;
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'bff-read'",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert!(ended > 1, "{ended}");
    for outcome in many().await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn someone_elses_account_isnt_there() {
    let stage = Stage::new().await;
    let other = stage.add_user().await;
    let reads = reads(
        &stage.settings.reads,
        &stage.database.url_as("accounts_app"),
        &stage.clock,
    );
    let deadline = || Deadline::within(Duration::from_secs(5));
    let own = list(&reads, deadline(), stage.caller.user_id, None, 10)
        .await
        .unwrap();
    assert_eq!(own.len(), 1);
    assert_eq!(
        account(&reads, deadline(), stage.caller.user_id, own[0].id)
            .await
            .unwrap(),
        own[0]
    );
    let theirs = account(&reads, deadline(), other.user_id, own[0].id).await;
    assert!(matches!(theirs, Err(CallError::NotFound)), "{theirs:?}");
    assert_eq!(
        list(
            &reads,
            deadline(),
            stage.caller.user_id,
            Some(own[0].id),
            10
        )
        .await
        .unwrap(),
        []
    );
}
