//! Connections to PostgreSQL.

use std::{
    io,
    str::FromStr as _,
    time::{Duration, Instant},
};

use metrics::gauge;
use serde::{Deserialize, Serialize};
use sqlx::{
    ConnectOptions as _, PgPool, PgTransaction, Row as _, SqlSafeStr,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::{
    config::{Millis, ServerUrl},
    shutdown::Lifetime,
};

/// How often pools are measured.
const MEASURE: Duration = Duration::from_secs(2);
/// For a batch of background work: a dozen statements may each take as long as the
/// server lets them by default.
pub const BATCH_LIMIT: Duration = Duration::from_secs(60);

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
    /// without the server. A connection that is given back is closed unless the server
    /// says soon that it is in no transaction. sqlx doesn't know of one whose beginning
    /// was given up: whoever came next would work in it, and nobody would commit. And
    /// its own look has no end when the server's machine went away without a word.
    ///
    /// # Errors
    /// When the URL isn't one of PostgreSQL.
    pub fn pool(&self, application: &str) -> Result<PgPool, sqlx::Error> {
        let limit = self.acquire_timeout_ms.duration();
        let options = self.pool_options().after_release(move |connection, _| {
            Box::pin(async move {
                // In a transaction, now() is when it began. As a simple query, since
                // each message of another has a time of its own.
                let look = sqlx::raw_sql("SELECT now() = statement_timestamp()");
                match timeout(limit, look.fetch_one(connection)).await {
                    Ok(row) => row?.try_get(0),
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            })
        });
        Ok(options.connect_lazy_with(self.connect_options(application)?))
    }

    /// The same without that look, for who begins no transactions and closes what it
    /// leaves in the middle of something.
    ///
    /// # Errors
    /// When the URL isn't one of PostgreSQL.
    pub fn pool_of_readers(&self, application: &str) -> Result<PgPool, sqlx::Error> {
        Ok(self
            .pool_options()
            .connect_lazy_with(self.connect_options(application)?))
    }

    fn connect_options(&self, application: &str) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(PgConnectOptions::from_str(self.url.expose().as_str())?
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
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1)))
    }

    fn pool_options(&self) -> PgPoolOptions {
        PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout_ms.duration())
            // A ping before each use costs 14 % of the throughput; a dead
            // connection shows itself at the first statement instead.
            .test_before_acquire(false)
            .max_lifetime(Duration::from_secs(30 * 60))
            .idle_timeout(Duration::from_secs(10 * 60))
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

/// Begins a transaction that is rolled back unless it is committed. Only for a pool
/// of [`PostgresSettings::pool`]: it may be given up while it begins. When the server is
/// silent for as long as a connection may be waited for, all idle ones are closed.
///
/// # Errors
/// When there is no connection in time, or the server refuses or is silent.
pub async fn begin(pool: &PgPool) -> sqlx::Result<PgTransaction<'static>> {
    begin_with(pool, "BEGIN").await
}

/// As [`begin`], by a statement of the caller's own that begins with `BEGIN`.
///
/// # Errors
/// As [`begin`].
pub async fn begin_with(
    pool: &PgPool,
    statement: impl SqlSafeStr,
) -> sqlx::Result<PgTransaction<'static>> {
    let statement = statement.into_sql_str();
    let limit = pool.options().get_acquire_timeout();
    let begin = async |connection| {
        let begin = PgTransaction::begin(connection, Some(statement.clone()));
        timeout(limit, begin).await
    };
    // After the server was restarted every idle connection is dead, and shows it
    // here, before any work. One caller may meet them all.
    for _ in 0..pool.options().get_max_connections() {
        let Some(idle) = pool.try_acquire() else {
            break;
        };
        match begin(idle).await {
            Ok(Err(error)) if is_dead_connection(&error) => {
                tracing::debug!(%error, "a connection was dead");
            }
            Ok(outcome) => return outcome,
            // What forgot this connection on the way forgot the others with it.
            Err(_) => {
                close_idle(pool);
                return Err(silent());
            }
        }
    }
    let begun = begin(pool.acquire().await?).await;
    begun.unwrap_or_else(|_| Err(silent()))
}

fn close_idle(pool: &PgPool) {
    for _ in 0..pool.options().get_max_connections() {
        let Some(mut idle) = pool.try_acquire() else {
            break;
        };
        idle.close_on_drop();
    }
}

/// What the server's silence is told as.
fn silent() -> sqlx::Error {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// Does some work, and gives it up after `limit`: what takes so much longer than the
/// server lets a statement take waits for a connection that was forgotten on the way.
///
/// # Errors
/// The work's; that time is over.
pub async fn bounded<T, E: From<sqlx::Error>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let done = timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(silent().into()))
}

/// Does some work in batches, each of which says whether there may be another, and
/// takes at most [`BATCH_LIMIT`]. A process that ends begins no more.
///
/// # Errors
/// A batch's; that its time is over.
pub async fn in_batches<F, Fut, E>(lifetime: &Lifetime, batch: F) -> Result<(), E>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<bool, E>>,
    E: From<sqlx::Error>,
{
    while !lifetime.is_stopping() && bounded(BATCH_LIMIT, batch()).await? {}
    Ok(())
}

/// Shows in the metrics, until the process ends, how many connections of a pool
/// there are, and how long one is waited for. The pool doesn't tell who waits:
/// this waits, too, now and then.
pub async fn measure(name: &'static str, pool: PgPool, lifetime: Lifetime) {
    let connections = |state| gauge!("postgres_pool_connections", "pool" => name, "state" => state);
    let (idle, in_use) = (connections("idle"), connections("in_use"));
    let wait = gauge!("postgres_pool_wait_seconds", "pool" => name);
    let mut tick = tokio::time::interval(MEASURE);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = lifetime.stopping() => return,
        }
        let all = f64::from(pool.size());
        let unused = u32::try_from(pool.num_idle()).map_or(all, f64::from);
        idle.set(unused);
        in_use.set((all - unused).max(0.0));
        let asked = Instant::now();
        tokio::select! {
            // After the longest time that anyone waits it's over, with or without.
            connection = pool.acquire() => drop(connection),
            () = lifetime.stopping() => return,
        }
        wait.set(asked.elapsed().as_secs_f64());
    }
}

/// Whether the server didn't answer or was busy with others, as opposed to
/// having refused: the work may be tried again later, or its outcome is unknown.
#[must_use]
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    is_down(error) || is_conflict(error) || has_code(error, &["55P03"])
}

/// Whether the server didn't answer, or can do nothing for anyone now.
#[must_use]
pub fn is_down(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Connection; admin shutdown, crash, starting up; no resources.
        error => has_code(error, &["08", "57P", "53"]),
    }
}

/// Whether the server stopped the statement at its time limit.
#[must_use]
pub fn is_timeout(error: &sqlx::Error) -> bool {
    has_code(error, &["57014"])
}

/// Whether a value was of the right type and still none that the server can
/// take: whoever sent it is at fault, and the server is well.
#[must_use]
pub fn is_bad_value(error: &sqlx::Error) -> bool {
    has_code(error, &["22"])
}

/// Whether the server gave a transaction up in favour of another one
/// (serialization, deadlock): nothing of it was done, and the same again may
/// well succeed. A lock that is waited for too long (55P03) isn't worth another
/// try at once.
#[must_use]
pub fn is_conflict(error: &sqlx::Error) -> bool {
    has_code(error, &["40001", "40P01"])
}

/// The constraint that the server refused a statement by, if that is why.
#[must_use]
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

/// Whether the connection was dead when it was used: a read may be tried once
/// more on another one. One over which nothing came in time isn't: the next may
/// take as long.
#[must_use]
pub fn is_dead_connection(error: &sqlx::Error) -> bool {
    use io::ErrorKind::{Other, TimedOut};

    match error {
        sqlx::Error::Io(error) if error.raw_os_error().is_some() => true,
        sqlx::Error::Io(error) => !matches!(error.kind(), TimedOut | Other),
        error => has_code(error, &["57P"]),
    }
}

/// Whether the server answered with one of these SQLSTATEs, or one that begins so.
fn has_code(error: &sqlx::Error, beginnings: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| beginnings.iter().any(|begin| code.starts_with(begin)))
}
