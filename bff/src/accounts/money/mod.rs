//! The ledger: accounts of money, transfers between them with the entries that
//! they leave, and holds. What may never be is refused by the database itself;
//! what happens in one transaction is one function of it (`transfer_post`,
//! `hold_place`, …), so that no lock waits for the network.

mod account;
mod entry;
mod hold;
mod reconcile;
mod statement;
mod transfer;

use platform::money::{Money, MoneyError};
use rust_decimal::Decimal;
use utoipa::ToSchema;

pub use account::{
    Account, AccountStatus, CLOSED_IS_EMPTY, NewAccount, ONE_PER_CURRENCY, close, close_all, get,
    list, open, rename,
};
pub use entry::{Entry, entries};
pub use hold::{
    HoldRefusal, HoldState, NewHold, capture_hold, expire_holds, place_hold, release_hold,
};
pub use reconcile::{Drift, Rule, reconcile};
pub use statement::{Line, lines, statement};
pub use transfer::{
    Balance, NewTransfer, Refusal, Transfer, TransferAnswer, deposit, post, transfer, transfers,
};

/// An exact amount in one currency, for the OpenAPI document.
#[derive(Debug, ToSchema)]
#[schema(as = Money)]
pub struct MoneySchema {
    /// A decimal number with exactly the currency's minor digits.
    #[schema(example = "12.30")]
    pub amount: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
}

/// Money as it is stored. Fails only for what the tables' checks refuse.
pub(in crate::accounts) fn stored(amount: Decimal, currency: &str) -> sqlx::Result<Money> {
    currency
        .parse()
        .map_err(MoneyError::from)
        .and_then(|currency| Money::new(amount, currency))
        .map_err(|error| sqlx::Error::Decode(error.into()))
}
