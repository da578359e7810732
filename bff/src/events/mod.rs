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

use platform::{clock::Clock, outbox::NewEvent};
use proto::events::Event;

/// An event of now, for the outbox: it knows its subject and its aggregate, whose
/// version after the change this is; 0 where there are no versions.
#[must_use]
pub fn new_event<E: Event>(version: i64, event: &E, clock: &dyn Clock) -> NewEvent {
    NewEvent::new(E::SUBJECT, event.aggregate_id(), version, event, clock)
}

/// The CloudEvents source of everything that the accounts store publishes.
pub const SOURCE: &str = "portico/accounts";
