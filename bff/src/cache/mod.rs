//! The two-tier cache of serialised values: L1 in this process, L2 in Redis.
//!
//! A value is fresh until its soft time, then stale until its hard time: still
//! served, and fetched anew once in the background. Memory alone answers for
//! at most `memory_ttl_ms`, which bounds what an event that got lost can do.
//! Whatever is wrong with Redis, it costs a call no more than
//! `redis_limit_ms`, and nothing once the circuit is open.

mod entry;
mod fill;
mod flight;
mod generation;
mod key;
mod metrics;
mod settings;
mod shared;

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use moka::notification::RemovalCause;
use platform::{clock::SharedClock, redis::Redis};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::generation::Stamp;
pub use self::{
    entry::{Digest, Entry, Ttl, digest},
    key::{Invalidate, Key, Scope},
    settings::CacheSettings,
};
use self::{
    entry::{Kept, LONGEST},
    fill::Gap,
    flight::Flights,
    generation::Generations,
    metrics::{CacheMetrics, MISS},
    shared::SharedTier,
};
use crate::upstream::{CallError, Deadline, Guards, RecentWrites};

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// It was fetched for this answer.
    Live,
    /// From this replica's memory.
    L1,
    /// From the cache that all replicas share.
    L2,
}

/// A value that was asked for.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The value.
    pub entry: Arc<Entry>,
    /// Where it came from.
    pub source: Source,
    /// Whether it is past its soft time, or stands in for one that could not
    /// be fetched.
    pub stale: bool,
    /// Until when memory answers with the same, in milliseconds since the epoch.
    pub(crate) until: i64,
}

type Fetched = Result<(Arc<Entry>, Source), CallError>;

/// The cache. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: CacheSettings,
    clock: SharedClock,
    memory: moka::sync::Cache<Key, Kept>,
    /// Whoever's values are made old reads them from the primary next.
    writes: RecentWrites,
    generations: Generations,
    flights: Flights<Fetched>,
    shared: Option<Arc<SharedTier>>,
    metrics: CacheMetrics,
}

impl Cache {
    /// An empty cache, which tells `writes` whose data has changed. Without `redis`
    /// there is no second tier.
    #[must_use]
    pub fn new(
        settings: &CacheSettings,
        redis: Option<Redis>,
        guards: &Guards,
        writes: RecentWrites,
    ) -> Self {
        let evictions = ::metrics::counter!("cache_evictions_total", "tier" => "l1");
        let memory = moka::sync::Cache::builder()
            .max_capacity(settings.memory_bytes)
            .weigher(|key: &Key, kept: &Kept| {
                let bytes = key.weight() + kept.entry.json().len() + ENTRY_OVERHEAD;
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .time_to_live(LONGEST)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evictions.increment(1);
                }
            })
            .build();
        let shared = redis.map(|redis| SharedTier::new(redis, settings, guards).into());
        Self(Arc::new(Inner {
            settings: settings.clone(),
            clock: guards.clock(),
            memory,
            writes,
            generations: Generations::default(),
            flights: Flights::default(),
            shared,
            metrics: CacheMetrics::new(),
        }))
    }

    /// What memory answers with at once, when nothing is to be done beside.
    #[must_use]
    pub fn peek(&self, key: &Key) -> Option<Hit> {
        let inner = &self.0;
        let now = inner.clock.now_ms();
        let kept = inner.kept(key, inner.generations.stamp(key.tags()), now)?;
        if now >= kept.until || kept.entry.wants_refresh(now) {
            return None;
        }
        let hit = kept.hit(now);
        inner.metrics.l1(hit.stale);
        Some(hit)
    }

    /// The value for `key`: from memory, from Redis, or by `fetch`, of which
    /// concurrent callers share one. It is kept for `ttl`.
    ///
    /// # Errors
    /// Those of `fetch`, unless an older value can stand in.
    pub async fn get<F>(
        &self,
        key: &Key,
        ttl: Ttl,
        deadline: Deadline,
        fetch: F,
    ) -> Result<Hit, CallError>
    where
        F: FnOnce(Deadline) -> BoxFuture<'static, Result<Bytes, CallError>> + Send + 'static,
    {
        let inner = &self.0;
        let now = inner.clock.now_ms();
        if !inner.settings.enabled {
            let json = deadline.limit(fetch(deadline)).await?;
            return Ok(Hit::live(json, now));
        }
        // Before anything is read, so that a change from here on is noticed.
        let stamp = inner.generations.stamp(key.tags());
        let gap = || Gap {
            key: key.clone(),
            ttl,
            stamp,
        };
        let kept = inner.kept(key, stamp, now);
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.until) {
            if let Some(deadline) = inner.refresh_deadline(&kept.entry, now) {
                tokio::spawn(inner.clone().fill(gap(), deadline, false, fetch));
            }
            let hit = kept.hit(now);
            inner.metrics.l1(hit.stale);
            return Ok(hit);
        }
        inner.metrics.l1[MISS].increment(1);
        let start = || inner.clone().fill(gap(), deadline, true, fetch).boxed();
        let flight = inner.flights.join(key, stamp, deadline, start);
        match (deadline.limit(flight).await, kept) {
            (Ok((entry, source)), _) => {
                let until = inner.clock.now_ms();
                let stale = entry.is_stale(until);
                Ok(Hit {
                    entry,
                    source,
                    stale,
                    until,
                })
            }
            (Err(error), Some(kept)) if !error.is_refusal() => Ok(Hit {
                stale: true,
                ..kept.hit(now)
            }),
            (Err(error), _) => Err(error),
        }
    }

    /// Makes old what is cached of something that has changed: in this process
    /// at once, and for all replicas when the returned future is done.
    pub fn invalidate(&self, what: Invalidate) -> impl Future<Output = ()> + Send + use<> {
        let noted = self.forget(what);
        let inner = self.0.clone();
        async move {
            if let Some(noted) = noted {
                noted.await;
            }
            let Some(shared) = &inner.shared else { return };
            if what == Invalidate::Everything {
                shared.distrust();
            }
            for tag in what.tags().into_iter().flatten() {
                shared.mark(tag).await;
            }
            // Whoever read the old value from Redis meanwhile can't keep it.
            inner.raise(what);
        }
    }

    /// Makes it old in this process, at once. What is returned tells others whose
    /// data has changed.
    pub(crate) fn forget(
        &self,
        what: Invalidate,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let noted = self.0.note(what);
        self.0.raise(what);
        noted
    }

    /// The state of what these values depend on. As long as it is the same,
    /// none of them was made old.
    pub(crate) fn stamp<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Stamp {
        self.0.generations.stamp(keys.flat_map(Key::tags))
    }
}

impl Inner {
    /// What memory has of this key and may still serve.
    fn kept(&self, key: &Key, stamp: Stamp, now: i64) -> Option<Kept> {
        let kept = self.memory.get(key)?;
        (kept.stamp == stamp && now < kept.entry.times().hard).then_some(kept)
    }

    /// What is fetched from here on is to be as new as the change.
    fn note(&self, what: Invalidate) -> Option<impl Future<Output = ()> + Send + use<>> {
        match what {
            Invalidate::User(user) => return Some(self.writes.note(user)),
            Invalidate::Everything => self.writes.note_everybody(),
            Invalidate::Item(_) => {}
        }
        None
    }

    fn raise(&self, what: Invalidate) {
        if what == Invalidate::Everything {
            self.generations.raise_everything();
        }
        for tag in what.tags().into_iter().flatten() {
            self.generations.raise(tag);
        }
    }
}

impl Kept {
    fn hit(&self, now: i64) -> Hit {
        Hit {
            entry: self.entry.clone(),
            source: Source::L1,
            stale: self.entry.is_stale(now),
            until: self.until.min(self.entry.times().soft),
        }
    }
}

impl Hit {
    /// A value that was fetched `now` and isn't kept.
    #[must_use]
    pub fn live(json: Bytes, now: i64) -> Self {
        Self {
            entry: Arc::new(Entry::passing(json, now)),
            source: Source::Live,
            stale: false,
            until: now,
        }
    }
}

/// What a value takes beside its key and bytes, as measured with a million of them.
const ENTRY_OVERHEAD: usize = 550;
