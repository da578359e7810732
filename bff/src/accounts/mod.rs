//! The accounts store: functions over any connection, one file per aggregate.

pub mod administration;
pub mod audit;
pub mod contacts;
pub mod credentials;
pub mod erasure;
pub mod export;
pub mod idempotency;
pub mod identities;
pub mod life;
pub mod money;
mod persist;
pub mod trail;
pub mod users;

pub use persist::persist;

use sqlx::PgTransaction;

use crate::upstream::Primary;

/// Begins a read whose plans are made for the values at hand: where each filter
/// has an index of its own, no plan is good for all.
async fn planned_anew(pool: &Primary) -> sqlx::Result<PgTransaction<'static>> {
    let statement = "BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan";
    pool.begin_with(statement).await
}
