use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use governor::{
    RateLimiter,
    clock::Clock,
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use platform::clock::SharedClock;

use super::{settings::Quota, shared::Grant};

/// What this replica knows of one subject's budget in one class.
///
/// Times are microseconds since the epoch. Cells are what a budget is made of:
/// a request costs one.
#[derive(Debug)]
pub(super) struct Bucket {
    quota: Quota,
    /// What this replica alone would let through.
    local: RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>,
    /// The shared bucket's theoretical arrival time, as last heard: there may
    /// be less in it, never more.
    shared: AtomicI64,
    /// When the leased cells will have run out. An interval of the quota before
    /// it stands for one cell, so that they leak away as fast as the shared
    /// bucket fills: together they never hold more than the burst.
    lease: AtomicI64,
}

impl Bucket {
    pub fn new(quota: Quota, clock: SharedClock) -> Self {
        let interval = Duration::from_micros(quota.interval().unsigned_abs());
        let local = governor::Quota::with_period(interval)
            .expect("an interval is at least a microsecond")
            .allow_burst(quota.burst);
        let state = InMemoryState::default();
        Self {
            quota,
            local: RateLimiter::new(local, state, Ticks(clock)),
            shared: AtomicI64::new(0),
            lease: AtomicI64::new(0),
        }
    }

    /// Takes `cells`, at most the burst, out of the local bucket, and returns
    /// what is left.
    ///
    /// # Errors
    /// When there aren't so many: how long to wait for them.
    pub fn take_locally(&self, cells: NonZeroU32) -> Result<Left, Duration> {
        let cells = cells.min(self.quota.burst);
        match self.local.check_n(cells).expect("a bucket holds its burst") {
            Ok(state) => Ok(Left {
                cells: state.remaining_burst_capacity(),
                next: micros(self.quota.interval()),
            }),
            Err(not_until) => Err(not_until.wait_time_from(self.local.clock().now())),
        }
    }

    /// Takes one of the leased cells, if there is any.
    pub fn take_leased(&self, now: i64) -> bool {
        let interval = self.quota.interval();
        let take = |lease: i64| Some(lease - interval).filter(|rest| *rest >= now);
        self.lease
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    /// When asking for shared cells is in vain: how long to wait for one.
    pub fn exhausted(&self, now: i64) -> Option<Duration> {
        let interval = self.quota.interval();
        let wait = self.shared.load(Ordering::Relaxed) - (self.quota.refill() - interval) - now;
        // A longer wait comes of clocks that disagree, which time may heal.
        (1..=interval).contains(&wait).then(|| micros(wait))
    }

    /// Takes note of what was granted at `now`. The first cell is spent at once.
    pub fn learn(&self, grant: Grant, now: i64) {
        self.shared.fetch_max(grant.arrival, Ordering::Relaxed);
        let leased = i64::from(grant.cells.saturating_sub(1)) * self.quota.interval();
        if leased > 0 {
            let extend = |lease: i64| Some(lease.max(now) + leased);
            let _ = self
                .lease
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, extend);
        }
    }

    /// What is left in the shared bucket and of the lease, as far as this
    /// replica knows.
    pub fn left(&self, now: i64) -> Left {
        let interval = self.quota.interval();
        let arrival = self.shared.load(Ordering::Relaxed).max(now);
        let shared = (now + self.quota.refill() - arrival).max(0);
        let leased = (self.lease.load(Ordering::Relaxed) - now).max(0);
        Left {
            cells: u32::try_from(shared / interval + leased / interval).unwrap_or(u32::MAX),
            next: micros(interval - shared % interval),
        }
    }
}

/// What is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Whole cells.
    pub cells: u32,
    /// How long it takes until there is one more, at most.
    pub next: Duration,
}

impl Left {
    /// When as many as there are replicas share it.
    pub fn share(self, replicas: NonZeroU32) -> Self {
        Self {
            cells: self.cells / replicas,
            next: self.next * replicas.get(),
        }
    }
}

fn micros(time: i64) -> Duration {
    Duration::from_micros(time.unsigned_abs())
}

/// The injected clock, as governor reads clocks: the time since the epoch.
#[derive(Debug)]
struct Ticks(SharedClock);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.since_epoch()
    }
}
