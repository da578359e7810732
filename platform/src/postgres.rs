//! Connections to PostgreSQL.

use std::{str::FromStr as _, time::Duration};

use serde::{Deserialize, Serialize};
use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::config::{Millis, ServerUrl};

/// Settings of one database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`
    pub url: ServerUrl,
    /// Connections that may be open at once.
    pub max_connections: u32,
    /// How long a caller waits for a free connection, in milliseconds.
    pub acquire_timeout_ms: Millis,
    /// The server ends a statement that runs longer, in milliseconds.
    pub statement_timeout_ms: Millis,
    /// The server ends a statement that waits longer for a lock, in milliseconds.
    pub lock_timeout_ms: Millis,
}

impl PostgresSettings {
    /// Defaults for the database at `url`.
    #[must_use]
    pub fn at(url: ServerUrl) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    /// A pool that connects when it is first used, so that the program starts
    /// without the server.
    ///
    /// # Errors
    /// When the URL isn't one of PostgreSQL.
    pub fn pool(&self, application: &str) -> Result<PgPool, sqlx::Error> {
        let options = PgConnectOptions::from_str(self.url.expose().as_str())?
            .application_name(application)
            .options([
                ("statement_timeout", self.statement_timeout_ms.0.to_string()),
                ("lock_timeout", self.lock_timeout_ms.0.to_string()),
                ("idle_in_transaction_session_timeout", "10000".to_owned()),
                // A statement ends when whoever wanted its answer has hung up;
                // the server looks every so many milliseconds.
                ("client_connection_check_interval", "50".to_owned()),
            ])
            .log_statements(tracing::log::LevelFilter::Trace)
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1));
        Ok(PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout_ms.duration())
            // A ping before each use costs 14 % of the throughput; a dead
            // connection shows itself at the first statement instead.
            .test_before_acquire(false)
            .max_lifetime(Duration::from_secs(30 * 60))
            .idle_timeout(Duration::from_secs(10 * 60))
            .connect_lazy_with(options))
    }
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            url: ServerUrl::literal("postgres://localhost:5432/postgres"),
            max_connections: 10,
            acquire_timeout_ms: Millis(1_000),
            statement_timeout_ms: Millis(5_000),
            lock_timeout_ms: Millis(2_000),
        }
    }
}

/// Whether the server didn't answer, as opposed to having refused: the work
/// may be tried again later, or its outcome is unknown.
#[must_use]
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // 08 connection, 57P admin shutdown, crash, starting up, 53 no resources.
        sqlx::Error::Database(db) => db.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("57P") || code.starts_with("53")
        }),
        _ => false,
    }
}

/// Whether the server stopped the statement at its time limit (57014) or the
/// limit on waiting for a lock (55P03).
#[must_use]
pub fn is_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(db)
        if db.code().is_some_and(|code| code == "57014" || code == "55P03"))
}

/// Whether the server gave a transaction up in favour of another one
/// (serialization 40001, deadlock 40P01): nothing of it was done, and the same
/// again may well succeed.
#[must_use]
pub fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(db)
        if db.code().is_some_and(|code| code == "40001" || code == "40P01"))
}

/// The constraint that the server refused a statement by, if that is why.
#[must_use]
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

/// Whether the connection was dead when it was used: a read may be tried once
/// more on another one.
#[must_use]
pub fn is_dead_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(db) => db.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}
