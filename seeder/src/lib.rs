//! Fills both databases with made-up people, books, carts, orders and money.
//!
//! The same [`Parameters`] make the same rows, ids included; only the salt of
//! the demo user's password differs. First everything is made in memory
//! ([`World`]), then each database is filled in one transaction, through the
//! same constraints as any other write.

mod accounts;
mod carts;
mod catalogue;
mod copy;
mod error;
mod filling;
mod house;
mod items;
mod ledger;
mod market;
mod orders;
mod parameters;
mod progress;
mod random;
mod users;
mod words;

use platform::config::ServerUrl;

pub use error::SeedError;
use filling::Filling;
pub use parameters::Parameters;
pub use progress::Progress;
pub use users::{DEMO_EMAIL, DEMO_PASSWORD};

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// At least one of the databases was filled; both are full now.
    Filled,
    /// Both were full; nothing was changed.
    AlreadyThere,
}

/// Everyone and everything.
#[derive(Debug)]
struct World {
    users: Vec<users::User>,
    items: Vec<items::Item>,
    carts: Vec<carts::Cart>,
    orders: Vec<orders::Order>,
}

impl World {
    fn new(parameters: &Parameters) -> Self {
        let users = users::users(parameters);
        let items = items::items(parameters);
        let carts = carts::carts(parameters, &users, &items);
        let orders = orders::orders(parameters, &users, &items);
        Self {
            users,
            items,
            carts,
            orders,
        }
    }
}

/// Fills both databases, whose URLs are those of their schemas' owners.
///
/// # Errors
/// Each database is then either as it was or full. A run that failed can be
/// repeated.
pub async fn seed(
    parameters: &Parameters,
    accounts: &ServerUrl,
    orders: &ServerUrl,
    progress: &Progress,
) -> Result<Outcome, SeedError> {
    let accounts = Filling::begin(accounts, parameters).await?;
    let orders = Filling::begin(orders, parameters).await?;
    if accounts.is_none() && orders.is_none() {
        return Ok(Outcome::AlreadyThere);
    }
    let task = progress.wait("making it up");
    let world = &World::new(parameters);
    task.end();
    let fill_accounts = async {
        match accounts {
            Some(filling) => accounts::fill(filling, parameters, world, progress).await,
            None => Ok(()),
        }
    };
    let fill_orders = async {
        match orders {
            Some(filling) => catalogue::fill(filling, parameters, world, progress).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(fill_accounts, fill_orders)?;
    Ok(Outcome::Filled)
}
