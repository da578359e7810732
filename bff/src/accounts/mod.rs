//! The accounts store: functions over any connection, one file per aggregate.

pub mod audit;
pub mod contacts;
pub mod credentials;
pub mod identities;
pub mod money;
pub mod users;
