//! What the edge calls: the orders service, the accounts store and Redis, each
//! behind a guard that keeps a sick dependency from making the edge sick.

mod accounts;
mod breaker;
mod bulkhead;
mod context;
mod deadline;
mod error;
mod guard;
mod guard_metrics;
mod guards;
mod latency;
mod orders;
mod recent;
mod redis;
mod rpc;
mod settings;
mod status;
pub mod view;

pub use accounts::{Accounts, Primary, Read};
pub use breaker::BreakerSettings;
pub use context::{Context, Trail};
pub use deadline::Deadline;
pub use error::{CallError, Violation};
pub use guard::{Guard, Policy};
pub use guards::Guards;
pub use orders::Orders;
pub use recent::RecentWrites;
pub use redis::GuardedRedis;
pub use settings::{AccountsSettings, OrdersSettings};
