use std::time::Duration;

use platform::config::Millis;
use serde::{Deserialize, Serialize};

use crate::upstream::BreakerSettings;

/// Settings of the cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheSettings {
    /// Off: everything is fetched for each request.
    pub enabled: bool,
    /// Memory for values, in bytes.
    pub memory_bytes: u64,
    /// How long this replica's memory alone answers for a value, in
    /// milliseconds; 30,000 at most. Shortened by up to a fifth for each value.
    pub memory_ttl_ms: Millis,
    /// How long Redis may take, in milliseconds.
    pub redis_limit_ms: Millis,
    /// Commands to Redis that may be in flight at once; beyond that it is
    /// passed over.
    pub redis_concurrency: usize,
    /// When Redis is passed over for a while.
    pub redis_breaker: BreakerSettings,
    /// How long fetching a stale value anew may take, and how long after a
    /// failure it isn't tried again, in milliseconds.
    pub refresh_limit_ms: Millis,
}

impl CacheSettings {
    /// [`CacheSettings::memory_ttl_ms`], or the most that it may be.
    #[must_use]
    pub fn memory_ttl(&self) -> Duration {
        self.memory_ttl_ms.duration().min(Duration::from_secs(30))
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            memory_bytes: 64 * 1024 * 1024,
            memory_ttl_ms: Millis(30_000),
            redis_limit_ms: Millis(25),
            redis_concurrency: 512,
            redis_breaker: BreakerSettings::default(),
            refresh_limit_ms: Millis(1_000),
        }
    }
}
