use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Either, Ready, ready, try_join_all},
};
use platform::clock::SharedClock;
use quick_cache::{Weighter, sync};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    ScreenSettings, Sources,
    part::{Keep, Need, Outcome, Part, PartMetrics, Screen, Selection, Status},
    payload::{Payload, merge},
};
use crate::{
    cache::{Cache, Hit, Key, Source, Stamp},
    upstream::{CallError, Context, Deadline, Trail},
};

/// What a client wants of a screen.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The parts wanted, separated by commas; none stands for all.
    pub parts: Option<String>,
    /// The longest that the client will wait, if that is less than the
    /// screen's budget.
    pub limit: Option<Duration>,
    /// What is passed on to every call.
    pub trail: Trail,
}

/// Shows screens. Cloning shares everything.
#[derive(Debug, Clone)]
pub struct Screens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sources: Sources,
    cache: Cache,
    settings: ScreenSettings,
    clock: SharedClock,
    merged: sync::Cache<(Key, Selection), Arc<Merged>, Size>,
}

/// A payload all of whose parts were in memory, for the next few answers: while
/// it is good, a screen costs one look-up.
#[derive(Debug)]
struct Merged {
    payload: Payload,
    keys: Vec<Key>,
    stamp: Stamp,
    /// In milliseconds since the epoch; soon, since the payload tells the age
    /// of its parts.
    until: i64,
}

/// As many of them as are expected. It decides into how many shards their memory is
/// divided, a few for each core; what is larger than a shard isn't kept.
const MERGED: usize = 4_096;

/// What a payload takes, in bytes.
#[derive(Debug, Clone)]
struct Size;

impl Weighter<(Key, Selection), Arc<Merged>> for Size {
    fn weight(&self, _: &(Key, Selection), merged: &Arc<Merged>) -> u64 {
        (512 + 64 * merged.keys.len() + merged.payload.body.len()) as u64
    }
}

impl Screens {
    /// Shows what `sources` bring.
    #[must_use]
    pub fn new(
        settings: &ScreenSettings,
        sources: Sources,
        cache: Cache,
        clock: SharedClock,
    ) -> Self {
        Self(Arc::new(Inner {
            sources,
            cache,
            settings: settings.clone(),
            clock,
            merged: sync::Cache::with_weighter(MERGED, settings.merged_bytes, Size),
        }))
    }

    /// Puts a screen together within its budget: its parts are fetched at the
    /// same time, and those that can't be had are marked.
    ///
    /// # Errors
    /// When a required part can't be had, that part's error; the other parts
    /// are given up at once. [`CallError::Invalid`] names `parts` when there is
    /// no such part.
    pub async fn show<S>(
        &self,
        screen: &'static Screen<S>,
        subject: &S,
        ask: &Ask,
    ) -> Result<Payload, CallError>
    where
        S: Clone + Send + Sync + 'static,
    {
        let inner = &*self.0;
        let selection = screen.select(ask.parts.as_deref())?;
        let name = ((screen.key)(subject), selection);
        if let Some(payload) = inner.merged(screen, &name) {
            return Ok(payload);
        }
        let keys: Vec<Key> = screen
            .parts
            .iter()
            .filter_map(|part| Some((part.cache.as_ref()?.key)(subject)))
            .collect();
        // Before the parts are looked up, so that a change from here on counts.
        let stamp = inner.cache.stamp(keys.iter());
        let budget = (screen.budget)(&inner.settings);
        let whole = Deadline::asked(ask.limit, budget);
        let parts = screen.parts.iter().zip(&screen.metrics).enumerate();
        let parts = parts.map(|(index, (part, metrics))| {
            if selection.has(index) {
                inner.start(part, metrics, subject, whole, &ask.trail)
            } else {
                metrics.count(Status::Omitted, None);
                ready(Ok(Outcome::Omitted)).left_future()
            }
        });
        let outcomes = try_join_all(parts).await?;
        let now = inner.clock.now_ms();
        let payload = merge(screen, &outcomes, now);
        if let Some(until) = good_until(&outcomes) {
            let soon = now + inner.settings.merged_ms.0.cast_signed();
            let merged = Merged {
                payload: payload.clone(),
                keys,
                stamp,
                until: until.min(soon),
            };
            inner.merged.insert(name, merged.into());
        }
        Ok(payload)
    }
}

/// Until when the same parts are in memory, if all are.
fn good_until(outcomes: &[Outcome]) -> Option<i64> {
    let until = |outcome: &Outcome| match outcome {
        Outcome::Omitted => Some(i64::MAX),
        Outcome::Present(hit) if hit.source == Source::L1 && !hit.stale => Some(hit.until),
        _ => None,
    };
    outcomes
        .iter()
        .map(until)
        .try_fold(i64::MAX, |least, until| Some(least.min(until?)))
}

type Started<'a> =
    Either<Ready<Result<Outcome, CallError>>, BoxFuture<'a, Result<Outcome, CallError>>>;

impl Inner {
    fn merged<S>(&self, screen: &Screen<S>, name: &(Key, Selection)) -> Option<Payload> {
        let merged = self.merged.get(name)?;
        let good = self.clock.now_ms() < merged.until
            && self.cache.stamp(merged.keys.iter()) == merged.stamp;
        good.then(|| {
            for (index, metrics) in screen.metrics.iter().enumerate() {
                let omitted = (Status::Omitted, None);
                let (status, source) = if name.1.has(index) {
                    (Status::Ok, Some(Source::L1))
                } else {
                    omitted
                };
                metrics.count(status, source);
            }
            merged.payload.clone()
        })
    }

    /// Starts a part; one that is in memory is there already.
    fn start<'a, S>(
        &'a self,
        part: &'static Part<S>,
        metrics: &'a PartMetrics,
        subject: &'a S,
        whole: Deadline,
        trail: &'a Trail,
    ) -> Started<'a>
    where
        S: Clone + Send + Sync + 'static,
    {
        if let Some(keep) = &part.cache
            && let Some(hit) = self.cache.peek(&(keep.key)(subject))
        {
            let outcome = Outcome::Present(hit);
            metrics.count(outcome.status(), Some(Source::L1));
            return ready(Ok(outcome)).left_future();
        }
        let span = tracing::debug_span!("part", part = part.name);
        let began = Instant::now();
        let work = async move {
            let result = self.resolve(part, subject, whole, trail).await;
            let outcome = match result {
                Ok(hit) => Outcome::Present(hit),
                Err(CallError::NotFound) if part.need == Need::Optional => Outcome::Empty,
                Err(error) => Outcome::Missing(error),
            };
            metrics.record(&outcome, began.elapsed());
            match outcome {
                Outcome::Missing(error) if part.need == Need::Required => Err(error),
                Outcome::Missing(error) => {
                    log_missing(part.name, &error);
                    Ok(Outcome::Missing(error))
                }
                outcome => Ok(outcome),
            }
        };
        work.instrument(span).boxed().right_future()
    }

    async fn resolve<S>(
        &self,
        part: &'static Part<S>,
        subject: &S,
        whole: Deadline,
        trail: &Trail,
    ) -> Result<Hit, CallError>
    where
        S: Clone + Send + Sync + 'static,
    {
        let deadline = whole.part(part.cap, self.settings.merge_reserve_ms.duration());
        let (sources, owned, trail) = (self.sources.clone(), subject.clone(), trail.clone());
        let call = move |deadline| (part.call)(sources, owned, Context { deadline, trail });
        match &part.cache {
            Some(Keep { key, ttl }) => {
                let key = key(subject);
                self.cache.get(&key, *ttl, deadline, call).await
            }
            None => {
                let json = deadline.limit(call(deadline)).await?;
                Ok(Hit::live(json, self.clock.now_ms()))
            }
        }
    }
}

/// A screen without this part still goes out, so this is where its failure is
/// handled. That a circuit opened was logged once, when it did.
fn log_missing(part: &'static str, error: &CallError) {
    match error {
        CallError::Misused(_) | CallError::Internal(_) => {
            tracing::error!(part, %error, "a part is missing");
        }
        CallError::CircuitOpen { .. } => tracing::debug!(part, %error, "a part is missing"),
        _ => tracing::warn!(part, %error, "a part is missing"),
    }
}
