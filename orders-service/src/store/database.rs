//! The way to the database: a pool whose transactions end at a deadline, and a
//! watch that knows within two seconds whether the server answers.

use std::{sync::Arc, time::Duration};

use metrics::Gauge;
use platform::{
    postgres::{self, PostgresSettings},
    shutdown::Lifetime,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, PgTransaction,
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{deadline::Deadline, error::Error};

/// How often the server is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How long it has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The orders database. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    up: Arc<watch::Sender<bool>>,
}

impl Database {
    /// Prepares the connections. The database counts as away until
    /// [`Database::watch`] has found it.
    ///
    /// # Errors
    /// When the URL isn't one of PostgreSQL.
    pub fn new(settings: &PostgresSettings) -> Result<Self, sqlx::Error> {
        let pool = settings.pool("orders-service")?;
        Ok(Self {
            pool,
            up: Arc::new(watch::Sender::new(false)),
        })
    }

    /// The pool itself, for libraries that take one.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Whether the server answers, now and whenever that changes.
    #[must_use]
    pub fn availability(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    /// Begins a transaction that only reads. Each statement in it is ended by
    /// the server at the deadline, also when nobody listens any more. Plans are
    /// made once for each connection: left to choose, the server plans some of
    /// these statements anew each time, which takes it ten times as long as
    /// they do.
    ///
    /// # Errors
    /// [`Error::Unavailable`], without waiting, while the server is away;
    /// [`Error::DeadlinePassed`]; what the database says.
    pub async fn read(&self, deadline: Deadline) -> Result<PgTransaction<'static>, Error> {
        const SETTINGS: &str = "SET LOCAL plan_cache_mode = force_generic_plan";
        self.begin("BEGIN READ ONLY", SETTINGS, deadline).await
    }

    /// As [`Database::read`], for lists with filters: plans are made for the
    /// values at hand, since a list without a filter wants another index than
    /// one with it, and both are one statement.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub async fn search(&self, deadline: Deadline) -> Result<PgTransaction<'static>, Error> {
        const SETTINGS: &str = "SET LOCAL plan_cache_mode = force_custom_plan; \
                                SET LOCAL pg_trgm.word_similarity_threshold = 0.45";
        self.begin("BEGIN READ ONLY", SETTINGS, deadline).await
    }

    /// Begins a transaction. Each statement in it is ended by the server at
    /// the deadline.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub async fn write(&self, deadline: Deadline) -> Result<PgTransaction<'static>, Error> {
        self.begin("BEGIN", "", deadline).await
    }

    async fn begin(
        &self,
        begin: &str,
        settings: &str,
        deadline: Deadline,
    ) -> Result<PgTransaction<'static>, Error> {
        if !*self.up.borrow() {
            return Err(Error::Unavailable);
        }
        let left = deadline.remaining().as_millis();
        if left == 0 {
            return Err(Error::DeadlinePassed);
        }
        let statement = format!("{begin}; SET LOCAL statement_timeout = {left}; {settings}");
        let _waiting = Waiting::begin();
        Ok(postgres::begin_with(&self.pool, AssertSqlSafe(statement)).await?)
    }

    /// Asks the server whether it is there until the process ends, over a
    /// connection of its own, so that a busy pool doesn't look like an absent
    /// server.
    pub async fn watch(&self, lifetime: &Lifetime) {
        let mut connection = None;
        let mut tick = interval(ASK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = lifetime.stopping() => return,
            }
            let answer = timeout(ANSWER_WITHIN, self.ask(&mut connection)).await;
            let up = matches!(answer, Ok(Ok(())));
            if !up {
                connection = None;
            }
            if self.up.send_replace(up) != up {
                match answer {
                    Ok(Ok(())) => tracing::info!("the database answers"),
                    Ok(Err(error)) => tracing::warn!(%error, "the database is away"),
                    Err(_) => tracing::warn!("the database is away: no answer in time"),
                }
            }
        }
    }

    /// A connection that died is no sign of an absent server: another is made.
    async fn ask(&self, connection: &mut Option<PgConnection>) -> Result<(), sqlx::Error> {
        if let Some(open) = connection
            && open.ping().await.is_ok()
        {
            return Ok(());
        }
        *connection = Some(self.pool.connect_options().connect().await?);
        Ok(())
    }
}

/// Somebody who waits for a connection, counted until dropped.
struct Waiting(Gauge);

impl Waiting {
    fn begin() -> Self {
        let gauge = metrics::gauge!("postgres_pool_waiting", "pool" => "orders");
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
