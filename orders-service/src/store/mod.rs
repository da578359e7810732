//! The orders database. Each function is one statement, on whatever executes.

pub mod carts;
pub mod database;
pub mod departures;
pub mod items;
pub mod lists;
pub mod orders;
pub mod sales;

use platform::{currency::Currency, money::Money};
use rust_decimal::Decimal;

/// An amount as the database keeps it; its checks make every one fit.
fn money(amount: Decimal, currency: Currency) -> Result<Money, sqlx::Error> {
    Money::new(amount, currency).map_err(|error| sqlx::Error::Decode(error.into()))
}
