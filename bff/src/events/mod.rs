//! What happens because of events: [`worker`] publishes them and does what
//! they ask for, [`invalidation`] tells this very process what it may no
//! longer believe, [`live`] tells users what happens to them, [`ledger`] ends
//! holds and checks the books, [`erasure`] forgets who has left, and
//! [`dead_letters`] shows an operator what failed.

pub mod dead_letters;
pub mod erasure;
pub mod invalidation;
pub mod ledger;
pub mod live;
pub mod settings;
pub mod worker;

/// The CloudEvents source of everything that the accounts store publishes.
pub const SOURCE: &str = "portico/accounts";
