//! Limits: as several replicas reckon with them, and as clients see them.

mod budget;
mod outage;
mod routes;

use std::{sync::Arc, time::Duration};

use bff::{
    limits::{Class, Decision, LimitSettings, Limiter, Subject},
    upstream::Guards,
};
use futures::future::join_all;
use platform::{
    clock::Clock as _,
    config::{Millis, ServerUrl},
    redis::{Redis, RedisSettings},
    testing::{self, ManualClock},
};
use uuid::Uuid;

use crate::helpers::eventually;

/// Longer than a busy test machine makes Redis take.
const LIMIT: Duration = Duration::from_millis(500);

/// Replicas that share a Redis and a clock.
struct Replicas {
    redis: Redis,
    clock: ManualClock,
    all: Vec<Limiter>,
}

impl Replicas {
    fn new(count: u32) -> Self {
        Self::at(testing::redis_url(), count)
    }

    fn at(url: ServerUrl, count: u32) -> Self {
        let settings = RedisSettings {
            url,
            prefix: testing::unique_name(),
            response_timeout_ms: Millis(10_000),
            ..RedisSettings::default()
        };
        let redis = Redis::new(&settings).unwrap();
        let clock = ManualClock::still();
        let settings = LimitSettings {
            replicas: count.try_into().unwrap(),
            redis_limit_ms: Millis(LIMIT.as_millis() as u64),
            ..LimitSettings::default()
        };
        let limiter = || {
            Limiter::new(
                &settings,
                redis.clone(),
                &Guards::new(Arc::new(clock.clone())),
            )
        };
        Self {
            all: (0..count).map(|_| limiter()).collect(),
            redis,
            clock,
        }
    }

    async fn check(&self, replica: usize, class: Class, subject: Subject) -> Decision {
        self.all[replica].check(class, subject).await
    }

    /// How many of `count` requests, all at once over all replicas, may pass.
    async fn passing(&self, count: usize, class: Class, subject: Subject) -> usize {
        let checks = (0..count).map(|n| self.check(n % self.all.len(), class, subject));
        let decisions = join_all(checks).await;
        decisions.iter().filter(|decision| decision.allowed).count()
    }

    /// How many cells are missing in the shared bucket.
    async fn taken(&self, class: Class, subject: Subject) -> i64 {
        let interval = match class {
            Class::Auth => 6_000_000,
            Class::Code => 360_000_000,
            Class::Write => 1_000_000,
            Class::Read => 100_000,
            Class::Public => 200_000,
        };
        let key = self
            .redis
            .key(&format!("limit:{}:{subject}", class.as_str()));
        // After a restart the first command finds that the connection is gone.
        let arrival: Option<i64> = eventually("redis answers", async || {
            let get = redis::cmd("GET").arg(&key).clone();
            get.query_async(&mut self.redis.hot()).await.ok()
        })
        .await;
        let now = self.clock.now().timestamp_micros();
        arrival.map_or(0, |arrival| (arrival - now) / interval)
    }
}

fn user() -> Subject {
    Subject::User(Uuid::new_v4())
}
