use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use metrics::{Gauge, gauge};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::CallError;

/// How many calls of one method may be in flight.
///
/// A callee that was away and is back is met by one call at a time at first, and
/// by one more with each that it answers: twice as many every round trip, until
/// it has shown that it can bear what it bore before.
#[derive(Debug)]
pub(super) struct Bulkhead {
    places: Semaphore,
    /// Places that are kept back until the callee has answered as many calls.
    kept_back: AtomicUsize,
    gauge: Gauge,
}

impl Bulkhead {
    pub(super) fn new([upstream, method]: [&'static str; 2], places: usize) -> Self {
        Self {
            places: Semaphore::new(places),
            kept_back: AtomicUsize::new(0),
            gauge: gauge!("upstream_places_kept_back", "upstream" => upstream, "method" => method),
        }
    }

    pub(super) fn try_enter(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// Waits for a place, for so long.
    pub(super) async fn enter(&self, wait: Duration) -> Result<SemaphorePermit<'_>, CallError> {
        match timeout(wait, self.places.acquire()).await {
            Ok(place) => Ok(place.expect("the semaphore is never closed")),
            Err(_) => Err(CallError::Overloaded { retry_after: None }),
        }
    }

    /// The callee is back, as the caller found who still holds a place: all that
    /// are free are kept back.
    pub(super) fn narrow(&self) {
        let free = self.places.available_permits();
        let kept_back = self.places.forget_permits(free);
        self.kept_back.fetch_add(kept_back, Relaxed);
        self.gauge.increment(kept_back as f64);
    }

    /// The callee has answered a call.
    pub(super) fn widen(&self) {
        let one_less = |kept_back: usize| kept_back.checked_sub(1);
        if self
            .kept_back
            .fetch_update(Relaxed, Relaxed, one_less)
            .is_ok()
        {
            self.places.add_permits(1);
            self.gauge.decrement(1.0);
        }
    }
}
