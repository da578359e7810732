use std::fmt;

use clap::ValueEnum;
use sha2::{Digest as _, Sha256};
use sqlx::migrate::{Migration, Migrator};

static ACCOUNTS: Migrator = sqlx::migrate!("migrations/accounts");
static ORDERS: Migrator = sqlx::migrate!("migrations/orders");

/// A database that this program keeps in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// Users, credentials, identities and money. The edge's.
    Accounts,
    /// Catalogue, stock and orders. The orders service's.
    Orders,
}

impl Store {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Accounts, Self::Orders];

    /// The role that the service connects as: it may read and write rows, and
    /// can't change the schema.
    #[must_use]
    pub const fn app_role(self) -> &'static str {
        match self {
            Self::Accounts => "accounts_app",
            Self::Orders => "orders_app",
        }
    }

    /// The way up, oldest first.
    pub(crate) fn ups(self) -> impl Iterator<Item = &'static Migration> {
        self.migrations()
            .filter(|migration| !migration.migration_type.is_down_migration())
    }

    /// The way down, newest first.
    pub(crate) fn downs(self) -> impl Iterator<Item = &'static Migration> {
        self.migrations()
            .rev()
            .filter(|migration| migration.migration_type.is_down_migration())
    }

    /// Makes the service's role and grants it what it needs, nothing else.
    pub(crate) const fn grants(self) -> &'static str {
        match self {
            Self::Accounts => include_str!("../grants/accounts.sql"),
            Self::Orders => include_str!("../grants/orders.sql"),
        }
    }

    fn migrations(self) -> std::slice::Iter<'static, Migration> {
        match self {
            Self::Accounts => ACCOUNTS.iter(),
            Self::Orders => ORDERS.iter(),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accounts => "accounts",
            Self::Orders => "orders",
        })
    }
}

/// Twelve hex digits that change whenever a migration or a grant does.
#[must_use]
pub fn digest(store: Store) -> String {
    let mut hash = Sha256::new();
    for migration in store.migrations() {
        hash.update(migration.version.to_be_bytes());
        hash.update(&migration.checksum);
    }
    hash.update(store.grants());
    hash.finalize()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
