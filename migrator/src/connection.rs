use std::{str::FromStr as _, time::Duration};

use platform::config::ServerUrl;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    postgres::PgConnectOptions,
};

use crate::MigrateError;

/// How long a server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

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

/// Waits until no other migrator is at work in this database. The lock is held
/// until the connection closes.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("SET lock_timeout = '60s'").await?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await?;
    // A migration that waits for a table's lock makes everyone else wait
    // behind it: rather fail and be run again.
    connection.execute("SET lock_timeout = '5s'").await?;
    Ok(())
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
    match tokio::time::timeout(CONNECT_LIMIT, PgConnection::connect_with(options)).await {
        Ok(result) => result.map_err(|error| MigrateError::at(url, error)),
        Err(_) => Err(MigrateError::Unreachable {
            url: url.clone(),
            reason: format!("no answer within {CONNECT_LIMIT:?}"),
        }),
    }
}
