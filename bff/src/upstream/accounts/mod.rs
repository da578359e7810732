mod database;
mod primary;

use std::sync::Arc;

use futures::future::BoxFuture;
use platform::{postgres::PostgresSettings, shutdown::Lifetime};
use sqlx::PgConnection;
use uuid::Uuid;

use self::database::Database;
pub use self::primary::Primary;
use super::{AccountsSettings, CallError, Deadline, Guards, RecentWrites};

/// What is read. Each kind has a circuit and half of the connections to itself: tables of
/// one kind that are locked cost the other nothing.
#[derive(Debug, Clone, Copy)]
pub enum Read {
    /// Who someone is.
    Profile,
    /// Accounts, what happened in them, and transfers: their tables are read together.
    Money,
}

impl Read {
    const ALL: [Self; 2] = [Self::Profile, Self::Money];

    /// The method, as metrics are labelled.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Money => "money",
        }
    }
}

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
        guards: &Guards,
    ) -> Result<Self, sqlx::Error> {
        let database = |names, url| Database::new(names, url, postgres, settings, guards);
        let replica = settings.replica_url.as_ref();
        Ok(Self(Arc::new(Inner {
            primary: database(["accounts", "read"], &postgres.url)?,
            replica: replica
                .map(|url| database(["replica", "replica"], url))
                .transpose()?,
            writes,
        })))
    }

    /// Shows how the connections are used until the process ends.
    pub fn measure(&self, lifetime: &Lifetime) {
        let Inner {
            primary, replica, ..
        } = &*self.0;
        for database in [Some(primary), replica.as_ref()].into_iter().flatten() {
            database.measure(lifetime);
        }
    }

    /// Reads for a user by one of the store's functions. What the replica can't
    /// answer or doesn't have, which a function tells by
    /// [`sqlx::Error::RowNotFound`], the primary is asked for.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn read<T>(
        &self,
        what: Read,
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
            match replica.read(what, deadline, &query).await {
                Err(error) if !matches!(error, CallError::DeadlineExceeded) => {
                    tracing::debug!(%error, "the replica didn't answer");
                }
                outcome => return outcome,
            }
        }
        primary.read(what, deadline, &query).await
    }
}
