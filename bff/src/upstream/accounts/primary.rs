use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use platform::postgres::{self, PostgresSettings, is_dead_connection, is_down};
use sqlx::{
    AssertSqlSafe, Describe, Either, Execute, Executor, PgPool, PgTransaction, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::database::Lease;
use crate::upstream::{BreakerSettings, CallError, Deadline, Guard, Guards, Policy};

/// Statements and transactions that may wait for a connection at once.
const WAITING: usize = 1_024;

/// The accounts store's primary, for what isn't a screen's read: whatever writes,
/// and reads that decide about it. While it doesn't answer it isn't waited for.
/// Cloning shares the connections.
///
/// It stands for a pool where the functions of the store want one. Statements by
/// themselves and the beginnings of transactions are guarded; what a transaction
/// does next has the server's own time limits.
#[derive(Debug, Clone)]
pub struct Primary(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    guard: Guard,
    begin: Duration,
    statement: Duration,
}

impl Primary {
    /// Prepares the connections; nothing is connected before the first use.
    ///
    /// # Errors
    /// When the URL isn't one of PostgreSQL.
    pub fn new(
        settings: &PostgresSettings,
        application: &str,
        guards: &Guards,
    ) -> Result<Self, sqlx::Error> {
        let wait = settings.acquire_timeout_ms.duration();
        let policy = Policy {
            concurrency: WAITING,
            wait,
            retries: 0,
            hedge: false,
            patience: Duration::ZERO,
        };
        let breaker = BreakerSettings::insistent();
        Ok(Self(Arc::new(Inner {
            pool: settings.pool(application)?,
            guard: Guard::new(["accounts", "write"], policy, &breaker, guards),
            // The pool gives up first: that all connections are in use is no fault of
            // the server's.
            begin: wait * 2,
            // It may wait for a lock, too.
            statement: wait * 2 + settings.lock_timeout_ms.duration(),
        })))
    }

    /// The connections, without the guard: for what waits in the background.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// As [`postgres::begin`].
    ///
    /// # Errors
    /// See there.
    pub async fn begin(&self) -> sqlx::Result<PgTransaction<'static>> {
        self.begin_with("BEGIN").await
    }

    /// As [`postgres::begin_with`].
    ///
    /// # Errors
    /// See there.
    pub async fn begin_with(
        &self,
        statement: &'static str,
    ) -> sqlx::Result<PgTransaction<'static>> {
        let pool = &self.0.pool;
        let begin = async {
            // After the server was restarted every idle connection is dead, and
            // shows it at its first use. One caller may meet them all.
            let mut idle = pool.options().get_max_connections();
            loop {
                match postgres::begin_with(pool, AssertSqlSafe(statement.to_owned())).await {
                    Err(error) if is_dead_connection(&error) && idle > 0 => {
                        tracing::debug!(%error, "a connection was dead");
                        idle -= 1;
                    }
                    outcome => return outcome,
                }
            }
        };
        self.guarded(self.0.begin, begin).await
    }

    async fn guarded<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let mut silence = None;
        let told = &mut silence;
        let call = || async move {
            match work.await {
                // A connection that was dead says nothing of the next one.
                Err(error) if is_down(&error) && !is_dead_connection(&error) => {
                    let verdict = match &error {
                        // Others may have all of them.
                        sqlx::Error::PoolTimedOut => CallError::Overloaded { retry_after: None },
                        error => CallError::unavailable(error),
                    };
                    *told = Some(error);
                    Err(verdict)
                }
                // A server that says no is there.
                answer => Ok(answer),
            }
        };
        match self.0.guard.once(Deadline::within(limit), call).await {
            Ok(answer) => answer,
            Err(error) => Err(silence.unwrap_or_else(|| {
                tracing::debug!(%error, "the accounts store isn't waited for");
                sqlx::Error::PoolTimedOut
            })),
        }
    }
}

impl<'p> Executor<'p> for &'_ Primary {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let primary = self.clone();
        let all = async move {
            let run = async {
                let mut lease = Lease::new(primary.pool().acquire().await?);
                let all = lease.connection().fetch_many(query);
                let all: sqlx::Result<Vec<_>> = all.try_collect().await;
                lease.give_back();
                all
            };
            primary.guarded(primary.0.statement, run).await
        };
        all.map_ok(|all| stream::iter(all).map(Ok))
            .try_flatten_stream()
            .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let mut steps = self.fetch_many(query);
        let first = async move {
            while let Some(step) = steps.try_next().await? {
                if let Either::Right(row) = step {
                    return Ok(Some(row));
                }
            }
            Ok(None)
        };
        first.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        self.pool().prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        self.pool().describe(sql)
    }
}
