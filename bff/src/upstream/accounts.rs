use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use platform::{
    clock::SharedClock,
    postgres::{PostgresSettings, is_dead_connection},
};
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use uuid::Uuid;

use super::{AccountsSettings, Budget, CallError, Deadline, Guard, Policy};
use crate::accounts::{
    money::{self, Account, Entry, Transfer},
    users::{self, User},
};

/// Reads from the accounts store, guarded. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    guard: Guard,
    connections: u32,
}

impl Accounts {
    /// Prepares the connections to the store of `postgres`; nothing is
    /// connected before the first read.
    ///
    /// # Errors
    /// When the URL isn't one of PostgreSQL.
    pub fn new(
        postgres: &PostgresSettings,
        settings: &AccountsSettings,
        budget: Budget,
        clock: SharedClock,
    ) -> Result<Self, sqlx::Error> {
        let pool = PostgresSettings {
            max_connections: settings.max_connections,
            acquire_timeout_ms: settings.wait_ms,
            statement_timeout_ms: settings.statement_timeout_ms,
            ..postgres.clone()
        };
        let policy = Policy {
            concurrency: settings.max_connections as usize,
            wait: settings.wait_ms.duration(),
            // A dead connection is replaced below; beyond that, the pool has
            // tried for as long as anyone wants to wait.
            retries: 0,
            hedge: false,
            patience: Duration::from_millis(100),
        };
        Ok(Self(Arc::new(Inner {
            pool: pool.pool("bff-read")?,
            guard: Guard::new(
                ["accounts", "read"],
                policy,
                &settings.breaker,
                budget,
                clock,
            ),
            connections: settings.max_connections,
        })))
    }

    /// A user, as they see themselves.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn user(&self, deadline: Deadline, user_id: Uuid) -> Result<User, CallError> {
        let user = self
            .read(deadline, |c| users::find(c, user_id).boxed())
            .await?;
        user.ok_or(CallError::NotFound)
    }

    /// A user's open accounts, oldest first: `limit` of them that were opened
    /// after the account `after`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn list(
        &self,
        deadline: Deadline,
        user_id: Uuid,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Account>, CallError> {
        self.read(deadline, |c| money::list(c, user_id, after, limit).boxed())
            .await
    }

    /// One of a user's accounts.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn account(
        &self,
        deadline: Deadline,
        user_id: Uuid,
        id: Uuid,
    ) -> Result<Account, CallError> {
        self.read(deadline, |c| money::get(c, user_id, id).boxed())
            .await
    }

    /// The entries of one of a user's accounts, newest first: `limit` of them
    /// that came before that of the transfer `before`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn entries(
        &self,
        deadline: Deadline,
        user_id: Uuid,
        id: Uuid,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Entry>, CallError> {
        self.read(deadline, |c| {
            money::entries(c, user_id, id, before, limit).boxed()
        })
        .await
    }

    /// A transfer that the user is a party to.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn transfer(
        &self,
        deadline: Deadline,
        user_id: Uuid,
        id: Uuid,
    ) -> Result<Transfer, CallError> {
        self.read(deadline, |c| money::transfer(c, user_id, id).boxed())
            .await
    }

    /// A user's transfers, newest first: `limit` of them that are older than
    /// the transfer `before`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn transfers(
        &self,
        deadline: Deadline,
        user_id: Uuid,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Transfer>, CallError> {
        self.read(deadline, |c| {
            money::transfers(c, user_id, before, limit).boxed()
        })
        .await
    }

    /// Reads. When the deadline passes or the caller goes away, the server
    /// ends the query too: its connection is closed, which the server looks
    /// for while it works.
    async fn read<T>(
        &self,
        deadline: Deadline,
        query: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>>,
    ) -> Result<T, CallError> {
        let Inner {
            pool,
            guard,
            connections,
        } = &*self.0;
        let attempt = async || {
            // After the server was restarted every idle connection is dead, and
            // shows it at its first use. One caller may meet them all.
            for _ in 0..=*connections {
                let mut lease = Lease(Some(pool.acquire().await?));
                match query(lease.connection()).await {
                    Err(error) if is_dead_connection(&error) => {
                        tracing::debug!(%error, "a connection was dead");
                        drop(lease);
                    }
                    outcome => {
                        lease.give_back();
                        return Ok(outcome?);
                    }
                }
            }
            Err(CallError::unavailable("every connection was dead"))
        };
        guard.call(deadline, attempt).await
    }
}

/// A connection in use. Unless it is given back it is closed: what it was
/// doing is unknown.
struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    fn connection(&mut self) -> &mut PgConnection {
        self.0
            .as_mut()
            .expect("it is taken only by giving back and dropping")
    }

    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}
