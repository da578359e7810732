use std::{num::NonZeroU32, sync::LazyLock, time::Duration};

use platform::{config::Millis, redis::Redis};
use redis::Script;

use super::settings::Quota;
use crate::upstream::{BreakerSettings, GuardedRedis, Guards};

static GCRA: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("gcra.lua")));

/// Redis doesn't answer, or has failed so often that it isn't asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away;

/// What the shared bucket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// How many cells; none when the bucket is empty.
    pub cells: u32,
    /// The bucket's theoretical arrival time, in microseconds since the epoch.
    pub arrival: i64,
}

/// The buckets that all replicas share.
#[derive(Debug)]
pub(super) struct Shared {
    redis: GuardedRedis,
}

impl Shared {
    /// Buckets that are asked for at most `limit`.
    pub fn new(redis: Redis, limit: Duration, guards: &Guards) -> Self {
        // There is a good answer without Redis, and a better one with it: it is
        // given up soon, and tried again soon.
        let breaker = BreakerSettings {
            consecutive_failures: 3,
            probe_after_max_ms: Millis(5_000),
            ..BreakerSettings::default()
        };
        let at_once = (1_024, limit);
        Self {
            redis: GuardedRedis::new("limits", redis, limit, at_once, &breaker, guards),
        }
    }

    /// Whether Redis has failed too often to be relied on.
    pub fn is_away(&self) -> bool {
        self.redis.is_away()
    }

    /// Takes up to `wanted` cells, at least one if there is any, out of the
    /// bucket of that name.
    pub async fn take(
        &self,
        name: &str,
        quota: Quota,
        wanted: NonZeroU32,
        now: i64,
    ) -> Result<Grant, Away> {
        let key = self.redis.key(&format!("limit:{name}"));
        let mut script = GCRA.key(key);
        script
            .arg(now)
            .arg(quota.interval())
            .arg(quota.burst)
            .arg(wanted);
        match script.invoke_async(&mut self.redis.hot()).await {
            Ok((cells, arrival)) => Ok(Grant { cells, arrival }),
            Err(error) => {
                tracing::debug!(%error, "this replica limits by itself");
                Err(Away)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use platform::{clock::SystemClock, redis::RedisSettings, testing};
    use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

    use super::*;

    const NOW: i64 = 1_900_000_000_000_000;

    fn redis() -> Redis {
        let settings = RedisSettings {
            url: testing::redis_url(),
            prefix: testing::unique_name(),
            ..RedisSettings::default()
        };
        Redis::new(&settings).unwrap()
    }

    fn shared(redis: &Redis) -> Shared {
        let guards = Guards::new(Arc::new(SystemClock));
        Shared::new(redis.clone(), Duration::from_secs(5), &guards)
    }

    /// Intervals are long beside the test: Redis forgets full buckets by its own
    /// clock.
    fn quotas() -> impl Strategy<Value = Quota> {
        (1_u32..=360, 1_u32..=1_000_000).prop_map(|(count, burst)| Quota {
            count: count.try_into().unwrap(),
            window_s: 3600,
            burst: burst.try_into().unwrap(),
        })
    }

    fn run<S: Strategy>(input: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
        let config = ProptestConfig {
            cases: 64,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        TestRunner::new(config).run(input, test).unwrap();
    }

    /// Lua's numbers are doubles: beyond this they skip some, in the year 2255.
    const LARGEST_EXACT: i64 = 1 << 53;

    #[test]
    fn the_script_does_what_a_leaking_bucket_does() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _context = runtime.enter();
        let shared = shared(&redis());
        // Parts of the time that a full burst takes, and parts of the burst.
        let steps = vec((0.0..0.2_f64, 0.0..0.4_f64), 1..40);
        run(&(quotas(), steps), |(quota, steps)| {
            let name = testing::unique_name();
            let (interval, burst) = (quota.interval(), i64::from(quota.burst.get()));
            // The model holds what is missing, in microseconds.
            let (mut now, mut missing) = (NOW, 0);
            for (pause, wanted) in steps {
                let pause = (pause * quota.refill() as f64) as i64;
                let wanted = (wanted * burst as f64) as i64 + 1;
                now += pause;
                if now + quota.refill() >= LARGEST_EXACT {
                    break;
                }
                missing = (missing - pause).max(0);
                let whole = burst - (missing + interval - 1) / interval;
                let expected = match whole {
                    0 => 0,
                    _ => wanted.min(whole - (burst + 1) / 2).max(1),
                };
                missing += expected * interval;
                let wanted = u32::try_from(wanted).unwrap().try_into().unwrap();
                let grant = runtime
                    .block_on(shared.take(&name, quota, wanted, now))
                    .unwrap();
                prop_assert_eq!(i64::from(grant.cells), expected);
                prop_assert_eq!(grant.arrival, now + missing);
            }
            Ok(())
        });
    }

    #[test]
    fn clocks_that_disagree_gain_no_more_than_they_are_apart() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _context = runtime.enter();
        let shared = shared(&redis());
        let steps = vec((0.0..0.5_f64, 1..200_u32), 1..40);
        run(&(quotas(), steps), |(quota, steps)| {
            let name = testing::unique_name();
            let mut granted = 0;
            for (skew, wanted) in steps {
                let now = NOW + (skew * quota.refill() as f64) as i64;
                let wanted = wanted.try_into().unwrap();
                let grant = runtime
                    .block_on(shared.take(&name, quota, wanted, now))
                    .unwrap();
                granted += grant.cells;
            }
            let apart = quota.burst.get().div_ceil(2);
            prop_assert!(granted <= quota.burst.get() + apart);
            Ok(())
        });
    }

    #[tokio::test]
    async fn a_full_bucket_is_no_key() {
        let redis = redis();
        let shared = shared(&redis);
        let quota = Quota {
            count: NonZeroU32::new(60_000_000).unwrap(),
            window_s: 60,
            burst: NonZeroU32::new(10).unwrap(),
        };
        shared
            .take("brief", quota, NonZeroU32::MIN, NOW)
            .await
            .unwrap();
        let key = redis.key("limit:brief");
        let gone = async {
            while redis::cmd("EXISTS")
                .arg(&key)
                .query_async(&mut redis.hot())
                .await
                .unwrap()
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .unwrap();
    }
}
