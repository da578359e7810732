//! The two-tier cache of serialised values: L1 in this process, L2 in Redis.
//!
//! A value is fresh until its soft time, then stale until its hard time: still
//! served, and fetched anew once in the background. Memory alone answers for
//! at most `memory_ttl_ms`, which bounds what an event that got lost can do.
//! Whatever is wrong with Redis, it costs a call no more than
//! `redis_limit_ms`, and nothing once the circuit is open.

mod entry;
mod flight;
mod generation;
mod key;
mod settings;
mod shared;

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use metrics::{Counter, Gauge, counter, gauge};
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
    entry::{Kept, LONGEST, Marks, Times, millis},
    flight::Flights,
    generation::Generations,
    shared::SharedTier,
};
use crate::upstream::{CallError, Deadline};

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
    generations: Generations,
    flights: Flights<Fetched>,
    shared: Option<Arc<SharedTier>>,
    metrics: CacheMetrics,
}

impl Cache {
    /// An empty cache. Without `redis` there is no second tier.
    #[must_use]
    pub fn new(settings: &CacheSettings, redis: Option<Redis>, clock: SharedClock) -> Self {
        let evictions = counter!("cache_evictions_total", "tier" => "l1");
        let memory = moka::sync::Cache::builder()
            .max_capacity(settings.memory_bytes)
            .weigher(|key: &Key, kept: &Kept| {
                u32::try_from(key.weight() + kept.entry.json().len() + ENTRY_OVERHEAD)
                    .unwrap_or(u32::MAX)
            })
            .time_to_live(LONGEST)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evictions.increment(1);
                }
            })
            .build();
        let shared = redis.map(|redis| SharedTier::new(redis, settings, clock.clone()).into());
        Self(Arc::new(Inner {
            settings: settings.clone(),
            clock,
            memory,
            generations: Generations::default(),
            flights: Flights::default(),
            shared,
            metrics: CacheMetrics::new(),
        }))
    }

    /// What memory answers with at once, when nothing is to be done beside.
    #[must_use]
    pub fn peek(&self, key: &Key) -> Option<Hit> {
        let Inner {
            generations,
            clock,
            metrics,
            ..
        } = &*self.0;
        let now = clock.now_ms();
        let kept = self.0.kept(key, generations.stamp(&key.tags()), now)?;
        if now >= kept.until || kept.entry.wants_refresh(now) {
            return None;
        }
        let hit = kept.hit(now);
        metrics.l1[usize::from(hit.stale)].increment(1);
        Some(hit)
    }

    /// The state of what these values depend on. As long as it is the same,
    /// none of them was made old.
    pub(crate) fn stamp<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Stamp {
        let tags = keys.flat_map(|key| key.tags().into_iter().flatten());
        self.0.generations.sum(tags)
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
            return Ok(Hit::live(Entry::passing(json, now)));
        }
        // Before anything is read, so that a change from here on is noticed.
        let stamp = inner.generations.stamp(&key.tags());
        let kept = inner.kept(key, stamp, now);
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.until) {
            let hit = kept.hit(now);
            inner.metrics.l1[usize::from(hit.stale)].increment(1);
            let pause = inner.settings.refresh_limit_ms.duration();
            if hit.stale && kept.entry.claim_refresh(now, pause) {
                let deadline = Deadline::within(pause);
                tokio::spawn(
                    inner
                        .clone()
                        .fill(key.clone(), stamp, ttl, deadline, false, fetch),
                );
            }
            return Ok(hit);
        }
        inner.metrics.l1[MISS].increment(1);
        let flight = inner.flights.join(key, stamp, deadline, || {
            inner
                .clone()
                .fill(key.clone(), stamp, ttl, deadline, true, fetch)
                .boxed()
        });
        match (deadline.limit(flight).await, kept) {
            (Ok((entry, source)), _) => {
                let now = inner.clock.now_ms();
                let (stale, until) = (now >= entry.times().soft, now);
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

    /// Makes old what is cached of something that has changed: at once here,
    /// and for all replicas in Redis.
    pub async fn invalidate(&self, what: Invalidate) {
        for tag in what.tags() {
            // Redis first: what is read from it afterwards isn't old any more.
            if let Some(shared) = &self.0.shared {
                shared.mark(tag).await;
            }
            self.0.generations.raise(tag);
        }
    }
}

impl Inner {
    /// What memory has of this key and may still serve.
    fn kept(&self, key: &Key, stamp: Stamp, now: i64) -> Option<Kept> {
        let kept = self.memory.get(key)?;
        (kept.stamp == stamp && now < kept.entry.times().hard).then_some(kept)
    }

    /// Finds the value in Redis or fetches it. A stale one from Redis is
    /// brought, when it is welcome, and fetched anew behind the caller's back.
    async fn fill<F>(
        self: Arc<Self>,
        key: Key,
        stamp: Stamp,
        ttl: Ttl,
        deadline: Deadline,
        stale_is_welcome: bool,
        fetch: F,
    ) -> Fetched
    where
        F: FnOnce(Deadline) -> BoxFuture<'static, Result<Bytes, CallError>> + Send + 'static,
    {
        let found = match &self.shared {
            Some(shared) => shared.get(&key, deadline).await,
            None => None,
        };
        let (entry, marks) = match found {
            Some((entry, marks)) => (entry, Some(marks)),
            None => (None, None),
        };
        let now = self.clock.now_ms();
        let fresh = |entry: &Entry| now < entry.times().soft;
        if let Some(entry) = entry.filter(|entry| stale_is_welcome || fresh(entry)) {
            let entry = Arc::new(entry);
            self.keep(&key, stamp, &entry, now);
            self.metrics.l2[usize::from(!fresh(&entry))].increment(1);
            let pause = self.settings.refresh_limit_ms.duration();
            if !fresh(&entry) && entry.claim_refresh(now, pause) {
                let deadline = Deadline::within(pause);
                tokio::spawn(self.fetch(key, stamp, ttl, marks, fetch(deadline)));
            }
            return Ok((entry, Source::L2));
        }
        self.metrics.l2[MISS].increment(1);
        let entry = self.fetch(key, stamp, ttl, marks, fetch(deadline)).await?;
        Ok((entry, Source::Live))
    }

    async fn fetch(
        self: Arc<Self>,
        key: Key,
        stamp: Stamp,
        ttl: Ttl,
        marks: Option<Marks>,
        call: BoxFuture<'static, Result<Bytes, CallError>>,
    ) -> Result<Arc<Entry>, CallError> {
        let json = call.await.inspect_err(|error| {
            // Nothing to show any more: neither may what was shown before.
            if error.is_refusal() {
                self.memory.invalidate(&key);
                self.shared.iter().for_each(|shared| shared.remove(&key));
            }
        })?;
        let now = self.clock.now_ms();
        let entry = Arc::new(Entry::new(json, Times::starting(now, ttl)));
        self.keep(&key, stamp, &entry, now);
        if let (Some(shared), Some(marks)) = (&self.shared, marks) {
            shared.put(&key, &entry, &marks);
        }
        Ok(entry)
    }

    fn keep(&self, key: &Key, stamp: Stamp, entry: &Arc<Entry>, now: i64) {
        // A value from before a change would never be served; it must not take
        // the place of one from after it either.
        if self.generations.stamp(&key.tags()) != stamp {
            return;
        }
        let kept = Kept {
            entry: entry.clone(),
            stamp,
            until: now + millis(self.settings.memory_ttl()),
        };
        self.memory.insert(key.clone(), kept);
        self.metrics.entries.set(self.memory.entry_count() as f64);
        self.metrics.bytes.set(self.memory.weighted_size() as f64);
    }
}

impl Kept {
    fn hit(&self, now: i64) -> Hit {
        let soft = self.entry.times().soft;
        Hit {
            entry: self.entry.clone(),
            source: Source::L1,
            stale: now >= soft,
            until: self.until.min(soft),
        }
    }
}

impl Hit {
    /// A value that isn't kept.
    #[must_use]
    pub fn live(entry: Entry) -> Self {
        Self {
            entry: Arc::new(entry),
            source: Source::Live,
            stale: false,
            until: i64::MIN,
        }
    }
}

/// What a value takes beside its key and bytes, about.
const ENTRY_OVERHEAD: usize = 256;

/// The place of misses beside hits and stale hits.
const MISS: usize = 2;

#[derive(Debug)]
struct CacheMetrics {
    l1: [Counter; 3],
    l2: [Counter; 3],
    entries: Gauge,
    bytes: Gauge,
}

impl CacheMetrics {
    fn new() -> Self {
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
}
