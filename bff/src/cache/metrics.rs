use metrics::{Counter, Gauge, counter, gauge};

/// The places of stale values and misses beside hits.
pub(super) const STALE: usize = 1;
pub(super) const MISS: usize = 2;

/// Built once: finding a metric by its labels costs more than updating it.
#[derive(Debug)]
pub(super) struct CacheMetrics {
    /// Hits, stale hits, misses.
    pub l1: [Counter; 3],
    /// The same of what was looked for in Redis.
    pub l2: [Counter; 3],
    pub entries: Gauge,
    pub bytes: Gauge,
}

impl CacheMetrics {
    pub(super) fn new() -> Self {
        let tier = |tier: &'static str| {
            ["hit", "stale", "miss"].map(
                |outcome| counter!("cache_requests_total", "tier" => tier, "outcome" => outcome),
            )
        };
        Self {
            l1: tier("l1"),
            l2: tier("l2"),
            entries: gauge!("cache_entries", "tier" => "l1"),
            bytes: gauge!("cache_bytes", "tier" => "l1"),
        }
    }

    /// Counts an answer from memory.
    pub(super) fn l1(&self, stale: bool) {
        self.l1[if stale { STALE } else { 0 }].increment(1);
    }
}
