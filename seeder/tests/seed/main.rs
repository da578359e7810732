//! Small seeds on real databases: what is the same, what holds, what is found.

mod command_line;
mod content;
mod repeat;

use migrator::Store;
use platform::testing::Database;
use seeder::{Outcome, Parameters, Progress, SeedError};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Both databases, migrated and empty.
struct Stores {
    accounts: Database,
    orders: Database,
}

impl Stores {
    async fn new() -> Self {
        Self {
            accounts: migrated(Store::Accounts).await,
            orders: migrated(Store::Orders).await,
        }
    }

    async fn seed(&self, parameters: &Parameters) -> Result<Outcome, SeedError> {
        let (accounts, orders) = (self.accounts.superuser_url(), self.orders.superuser_url());
        seeder::seed(parameters, &accounts, &orders, &Progress::none()).await
    }

    async fn checksums(&self) -> Vec<String> {
        let mut all = checksums(&self.accounts).await;
        all.extend(checksums(&self.orders).await);
        all
    }
}

async fn migrated(store: Store) -> Database {
    let template = format!("{store}_{}", migrator::digest(store));
    Database::create(&template, async |url| {
        migrator::up(store, &url)
            .await
            .expect("the migrations apply");
    })
    .await
}

async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect(database.superuser_url().expose().as_str())
        .await
        .expect("the test's database is there")
}

/// One line for each table, with the number and a digest of its rows. Salts
/// are left out.
async fn checksums(database: &Database) -> Vec<String> {
    let mut connection = connect(database).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
            AND relkind = 'r' AND relname <> '_sqlx_migrations' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the catalogue can be read");
    let mut checksums = Vec::new();
    for table in tables {
        let rows = match table.as_str() {
            "credentials" => "(user_id, changed_at)::text",
            _ => "t::text",
        };
        let query = format!(
            "SELECT format('{table} %s %s', count(*), md5(string_agg({rows}, ',' ORDER BY {rows}))) FROM {table} t"
        );
        let checksum: String = sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&mut connection)
            .await
            .expect("the rows can be read");
        checksums.push(checksum);
    }
    checksums
}

async fn ask<T>(database: &Database, query: &'static str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::query_scalar(query)
        .fetch_one(&mut connect(database).await)
        .await
        .unwrap_or_else(|error| panic!("{query}: {error}"))
}

fn small() -> Parameters {
    Parameters {
        seed: 42,
        users: 40,
        items: 300,
        orders: 400,
        as_of: "2026-11-20T00:00:00Z".parse().expect("an instant"),
        demo_user: true,
    }
}
