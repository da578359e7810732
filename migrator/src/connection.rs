use std::{str::FromStr as _, time::Duration};

use platform::config::ServerUrl;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    postgres::PgConnectOptions,
};

use tokio::time::{Instant, sleep, timeout};

use crate::MigrateError;

/// How long a server may take to accept a connection, or to answer what waits for
/// nothing.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long another migrator is waited for. One that takes longer builds something
/// large; who is run again then, by hand or by its orchestrator, finds it done.
pub(crate) const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// How often it is asked whether the other is done.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Names the migrators' advisory lock. Any number does that nothing else uses.
const LOCK: i64 = i64::from_be_bytes(*b"portico\0");

/// Connects to the database at `url`.
pub(crate) async fn connect(url: &ServerUrl) -> Result<PgConnection, MigrateError> {
    connect_with(url, &options(url)?).await
}

/// Connects to the database at `url`, after making it when it isn't there.
pub(crate) async fn connect_or_create(url: &ServerUrl) -> Result<PgConnection, MigrateError> {
    match connect(url).await {
        Err(error) if is_missing(&error) => {}
        other => return other,
    }
    let options = options(url)?;
    let name = options
        .get_database()
        .unwrap_or_default()
        .replace('"', "\"\"");
    let mut server = connect_with(url, &options.database("postgres")).await?;
    let create = format!("CREATE DATABASE \"{name}\"");
    match server.execute(AssertSqlSafe(create)).await {
        Ok(_) => tracing::info!(database = name, "created"),
        // Another migrator was faster.
        Err(sqlx::Error::Database(refusal))
            if matches!(refusal.code().as_deref(), Some("42P04" | "23505")) => {}
        Err(error) => return Err(MigrateError::at(url, error)),
    }
    connect(url).await
}

/// Whether the server answered that it has no such database.
pub(crate) fn is_missing(error: &MigrateError) -> bool {
    matches!(error, MigrateError::Database(sqlx::Error::Database(refusal))
        if refusal.code().as_deref() == Some("3D000"))
}

/// Waits until no other migrator is at work in this database, at most `limit`. The
/// lock is held until the connection closes.
///
/// Asks for it again and again: a statement that waited would be a transaction, and
/// an index that the other builds concurrently would wait for its end.
///
/// # Errors
/// [`MigrateError::Busy`] after `limit`; what the server refuses.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    url: &ServerUrl,
    limit: Duration,
) -> Result<(), MigrateError> {
    let began = Instant::now();
    while !try_lock(connection, url).await? {
        if began.elapsed() >= limit {
            return Err(MigrateError::Busy {
                url: url.clone(),
                waited: limit,
            });
        }
        sleep(ASK_AGAIN).await;
    }
    // A migration that waits for a table's lock makes everyone else wait behind it:
    // rather fail and be run again.
    let set = connection.execute("SET lock_timeout = '5s'");
    answered(url, set).await.map(drop)
}

async fn try_lock(connection: &mut PgConnection, url: &ServerUrl) -> Result<bool, MigrateError> {
    let take = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK);
    answered(url, take.fetch_one(connection)).await
}

/// A server that takes part at all answers these at once.
async fn answered<T>(
    url: &ServerUrl,
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, MigrateError> {
    match timeout(ANSWER_LIMIT, work).await {
        Ok(result) => result.map_err(|error| MigrateError::at(url, error)),
        Err(_) => Err(MigrateError::Unreachable {
            url: url.clone(),
            reason: format!("no answer within {ANSWER_LIMIT:?}"),
        }),
    }
}

fn options(url: &ServerUrl) -> Result<PgConnectOptions, MigrateError> {
    PgConnectOptions::from_str(url.expose().as_str())
        // Slow statements would be logged, and one of them sets a password.
        .map(|options| {
            options
                .application_name("migrator")
                .disable_statement_logging()
        })
        .map_err(MigrateError::Database)
}

async fn connect_with(
    url: &ServerUrl,
    options: &PgConnectOptions,
) -> Result<PgConnection, MigrateError> {
    answered(url, PgConnection::connect_with(options)).await
}

#[cfg(test)]
mod tests {
    use platform::testing::{Database, eventually};

    use super::*;
    use crate::Store;

    async fn empty() -> Database {
        Database::create("migrator_empty", async |_| ()).await
    }

    #[tokio::test]
    async fn who_waits_keeps_no_index_from_being_built_and_then_goes_on() {
        let database = empty().await;
        let url = database.superuser_url();
        let mut first = connect(&url).await.unwrap();
        lock(&mut first, &url, LOCK_LIMIT).await.unwrap();
        let second = tokio::spawn({
            let url = url.clone();
            async move { crate::up(Store::Accounts, &url).await }
        });
        eventually("the second one asks", async || {
            let asking = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
                          AND datname = current_database() AND query LIKE '%advisory_lock%'";
            let asking: i64 = sqlx::query_scalar(asking)
                .fetch_one(&mut first)
                .await
                .unwrap();
            asking == 1
        })
        .await;
        for statement in [
            "SET lock_timeout = '10s'",
            "CREATE TABLE large (id bigint)",
            "CREATE INDEX CONCURRENTLY large_id ON large (id)",
        ] {
            first.execute(statement).await.unwrap();
        }
        assert!(!second.is_finished(), "it waits for the first one's end");
        first.close().await.unwrap();
        second.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_waits_too_long_gives_up_and_says_for_what() {
        let database = empty().await;
        let url = database.superuser_url();
        let mut first = connect(&url).await.unwrap();
        lock(&mut first, &url, LOCK_LIMIT).await.unwrap();
        let mut second = connect(&url).await.unwrap();
        let limit = Duration::from_millis(500);
        let refused = lock(&mut second, &url, limit).await.unwrap_err();
        assert!(matches!(refused, MigrateError::Busy { .. }), "{refused}");
        let said = refused.to_string();
        assert!(
            said.contains("another migrator") && said.contains("500ms"),
            "{said}"
        );
        first.close().await.unwrap();
        lock(&mut second, &url, LOCK_LIMIT).await.unwrap();
    }
}
