//! Transactions whose caller leaves.

use std::time::Duration;

use platform::{
    postgres::{self, PostgresSettings},
    testing::{Fault, Proxy, eventually, postgres_url, unique_name},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::time::timeout;

#[tokio::test]
async fn who_leaves_while_a_transaction_begins_takes_nothing_of_others_along() {
    let mut url = postgres_url();
    let mut direct = PgConnection::connect(url.expose().as_str()).await.unwrap();
    let proxy = Proxy::stand_before(&mut url);
    let table = unique_name();
    let create = AssertSqlSafe(format!("CREATE TABLE {table} AS SELECT 1 AS one"));
    direct.execute(create).await.unwrap();
    let settings = PostgresSettings {
        max_connections: 1,
        acquire_timeout_ms: platform::config::Millis(10_000),
        ..PostgresSettings::at(url)
    };
    let pool = settings.pool("test").unwrap();
    pool.execute("SELECT 1").await.unwrap();
    for round in 2..=4_i64 {
        proxy.set(Fault::Latency {
            delay: Duration::from_millis(300),
            jitter: Duration::ZERO,
        });
        let begun = timeout(Duration::from_millis(100), postgres::begin(&pool)).await;
        assert!(begun.is_err(), "its caller has left");
        proxy.heal();
        // By itself, and acknowledged.
        let insert = AssertSqlSafe(format!("INSERT INTO {table} VALUES (1)"));
        pool.execute(insert).await.unwrap();
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
