use std::time::Duration;

use platform::{config::ServerUrl, postgres::is_unavailable};

use crate::Store;

/// Why a database isn't in step, or couldn't be brought there.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The server gave no answer, or not in time.
    #[error("{url} can't be reached: {reason}")]
    Unreachable {
        /// The database, its password masked.
        url: ServerUrl,
        /// What the connection says.
        reason: String,
    },
    /// Another migrator was at work for too long.
    #[error("{url}: another migrator was at work for {waited:?}; run this one again")]
    Busy {
        /// The database, its password masked.
        url: ServerUrl,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Migrations that this program has and the database hasn't.
    #[error("{store}: pending from migration {first} on, {count} in all")]
    Pending {
        /// The database.
        store: Store,
        /// How many.
        count: usize,
        /// The lowest version among them.
        first: i64,
    },
    /// An applied migration reads otherwise now. A released one is never
    /// changed: write another.
    #[error("{store}: migration {version} was changed after it was applied")]
    Changed {
        /// The database.
        store: Store,
        /// The migration.
        version: i64,
    },
    /// The database has a migration that this program doesn't know: a newer
    /// program was here.
    #[error("{store}: migration {version} was applied by a newer program")]
    Ahead {
        /// The database.
        store: Store,
        /// The migration.
        version: i64,
    },
    /// Asked to go down to a version that doesn't exist.
    #[error("{store}: there is no migration {version} to go down to")]
    NoSuchVersion {
        /// The database.
        store: Store,
        /// What was asked for.
        version: i64,
    },
    /// A statement of a migration failed; the migration was rolled back.
    #[error("{store}: migration {version} failed: {source}")]
    Migration {
        /// The database.
        store: Store,
        /// The migration.
        version: i64,
        /// What the server says.
        source: sqlx::migrate::MigrateError,
    },
    /// The server refused something else.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl MigrateError {
    pub(crate) fn at(url: &ServerUrl, error: sqlx::Error) -> Self {
        if is_unavailable(&error) {
            Self::Unreachable {
                url: url.clone(),
                reason: error.to_string(),
            }
        } else {
            Self::Database(error)
        }
    }
}
