mod database;

use std::{ops::Range, sync::Arc};

use chrono::{DateTime, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use platform::{clock::SharedClock, postgres::PostgresSettings};
use sqlx::PgConnection;
use uuid::Uuid;

use self::database::Database;
use super::{AccountsSettings, Budget, CallError, Deadline, RecentWrites};
use crate::accounts::{
    money::{self, Account, Entry, Line, Transfer},
    users::{self, User},
};

/// Reads from the accounts store, guarded. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    primary: Database,
    /// A copy that may lag.
    replica: Option<Database>,
    writes: RecentWrites,
}

impl Accounts {
    /// Prepares the connections to the store of `postgres`, and to its replica
    /// if there is one; nothing is connected before the first read. Users of
    /// whom `writes` knows don't read from the replica.
    ///
    /// # Errors
    /// When a URL isn't one of PostgreSQL.
    pub fn new(
        postgres: &PostgresSettings,
        settings: &AccountsSettings,
        writes: RecentWrites,
        budget: &Budget,
        clock: &SharedClock,
    ) -> Result<Self, sqlx::Error> {
        let database = |name, url| {
            let (budget, clock) = (budget.clone(), clock.clone());
            Database::new(name, url, postgres, settings, budget, clock)
        };
        let replica = settings.replica_url.as_ref();
        Ok(Self(Arc::new(Inner {
            primary: database("read", &postgres.url)?,
            replica: replica.map(|url| database("replica", url)).transpose()?,
            writes,
        })))
    }

    /// A user, as they see themselves.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn user(&self, deadline: Deadline, user_id: Uuid) -> Result<User, CallError> {
        let user = self
            .read(deadline, user_id, |c| users::find(c, user_id).boxed())
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
        self.read(deadline, user_id, |c| {
            money::list(c, user_id, after, limit).boxed()
        })
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
        self.read(deadline, user_id, |c| money::get(c, user_id, id).boxed())
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
        self.read(deadline, user_id, |c| {
            money::entries(c, user_id, id, before, limit).boxed()
        })
        .await
    }

    /// The part of one of a user's accounts' history that lies within a time.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn statement(
        &self,
        deadline: Deadline,
        user_id: Uuid,
        id: Uuid,
        time: Range<DateTime<Utc>>,
    ) -> Result<Range<i64>, CallError> {
        self.read(deadline, user_id, move |c| {
            money::statement(c, user_id, id, time.clone()).boxed()
        })
        .await
    }

    /// The first `limit` lines of such a part.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn lines(
        &self,
        deadline: Deadline,
        user_id: Uuid,
        id: Uuid,
        part: Range<i64>,
        limit: i64,
    ) -> Result<Vec<Line>, CallError> {
        self.read(deadline, user_id, move |c| {
            money::lines(c, id, part.clone(), limit).boxed()
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
        self.read(deadline, user_id, |c| {
            money::transfer(c, user_id, id).boxed()
        })
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
        self.read(deadline, user_id, |c| {
            money::transfers(c, user_id, before, limit).boxed()
        })
        .await
    }

    /// Reads for a user. What the replica can't answer or doesn't have, the
    /// primary is asked for.
    async fn read<T>(
        &self,
        deadline: Deadline,
        user_id: Uuid,
        query: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>>,
    ) -> Result<T, CallError> {
        let Inner {
            primary,
            replica,
            writes,
        } = &*self.0;
        if let Some(replica) = replica
            && !writes.contains(user_id).await
        {
            match replica.read(deadline, &query).await {
                Err(error) if !matches!(error, CallError::DeadlineExceeded) => {
                    tracing::debug!(%error, "the replica didn't answer");
                }
                outcome => return outcome,
            }
        }
        primary.read(deadline, &query).await
    }
}
