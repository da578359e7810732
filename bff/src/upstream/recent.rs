//! Whose data changed a moment ago: they don't read from a database that may
//! lag.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use platform::{clock::SharedClock, config::Millis, redis::Redis};
use redis::cmd;
use uuid::Uuid;

use super::{BreakerSettings, GuardedRedis, Guards};

/// Users that this replica remembers at once; of the others Redis knows.
const REMEMBERED: u64 = 100_000;

/// How long Redis may take to say.
const LIMIT: Duration = Duration::from_millis(25);

/// The users whose data changed a moment ago, for all replicas of the edge.
/// Cloning shares them. Without a database that may lag there is nothing to
/// remember, and this does nothing.
#[derive(Debug, Clone)]
pub struct RecentWrites(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    here: moka::sync::Cache<Uuid, ()>,
    /// Until when everybody counts, in milliseconds since the epoch.
    everybody_until: AtomicI64,
    redis: GuardedRedis,
    keep: Millis,
    clock: SharedClock,
}

impl RecentWrites {
    /// Remembers nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Remembers for `keep`.
    #[must_use]
    pub fn new(redis: Redis, keep: Millis, guards: &Guards) -> Self {
        let at_once = (256, Duration::ZERO);
        let breaker = BreakerSettings::default();
        let redis = GuardedRedis::new("recent-writes", redis, LIMIT, at_once, &breaker, guards);
        Self(Some(Arc::new(Inner {
            here: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(keep.duration())
                .build(),
            everybody_until: AtomicI64::new(i64::MIN),
            redis,
            keep,
            clock: guards.clock(),
        })))
    }

    /// This user's data changed: known here at once, and everywhere when the
    /// returned future is done.
    pub fn note(&self, user: Uuid) -> impl Future<Output = ()> + Send + use<> {
        let inner = self.0.clone();
        if let Some(inner) = &inner {
            inner.here.insert(user, ());
        }
        async move {
            let Some(inner) = inner else { return };
            let mut set = cmd("SET");
            set.arg(inner.key(user)).arg(1).arg("PX").arg(inner.keep.0);
            // Without Redis nobody reads from a database that may lag.
            let _: Result<(), _> = inner.redis.run(inner.redis.deadline(), &set).await;
        }
    }

    /// Anybody's data may have changed: what this replica heard last is
    /// unknown.
    pub fn note_everybody(&self) {
        if let Some(inner) = &self.0 {
            let until = inner.clock.now_ms() + inner.keep.0.cast_signed();
            inner.everybody_until.fetch_max(until, Relaxed);
        }
    }

    /// Whether this user's data may have changed a moment ago.
    pub(super) async fn contains(&self, user: Uuid) -> bool {
        let Some(inner) = &self.0 else { return false };
        if inner.here.contains_key(&user)
            || inner.clock.now_ms() < inner.everybody_until.load(Relaxed)
        {
            return true;
        }
        let mut exists = cmd("EXISTS");
        exists.arg(inner.key(user));
        let wrote = inner.redis.run(inner.redis.deadline(), &exists).await;
        wrote.unwrap_or(true)
    }
}

impl Inner {
    fn key(&self, user: Uuid) -> String {
        self.redis.key(&format!("wrote:{user}"))
    }
}
