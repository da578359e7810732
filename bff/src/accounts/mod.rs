//! The accounts store: functions over any connection, one file per aggregate.

pub mod audit;
pub mod credentials;
pub mod idempotency;
pub mod money;
mod persist;
pub mod users;

pub use persist::persist;
