//! The accounts of the house, which the migrations made.

use chrono::{DateTime, Utc};
use platform::money::Money;
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    SeedError,
    accounts::decimal,
    ledger::{Account, Owner},
};

/// The accounts that money comes from and goes to, as they are: others may
/// have moved money before.
pub(crate) async fn read(connection: &mut PgConnection) -> Result<Vec<Account>, SeedError> {
    let rows: Vec<(Uuid, bool, String, Decimal, i64, DateTime<Utc>)> = sqlx::query_as(
        "SELECT id, kind = 'world', currency, balance, version, updated_at FROM accounts
          WHERE kind IN ('world', 'revenue') ORDER BY id FOR NO KEY UPDATE",
    )
    .fetch_all(connection)
    .await?;
    let accounts = rows
        .into_iter()
        .filter_map(|(id, is_world, currency, balance, version, at)| {
            // A currency that the program doesn't know is left alone.
            let money = Money::new(balance, currency.parse().ok()?).ok()?;
            Some(Account {
                id,
                owner: if is_world {
                    Owner::World
                } else {
                    Owner::Revenue
                },
                currency: money.currency(),
                balance: money.minor().ok()?,
                held: 0,
                version,
                created_at: at,
                updated_at: at,
            })
        });
    Ok(accounts.collect())
}

/// What has become of them.
pub(crate) async fn write(
    connection: &mut PgConnection,
    house: &[Account],
) -> Result<(), SeedError> {
    for account in house {
        sqlx::query(
            "UPDATE accounts SET balance = $2, version = $3, updated_at = $4 WHERE id = $1",
        )
        .bind(account.id)
        .bind(decimal(account.balance, account.currency))
        .bind(account.version)
        .bind(account.updated_at)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
