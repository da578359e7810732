use std::{io, sync::Arc, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use platform::postgres::{self, PostgresSettings, is_dead_connection, is_down};
use sqlx::{
    Describe, Either, Execute, Executor, PgPool, PgTransaction, Postgres, SqlSafeStr, SqlStr,
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
            // It may wait for a lock, too. What takes longer is of no more use than
            // no answer, and counts as none.
            statement: wait * 2 + settings.lock_timeout_ms.duration(),
        })))
    }

    /// The connections, without the guard: for what waits in the background.
    #[must_use]
    pub fn unguarded(&self) -> &PgPool {
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
        statement: impl SqlSafeStr + Send,
    ) -> sqlx::Result<PgTransaction<'static>> {
        let begin = postgres::begin_with(&self.0.pool, statement);
        self.guarded(self.0.begin, begin.boxed()).await
    }

    async fn guarded<T>(
        &self,
        limit: Duration,
        work: BoxFuture<'_, sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let silence = |error: &sqlx::Error| match error {
            // Others may have all of them.
            sqlx::Error::PoolTimedOut => Some(CallError::Overloaded { retry_after: None }),
            // One that was dead says nothing of the next one.
            error if is_dead_connection(error) => None,
            error => is_down(error).then(|| CallError::unavailable(error)),
        };
        let answer = self.0.guard.ask(Deadline::within(limit), work, silence);
        answer.await.map_err(io::Error::other)?
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
                let mut lease = Lease::new(primary.unguarded().acquire().await?);
                let all = lease.connection().fetch_many(query);
                let all: sqlx::Result<Vec<_>> = all.try_collect().await;
                lease.give_back();
                all
            };
            primary.guarded(primary.0.statement, run.boxed()).await
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
        let mut rows = self.fetch(query);
        async move { rows.try_next().await }.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        self.unguarded().prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        self.unguarded().describe(sql)
    }
}
