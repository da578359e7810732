//! How a value that memory doesn't have comes in.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{
    Fetched, Inner, Source,
    entry::{Entry, Kept, Marks, Times, Ttl, millis},
    generation::Stamp,
    key::Key,
    metrics::{MISS, STALE},
};
use crate::upstream::{CallError, Deadline};

/// Brings a value from where it is at home, by a deadline.
pub(super) trait Fetch:
    FnOnce(Deadline) -> BoxFuture<'static, Result<Bytes, CallError>> + Send + 'static
{
}

impl<F> Fetch for F where
    F: FnOnce(Deadline) -> BoxFuture<'static, Result<Bytes, CallError>> + Send + 'static
{
}

/// Which value is missing, and how it is to be kept.
#[derive(Debug, Clone)]
pub(super) struct Gap {
    pub key: Key,
    pub ttl: Ttl,
    /// Taken before anything was read.
    pub stamp: Stamp,
}

impl Inner {
    /// Finds the value in Redis, or fetches it. A stale one from Redis is
    /// brought if it is welcome, and fetched anew behind the caller's back.
    pub(super) async fn fill(
        self: Arc<Self>,
        gap: Gap,
        deadline: Deadline,
        stale_is_welcome: bool,
        fetch: impl Fetch,
    ) -> Fetched {
        let shared = self.shared.as_ref().filter(|_| gap.key.is_shared());
        let found = match shared {
            Some(shared) => shared.get(&gap.key, deadline).await,
            None => None,
        };
        let (entry, marks) = found.map_or((None, None), |(entry, marks)| (entry, Some(marks)));
        let now = self.clock.now_ms();
        if let Some(entry) = entry
            && (stale_is_welcome || !entry.is_stale(now))
        {
            let entry = Arc::new(entry);
            self.keep(&gap, &entry, now);
            self.metrics.l2[if entry.is_stale(now) { STALE } else { 0 }].increment(1);
            if let Some(deadline) = self.refresh_deadline(&entry, now) {
                let fetch = fetch(deadline);
                tokio::spawn(self.fetch(gap, marks, fetch));
            }
            return Ok((entry, Source::L2));
        }
        if shared.is_some() {
            self.metrics.l2[MISS].increment(1);
        }
        let entry = self.fetch(gap, marks, fetch(deadline)).await?;
        Ok((entry, Source::Live))
    }

    /// Given to the one caller whose turn it is to fetch a stale value anew.
    pub(super) fn refresh_deadline(&self, entry: &Entry, now: i64) -> Option<Deadline> {
        let limit = self.settings.refresh_limit_ms.duration();
        entry
            .claim_refresh(now, limit)
            .then(|| Deadline::within(limit))
    }

    async fn fetch(
        self: Arc<Self>,
        gap: Gap,
        marks: Option<Marks>,
        call: BoxFuture<'static, Result<Bytes, CallError>>,
    ) -> Result<Arc<Entry>, CallError> {
        let json = call.await.inspect_err(|error| {
            // There is nothing to show any more, so neither is what was shown before.
            if error.is_refusal() {
                self.forget(&gap.key);
            }
        })?;
        let now = self.clock.now_ms();
        let entry = Arc::new(Entry::new(json, Times::starting(now, gap.ttl)));
        self.keep(&gap, &entry, now);
        if let (Some(shared), Some(marks)) = (&self.shared, marks) {
            shared.put(&gap.key, &entry, &marks);
        }
        Ok(entry)
    }

    fn keep(&self, gap: &Gap, entry: &Arc<Entry>, now: i64) {
        // A value from before a change would never be served; it must not take
        // the place of one from after it either.
        if self.generations.stamp(gap.key.tags()) != gap.stamp {
            return;
        }
        // Values that came together don't leave together: who asks next waits for
        // Redis, and while that hangs for where the value is at home.
        let share = rand::random_range(0.8..=1.0);
        let kept = Kept {
            entry: entry.clone(),
            stamp: gap.stamp,
            until: now + millis(self.settings.memory_ttl().mul_f64(share)),
        };
        self.memory.insert(gap.key.clone(), kept);
        self.metrics.entries.set(self.memory.entry_count() as f64);
        self.metrics.bytes.set(self.memory.weighted_size() as f64);
    }

    fn forget(&self, key: &Key) {
        self.memory.invalidate(key);
        if let Some(shared) = &self.shared {
            shared.remove(key);
        }
    }
}
