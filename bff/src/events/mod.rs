//! What happens because of events: [`worker`] publishes them and does what
//! they ask for, [`invalidation`] tells this very process what it may no
//! longer believe, [`ledger`] ends holds and checks the books, [`erasure`]
//! empties those who left, [`dead_letters`] shows an operator what failed.

pub mod dead_letters;
pub mod erasure;
pub mod invalidation;
pub mod ledger;
pub mod settings;
pub mod worker;

/// The CloudEvents source of everything that the accounts store publishes.
pub const SOURCE: &str = "portico/accounts";
