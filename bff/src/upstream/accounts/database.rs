use std::time::Duration;

use futures::future::BoxFuture;
use platform::{
    config::ServerUrl,
    postgres::{self, PostgresSettings, is_dead_connection},
    shutdown::Lifetime,
};
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::Read;
use crate::upstream::{AccountsSettings, CallError, Deadline, Guard, Guards, Policy};

/// One server that is read from, with a guard for each kind of reading.
#[derive(Debug)]
pub(super) struct Database {
    pool_name: &'static str,
    pool: PgPool,
    guards: [Guard; Read::ALL.len()],
    connections: u32,
}

impl Database {
    /// Prepares the connections to the server at `url`; the names are those of the
    /// upstream and of the pool, as metrics are labelled.
    pub(super) fn new(
        [upstream, pool_name]: [&'static str; 2],
        url: &ServerUrl,
        postgres: &PostgresSettings,
        settings: &AccountsSettings,
        guards: &Guards,
    ) -> Result<Self, sqlx::Error> {
        let pool = PostgresSettings {
            url: url.clone(),
            max_connections: settings.max_connections,
            acquire_timeout_ms: settings.wait_ms,
            statement_timeout_ms: settings.statement_timeout_ms,
            ..postgres.clone()
        };
        let policy = Policy {
            // Together no more than there are connections: what hangs takes none from the rest.
            concurrency: settings.max_connections.div_ceil(Read::ALL.len() as u32) as usize,
            wait: settings.wait_ms.duration(),
            // A dead connection is replaced below; beyond that, the pool has
            // tried for as long as anyone wants to wait.
            retries: 0,
            hedge: false,
            patience: Duration::from_millis(100),
        };
        Ok(Self {
            pool_name,
            pool: pool.pool_of_readers("bff-read")?,
            guards: Read::ALL.map(|read| {
                Guard::new([upstream, read.as_str()], policy, &settings.breaker, guards)
            }),
            connections: settings.max_connections,
        })
    }

    pub(super) fn measure(&self, lifetime: &Lifetime) {
        let (pool, life) = (self.pool.clone(), lifetime.clone());
        lifetime.spawn(postgres::measure(self.pool_name, pool, life));
    }

    /// Reads. When the deadline passes or the caller goes away, the server
    /// ends the query too: its connection is closed, which the server looks
    /// for while it works.
    pub(super) async fn read<T>(
        &self,
        what: Read,
        deadline: Deadline,
        query: &impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>>,
    ) -> Result<T, CallError> {
        let acquire = async || match self.pool.acquire().await {
            // Cut while it was made. One that is refused, the pool makes again itself.
            Err(error) if is_dead_connection(&error) => self.pool.acquire().await,
            acquired => acquired,
        };
        let attempt = async || {
            // After the server was restarted every idle connection is dead, and
            // shows it at its first use. One caller may meet them all.
            for _ in 0..=self.connections {
                let mut lease = Lease::new(acquire().await?);
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
        self.guards[what as usize].call(deadline, attempt).await
    }
}

/// A connection in use. Unless it is given back it is closed: what it was
/// doing is unknown.
pub(super) struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    pub(super) fn new(connection: PoolConnection<Postgres>) -> Self {
        Self(Some(connection))
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.0
            .as_mut()
            .expect("it is taken only by giving back and dropping")
    }

    pub(super) fn give_back(mut self) {
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
