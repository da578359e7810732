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

use platform::postgres;
use sqlx::{AssertSqlSafe, PgPool, PgTransaction};

/// Begins a read whose plans are made for the values at hand: where each filter
/// has an index of its own, no plan is good for all.
async fn planned_anew(pool: &PgPool) -> sqlx::Result<PgTransaction<'static>> {
    let statement = "BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan";
    postgres::begin_with(pool, AssertSqlSafe(statement.to_owned())).await
}
