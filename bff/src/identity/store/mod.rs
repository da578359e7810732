//! What identity keeps in Redis. Each change that must not be seen half done is one
//! script or transaction.
//!
//! Scripts take the time from the caller, so that it is the injected clock's.

pub mod attempts;
pub mod codes;
pub mod devices;
pub mod freshness;
pub mod once;
pub mod renewal;
pub mod sessions;

use platform::redis::Redis;

use crate::upstream::{BreakerSettings, GuardedRedis, Guards};

/// Redis as identity asks it.
#[must_use]
pub fn guarded(redis: Redis, guards: &Guards) -> GuardedRedis {
    let breaker = BreakerSettings::insistent();
    let limit = redis.response_timeout();
    GuardedRedis::new("identity", redis, limit, (1_024, limit), &breaker, guards)
}

/// A script and the numbers it was written for live in one file each.
macro_rules! script {
    ($file:literal) => {{
        static SCRIPT: std::sync::LazyLock<redis::Script> =
            std::sync::LazyLock::new(|| redis::Script::new(include_str!($file)));
        &*SCRIPT
    }};
}
pub(crate) use script;
