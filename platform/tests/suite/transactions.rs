//! Work on the database that is given up.

use std::time::Duration;

use futures::future::try_join_all;
use platform::{
    config::Millis,
    postgres::{self, PostgresSettings},
    testing::{Fault, Proxy, eventually, postgres_url, unique_name},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::time::timeout;

#[tokio::test]
async fn who_leaves_while_a_transaction_begins_takes_nothing_of_others_along() {
    let (patience, of_caller) = (Duration::from_secs(10), Duration::from_millis(100));
    given_up_beginnings_take_nothing_along(patience, of_caller).await;
}

#[tokio::test]
async fn a_beginning_that_takes_too_long_takes_nothing_of_others_along() {
    let (patience, of_caller) = (Duration::from_millis(250), Duration::from_secs(10));
    given_up_beginnings_take_nothing_along(patience, of_caller).await;
}

/// The server's answer to `BEGIN` comes later than either has the patience for.
async fn given_up_beginnings_take_nothing_along(of_pool: Duration, of_caller: Duration) {
    let mut url = postgres_url();
    let mut direct = PgConnection::connect(url.expose().as_str()).await.unwrap();
    let proxy = Proxy::stand_before(&mut url);
    let table = unique_name();
    let create = AssertSqlSafe(format!("CREATE TABLE {table} AS SELECT 1 AS one"));
    direct.execute(create).await.unwrap();
    let settings = PostgresSettings {
        max_connections: 1,
        acquire_timeout_ms: Millis(of_pool.as_millis().try_into().unwrap()),
        ..PostgresSettings::at(url)
    };
    let pool = settings.pool("test").unwrap();
    pool.execute("SELECT 1").await.unwrap();
    for round in 2..=4_i64 {
        eventually("it was given back", async || pool.num_idle() == 1).await;
        proxy.set(Fault::Latency {
            delay: Duration::from_millis(350),
            jitter: Duration::ZERO,
        });
        let begun = timeout(of_caller, postgres::begin(&pool)).await;
        assert!(!matches!(begun, Ok(Ok(_))), "it was given up");
        proxy.heal();
        // By itself, and acknowledged; a busy machine may need more than one try
        // until there is a connection.
        let insert = || AssertSqlSafe(format!("INSERT INTO {table} VALUES (1)"));
        eventually("it is acknowledged", async || {
            pool.execute(insert()).await.is_ok()
        })
        .await;
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let there: i64 = sqlx::query_scalar(count)
            .fetch_one(&mut direct)
            .await
            .unwrap();
        assert_eq!(there, round, "it is there for others");
    }
    // Nor is anything left open.
    let open = "SELECT count(*) FROM pg_stat_activity
                WHERE application_name = 'test' AND query LIKE $1 AND state LIKE 'idle in%'";
    eventually("every transaction ended", async || {
        let open: i64 = sqlx::query_scalar(open)
            .bind(format!("%{table}%"))
            .fetch_one(&mut direct)
            .await
            .unwrap();
        open == 0
    })
    .await;
    let drop = AssertSqlSafe(format!("DROP TABLE {table}"));
    direct.execute(drop).await.unwrap();
}

#[tokio::test]
async fn work_whose_connection_is_forgotten_on_the_way_is_given_up_and_the_next_has_another() {
    let mut url = postgres_url();
    let proxy = Proxy::stand_before(&mut url);
    let settings = PostgresSettings {
        max_connections: 1,
        ..PostgresSettings::at(url)
    };
    let pool = settings.pool("test").unwrap();
    let backend = "SELECT pg_backend_pid()";
    let before: i32 = sqlx::query_scalar(backend).fetch_one(&pool).await.unwrap();
    eventually("it was given back", async || pool.num_idle() == 1).await;
    proxy.abandon();
    let limit = Duration::from_millis(300);
    let work = sqlx::query_scalar::<_, i32>(backend).fetch_one(&pool);
    let given_up = postgres::bounded(limit, work).await.unwrap_err();
    assert!(postgres::is_down(&given_up), "{given_up:?}");
    assert!(!postgres::is_dead_connection(&given_up), "{given_up:?}");
    let after: i32 = eventually("there is another connection", async || {
        sqlx::query_scalar(backend).fetch_one(&pool).await.ok()
    })
    .await;
    assert_ne!(after, before);
}

#[tokio::test]
async fn connections_that_are_forgotten_on_the_way_are_given_up_together() {
    const CONNECTIONS: u32 = 8;
    let mut url = postgres_url();
    let proxy = Proxy::stand_before(&mut url);
    let settings = PostgresSettings {
        max_connections: CONNECTIONS,
        ..PostgresSettings::at(url)
    };
    let pool = settings.pool("test").unwrap();
    let begun = (0..CONNECTIONS).map(|_| postgres::begin(&pool));
    drop(try_join_all(begun).await.unwrap());
    let all = CONNECTIONS as usize;
    eventually("they were given back", async || pool.num_idle() == all).await;
    proxy.abandon();
    let silence = postgres::begin(&pool).await.unwrap_err();
    assert!(postgres::is_down(&silence), "{silence:?}");
    eventually("they are closed", async || pool.size() == 0).await;
    postgres::begin(&pool).await.unwrap();
}
