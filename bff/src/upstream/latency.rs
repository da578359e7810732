use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Fewer samples say nothing yet.
const WARM: u32 = 100;

/// The 95th percentile of a method's latency, followed sample by sample.
///
/// A sample above the estimate raises it by 4.75 %, one below lowers it by
/// 0.25 %: the two balance when one sample in twenty is above. So it needs no
/// history, and follows a change within some dozens of calls. Concurrent
/// updates may overwrite each other, which an estimate survives.
#[derive(Debug, Default)]
pub(super) struct P95 {
    nanos: AtomicU64,
    samples: AtomicU32,
}

impl P95 {
    /// Takes in how long a call took.
    pub(super) fn observe(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let samples = self.samples.load(Relaxed);
        let p95 = self.nanos.load(Relaxed);
        let next = match samples {
            0 => took,
            _ if took > p95 => p95 + p95 / 400 * 19 + 1,
            _ => p95 - p95 / 400,
        };
        self.nanos.store(next, Relaxed);
        self.samples.store(samples.saturating_add(1), Relaxed);
    }

    /// Takes in that a call, which was given up, would have taken longer.
    pub(super) fn observe_longer_than(&self, took: Duration) {
        if self.get().is_some_and(|p95| took > p95) {
            self.observe(took);
        }
    }

    /// The estimate, once there is one.
    pub(super) fn get(&self) -> Option<Duration> {
        (self.samples.load(Relaxed) >= WARM).then(|| Duration::from_nanos(self.nanos.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn it_settles_where_one_call_in_twenty_is_slower_and_follows_a_change() {
        let mut rng = StdRng::seed_from_u64(1);
        let p95 = P95::default();
        for (slowest_ms, calls) in [(10.0, 5_000), (100.0, 1_000)] {
            for _ in 0..calls {
                p95.observe(Duration::from_secs_f64(
                    rng.random_range(0.0..slowest_ms) / 1_000.0,
                ));
            }
            let ms = p95.get().unwrap().as_secs_f64() * 1_000.0;
            assert!(
                (slowest_ms * 0.85..slowest_ms * 1.1).contains(&ms),
                "{ms} of {slowest_ms}"
            );
        }
    }

    #[test]
    fn few_calls_say_nothing() {
        let p95 = P95::default();
        for _ in 1..WARM {
            p95.observe(Duration::from_millis(1));
        }
        assert_eq!(p95.get(), None);
    }
}
