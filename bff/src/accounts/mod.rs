//! The accounts store: functions over any connection, one file per aggregate.

pub mod audit;
pub mod credentials;
pub mod money;
pub mod users;
