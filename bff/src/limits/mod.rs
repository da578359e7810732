//! How often someone may ask: two tiers, one answer.
//!
//! The shared tier is a bucket in Redis for each class and subject, which all
//! replicas take cells from: one script, the generic cell rate algorithm. Asking
//! it for every request would cost more than many a request does, so a replica
//! takes a few cells at once where that is harmless, a lease, and spends them by
//! itself. Leased cells leak away as fast as the shared bucket fills up, so that
//! over all replicas, in any stretch of time, no more is let through than the
//! burst and what the limit adds in that time.
//!
//! The local tier stands in front: a bucket of the same size in each replica's
//! memory, which keeps a flood from reaching Redis. While Redis is away it
//! decides alone, and each request then costs as many cells as there are
//! replicas.

mod bucket;
mod class;
mod settings;
mod shared;

use std::{convert::Infallible, num::NonZeroU32, sync::Arc, time::Duration};

use metrics::{Counter, counter};
use platform::{clock::SharedClock, redis::Redis};
use quick_cache::sync::Cache;

pub use class::{Class, Subject};
pub use settings::{
    AuthLimit, CodeLimit, Count, LimitSettings, PublicLimit, ReadLimit, WriteLimit,
};

use bucket::{Bucket, Left};
use settings::Quota;
use shared::Shared;

use crate::upstream::Guards;

/// Subjects of one class that a replica remembers. What it forgets of a subject
/// the shared tier knows.
const MAX_SUBJECTS: usize = 20_000;
/// A lease is this part of the burst: enough for the requests that a page makes
/// as it opens, and not missed by the other replicas.
const LEASE: u32 = 10;

/// What a class allows, as clients are told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Requests in a window, in the long run.
    pub count: u32,
    /// The window.
    pub window: Duration,
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// How many more may pass now.
    pub remaining: u32,
    /// How long it takes until there is room for one more than that.
    pub wait: Duration,
}

/// Decides which requests may pass.
#[derive(Debug)]
pub struct Limiter {
    clock: SharedClock,
    shared: Shared,
    replicas: NonZeroU32,
    classes: [Limits; Class::ALL.len()],
}

/// One class.
#[derive(Debug)]
struct Limits {
    quota: Quota,
    /// How many cells to take from the shared tier at once.
    lease: NonZeroU32,
    buckets: Cache<Subject, Arc<Bucket>>,
    decisions: [[Counter; 3]; 2],
}

/// Who decided.
#[derive(Debug, Clone, Copy)]
enum Tier {
    /// This replica alone.
    Local,
    /// This replica, by what the shared tier told it before.
    Lease,
    /// The shared tier.
    Shared,
}

impl Limiter {
    /// A limiter that shares its counts with all that use the same Redis and
    /// key prefix.
    #[must_use]
    pub fn new(settings: &LimitSettings, redis: Redis, guards: &Guards) -> Self {
        let quota = |class| match class {
            Class::Auth => Quota::from(settings.auth),
            Class::Code => Quota::from(settings.code),
            Class::Write => Quota::from(settings.write),
            Class::Read => Quota::from(settings.read),
            Class::Public => Quota::from(settings.public),
        };
        let limit = settings.redis_limit_ms.duration();
        Self {
            shared: Shared::new(redis, limit, guards),
            clock: guards.clock(),
            replicas: settings.replicas,
            classes: Class::ALL.map(|class| Limits::new(class, quota(class))),
        }
    }

    /// What the class allows.
    #[must_use]
    pub fn policy(&self, class: Class) -> Policy {
        let quota = self.classes[class as usize].quota;
        Policy {
            count: quota.count.get(),
            window: Duration::from_secs(quota.window_s.into()),
        }
    }

    /// Counts a request, and decides whether it may pass.
    pub async fn check(&self, class: Class, subject: Subject) -> Decision {
        match self.count(class, subject) {
            Ok(decision) => decision,
            Err(undecided) => self.ask(undecided).await,
        }
    }

    /// Counts a request, and decides by what this replica knows whether it may pass.
    ///
    /// # Errors
    /// What has to be [asked](Self::ask) of the shared tier.
    pub fn count(&self, class: Class, subject: Subject) -> Result<Decision, Undecided> {
        let limits = &self.classes[class as usize];
        let Ok(bucket) = limits.buckets.get_or_insert_with(&subject, || {
            Ok::<_, Infallible>(Arc::new(Bucket::new(limits.quota, self.clock.clone())))
        });
        let now = self.clock.now_us();
        match self.decide_here(&bucket, now) {
            Ok((tier, decision)) => Ok(limits.decided(tier, decision)),
            Err(paid) => Err(Undecided {
                class,
                subject,
                bucket,
                paid,
                now,
            }),
        }
    }

    /// Decides by what the shared tier knows, or without it when it is away.
    pub async fn ask(&self, undecided: Undecided) -> Decision {
        let Undecided {
            class,
            subject,
            bucket,
            paid,
            now,
        } = undecided;
        let limits = &self.classes[class as usize];
        let name = format!("{}:{subject}", class.as_str());
        let answer = self.shared.take(&name, limits.quota, limits.lease, now);
        let Ok(grant) = answer.await else {
            return limits.decided(Tier::Local, self.decide_alone(&bucket, paid));
        };
        bucket.learn(grant, now);
        // A request beside this one may have brought a lease meanwhile.
        let allowed = grant.cells > 0 || bucket.take_leased(now);
        let left = bucket.left(now);
        let decision = if allowed {
            Decision::allowed(left)
        } else {
            Decision::refused(left.next)
        };
        limits.decided(Tier::Shared, decision)
    }

    /// Decides by what this replica knows. When that isn't enough, the request
    /// has been paid for in the local bucket.
    fn decide_here(&self, bucket: &Bucket, now: i64) -> Result<(Tier, Decision), Paid> {
        let leased = bucket.take_leased(now);
        if !leased && let Some(wait) = bucket.exhausted(now) {
            return Ok((Tier::Lease, Decision::refused(wait)));
        }
        let alone = !leased && self.shared.is_away();
        let price = if alone {
            self.replicas
        } else {
            NonZeroU32::MIN
        };
        match bucket.take_locally(price) {
            Err(wait) => Ok((Tier::Local, Decision::refused(wait))),
            Ok(_) if leased => Ok((Tier::Lease, Decision::allowed(bucket.left(now)))),
            Ok(left) => Err(Paid { price, left }),
        }
    }

    /// Decides without the shared tier: what hasn't been paid yet is taken, too.
    fn decide_alone(&self, bucket: &Bucket, paid: Paid) -> Decision {
        let rest = NonZeroU32::new(self.replicas.get() - paid.price.get());
        match rest.map_or(Ok(paid.left), |rest| bucket.take_locally(rest)) {
            Ok(left) => Decision::allowed(left.share(self.replicas)),
            Err(wait) => Decision::refused(wait),
        }
    }
}

/// A request that was counted here, of which only the shared tier knows whether it
/// may pass.
#[derive(Debug)]
pub struct Undecided {
    class: Class,
    subject: Subject,
    bucket: Arc<Bucket>,
    paid: Paid,
    /// When it was counted, in microseconds since the epoch.
    now: i64,
}

/// What a request has cost in the local bucket, and what is left there.
#[derive(Debug, Clone, Copy)]
struct Paid {
    price: NonZeroU32,
    left: Left,
}

impl Limits {
    fn new(class: Class, quota: Quota) -> Self {
        let lease = if class.is_strict() {
            1
        } else {
            quota.burst.get() / LEASE
        };
        let decisions = ["refused", "allowed"].map(|outcome| {
            ["local", "lease", "shared"].map(|tier| {
                let class = class.as_str();
                counter!("limit_decisions_total", "class" => class, "outcome" => outcome, "tier" => tier)
            })
        });
        Self {
            quota,
            lease: NonZeroU32::new(lease).unwrap_or(NonZeroU32::MIN),
            buckets: Cache::new(MAX_SUBJECTS),
            decisions,
        }
    }

    fn decided(&self, tier: Tier, decision: Decision) -> Decision {
        self.decisions[usize::from(decision.allowed)][tier as usize].increment(1);
        decision
    }
}

impl Decision {
    fn allowed(left: Left) -> Self {
        Self {
            allowed: true,
            remaining: left.cells,
            wait: left.next,
        }
    }

    fn refused(wait: Duration) -> Self {
        Self {
            allowed: false,
            remaining: 0,
            wait,
        }
    }
}
