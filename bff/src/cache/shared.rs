//! The tier in Redis, which all replicas share.
//!
//! Each tag has a *mark* there: a random number that changes when what the tag
//! stands for changes. A value carries the marks that were read before it was
//! fetched, and counts only while they are the same. So a change is one write,
//! however many values it makes old, and a replica that fetched before the
//! change can't bring the old value back by storing it late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use platform::{clock::SharedClock, redis::Redis};
use redis::{Cmd, FromRedisValue, RedisResult, cmd};

use super::{
    CacheSettings,
    entry::{Entry, LONGEST, Marks, millis},
    key::{Key, Tag},
};
use crate::upstream::{Deadline, GuardedRedis, Guards};

/// Replicas' clocks may be apart by so much, in milliseconds.
const SKEW_MS: i64 = 1_000;

#[derive(Debug)]
pub(super) struct SharedTier {
    redis: GuardedRedis,
    clock: SharedClock,
    /// Values fetched before this are passed over.
    distrusted: AtomicI64,
}

impl SharedTier {
    pub(super) fn new(redis: Redis, settings: &CacheSettings, guards: &Guards) -> Self {
        let redis = GuardedRedis::new(
            "cache",
            redis,
            settings.redis_limit_ms.duration(),
            (settings.redis_concurrency, Duration::ZERO),
            &settings.redis_breaker,
            guards,
        );
        Self {
            redis,
            clock: guards.clock(),
            distrusted: AtomicI64::new(i64::MIN),
        }
    }

    /// The value, if there is a good one, and the marks under which it or its
    /// successor counts. None when Redis doesn't answer.
    pub(super) async fn get(
        &self,
        key: &Key,
        deadline: Deadline,
    ) -> Option<(Option<Entry>, Marks)> {
        let mut mget = cmd("MGET");
        mget.arg(self.value_key(key));
        for tag in key.tags().into_iter().flatten() {
            mget.arg(self.mark_key(tag));
        }
        let deadline = deadline.min(self.redis.deadline());
        let mut found: Vec<Option<Vec<u8>>> = self.run(deadline, &mget).await.ok()?;
        let mut marks = Marks::default();
        for (mark, found) in marks.iter_mut().zip(&found[1..]) {
            let bytes = found.as_deref().and_then(|bytes| bytes.try_into().ok());
            *mark = bytes.map_or(0, u64::from_be_bytes);
        }
        let entry = found[0]
            .take()
            .and_then(|bytes| Entry::decode(bytes.into()));
        let now = self.clock.now_ms();
        let good = |(entry, under): &(Entry, Marks)| {
            let times = entry.times();
            *under == marks && now < times.hard && times.fetched > self.distrusted.load(Relaxed)
        };
        Some((entry.filter(good).map(|(entry, _)| entry), marks))
    }

    /// Stores a value that was fetched under these marks. Nobody waits for it.
    pub(super) fn put(self: &Arc<Self>, key: &Key, entry: &Entry, marks: &Marks) {
        let left = entry.times().hard - self.clock.now_ms();
        let mut set = cmd("SET");
        set.arg(self.value_key(key))
            .arg(&entry.encode(marks)[..])
            .arg("PX")
            .arg(left.max(1));
        self.send(set);
    }

    /// Removes one value. Nobody waits for it.
    pub(super) fn remove(self: &Arc<Self>, key: &Key) {
        let mut del = cmd("DEL");
        del.arg(self.value_key(key));
        self.send(del);
    }

    /// Makes every value of this tag old, for all replicas.
    pub(super) async fn mark(&self, tag: Tag) {
        // It outlives every value that it makes old.
        let keep = millis(LONGEST) + 60_000;
        let mark = rand::random_range(1..=u64::MAX).to_be_bytes();
        let mut set = cmd("SET");
        set.arg(self.mark_key(tag))
            .arg(&mark[..])
            .arg("PX")
            .arg(keep);
        let outcome: Result<(), _> = self.run(self.redis.deadline(), &set).await;
        if outcome.is_err() {
            self.distrust();
        }
    }

    /// Passes over what was fetched until now, on this replica: it may have
    /// been changed without Redis being told. Other replicas decide that for
    /// themselves.
    pub(super) fn distrust(&self) {
        let until = self.clock.now_ms() + SKEW_MS;
        self.distrusted.fetch_max(until, Relaxed);
    }

    fn send(self: &Arc<Self>, command: Cmd) {
        let tier = self.clone();
        // The guard bounds how many there are, and for how long.
        tokio::spawn(async move {
            let _: Result<(), _> = tier.run(tier.redis.deadline(), &command).await;
        });
    }

    async fn run<T: FromRedisValue>(&self, deadline: Deadline, command: &Cmd) -> RedisResult<T> {
        let outcome = self.redis.run(deadline, command).await;
        outcome.inspect_err(|error| tracing::debug!(%error, "the shared cache didn't answer"))
    }

    fn value_key(&self, key: &Key) -> String {
        self.redis.key(&format!("cache:value:{}", key.text()))
    }

    fn mark_key(&self, tag: Tag) -> String {
        self.redis.key(&format!("cache:mark:{}", tag.text()))
    }
}
