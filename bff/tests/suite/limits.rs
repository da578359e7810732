//! The limiter, as several replicas use it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use bff::limits::{Class, Decision, LimitSettings, Limiter, Subject};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use platform::{
    clock::Clock,
    config::{Millis, ServerUrl},
    redis::{Redis, RedisSettings},
    testing::{self, Server},
};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use uuid::Uuid;

/// A clock that stands still until it is moved, so that counts are exact.
#[derive(Debug, Clone)]
struct StillClock(Arc<AtomicI64>);

impl StillClock {
    fn new() -> Self {
        let start = DateTime::parse_from_rfc3339("2030-01-01T00:00:00Z").unwrap();
        Self(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    fn advance(&self, by: TimeDelta) {
        let by = by.num_microseconds().unwrap();
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for StillClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Longer than a busy test machine makes Redis take.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);

/// Replicas that share a Redis and a clock.
struct Replicas {
    redis: Redis,
    clock: StillClock,
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
        let clock = StillClock::new();
        let settings = LimitSettings {
            replicas: count.try_into().unwrap(),
            redis_timeout_ms: Millis(REDIS_TIMEOUT.as_millis() as u64),
            ..LimitSettings::default()
        };
        let limiter = || Limiter::new(&settings, redis.clone(), Arc::new(clock.clone()));
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
        let arrival: Option<i64> = redis::cmd("GET")
            .arg(key)
            .query_async(&mut self.redis.hot())
            .await
            .unwrap();
        let now = self.clock.now().timestamp_micros();
        arrival.map_or(0, |arrival| (arrival - now) / interval)
    }
}

fn user() -> Subject {
    Subject::User(Uuid::new_v4())
}

#[tokio::test]
async fn a_burst_passes_and_then_what_the_limit_adds() {
    let replicas = Replicas::new(1);
    let address = Subject::Address("203.0.113.7".parse().unwrap());
    for left in (0..10).rev() {
        let decision = replicas.check(0, Class::Auth, address).await;
        assert_eq!((decision.allowed, decision.remaining), (true, left));
        assert_eq!(decision.wait, Duration::from_secs(6));
    }
    let refused = Decision {
        allowed: false,
        remaining: 0,
        wait: Duration::from_secs(6),
    };
    assert_eq!(replicas.check(0, Class::Auth, address).await, refused);
    replicas.clock.advance(TimeDelta::seconds(4));
    let wait = Duration::from_secs(2);
    let sooner = Decision { wait, ..refused };
    assert_eq!(replicas.check(0, Class::Auth, address).await, sooner);
    replicas.clock.advance(TimeDelta::seconds(2));
    assert!(replicas.check(0, Class::Auth, address).await.allowed);
    assert!(!replicas.check(0, Class::Auth, address).await.allowed);
    replicas.clock.advance(TimeDelta::hours(1));
    assert_eq!(replicas.passing(20, Class::Auth, address).await, 10);
}

#[tokio::test]
async fn a_thousand_requests_at_once_on_two_replicas_pass_the_burst_and_no_more() {
    let replicas = Replicas::new(2);
    let bursts = [
        (Class::Auth, 10),
        (Class::Code, 10),
        (Class::Write, 20),
        (Class::Read, 100),
        (Class::Public, 60),
    ];
    for (class, burst) in bursts {
        let subject = user();
        assert_eq!(
            replicas.passing(1_000, class, subject).await,
            burst,
            "{class:?}"
        );
        assert_eq!(
            replicas.passing(1_000, class, subject).await,
            0,
            "{class:?}"
        );
    }
}

#[tokio::test]
async fn every_subject_has_every_class_to_itself() {
    let replicas = Replicas::new(1);
    let subjects = [
        user(),
        user(),
        Subject::Address("203.0.113.7".parse().unwrap()),
        Subject::Address("2001:db8::".parse().unwrap()),
    ];
    for subject in subjects {
        assert_eq!(replicas.passing(30, Class::Auth, subject).await, 10);
        assert_eq!(replicas.passing(30, Class::Write, subject).await, 20);
    }
}

#[tokio::test]
async fn a_replica_takes_a_tenth_of_the_burst_at_once_and_spends_it_alone() {
    let replicas = Replicas::new(2);
    let subject = user();
    for _ in 0..10 {
        assert!(replicas.check(0, Class::Read, subject).await.allowed);
        assert_eq!(replicas.taken(Class::Read, subject).await, 10);
    }
    replicas.check(0, Class::Read, subject).await;
    assert_eq!(replicas.taken(Class::Read, subject).await, 20);
    replicas.check(1, Class::Read, subject).await;
    assert_eq!(replicas.taken(Class::Read, subject).await, 30);
}

#[tokio::test]
async fn out_of_the_lower_half_of_the_burst_cells_are_taken_one_by_one() {
    let replicas = Replicas::new(1);
    let subject = user();
    for _ in 0..50 {
        replicas.check(0, Class::Read, subject).await;
    }
    assert_eq!(replicas.taken(Class::Read, subject).await, 50);
    for taken in 51..=100 {
        assert!(replicas.check(0, Class::Read, subject).await.allowed);
        assert_eq!(replicas.taken(Class::Read, subject).await, taken);
    }
    assert!(!replicas.check(0, Class::Read, subject).await.allowed);
}

#[tokio::test]
async fn what_isnt_spent_of_a_lease_leaks_away_as_the_shared_bucket_fills() {
    let replicas = Replicas::new(1);
    let subject = user();
    replicas.check(0, Class::Read, subject).await;
    // Nine are left; after half a second five have leaked.
    replicas.clock.advance(TimeDelta::milliseconds(500));
    for _ in 0..4 {
        replicas.check(0, Class::Read, subject).await;
        assert_eq!(replicas.taken(Class::Read, subject).await, 5);
    }
    replicas.check(0, Class::Read, subject).await;
    assert_eq!(replicas.taken(Class::Read, subject).await, 15);
}

#[tokio::test]
async fn nothing_is_leased_where_guessing_is_limited() {
    let replicas = Replicas::new(1);
    for class in [Class::Auth, Class::Code] {
        let subject = user();
        for taken in 1..=10 {
            replicas.check(0, class, subject).await;
            assert_eq!(replicas.taken(class, subject).await, taken);
        }
    }
}

/// Requests with pauses between them, each at one of three replicas.
#[test]
fn in_any_stretch_of_time_no_more_passes_than_the_burst_and_what_the_limit_adds() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let steps = vec((0_usize..3, 0_i64..400, 1_usize..12), 1..120);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&steps, |steps| {
            let passed = runtime.block_on(async {
                let replicas = Replicas::new(3);
                let subject = user();
                let mut passed: Vec<i64> = Vec::new();
                for (replica, pause, requests) in steps {
                    // Mostly none, so that budgets run out.
                    let pause = if pause < 200 { 0 } else { pause };
                    replicas.clock.advance(TimeDelta::milliseconds(pause));
                    for _ in 0..requests {
                        if replicas
                            .check(replica, Class::Public, subject)
                            .await
                            .allowed
                        {
                            passed.push(replicas.clock.now().timestamp_micros());
                        }
                    }
                }
                passed
            });
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let passed = i64::try_from(last - first + 1).unwrap();
                    prop_assert!(
                        passed <= 60 + (to - from) / 200_000,
                        "{passed} in {} µs",
                        to - from
                    );
                }
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_caller_below_the_limit_is_never_refused() {
    let replicas = Replicas::new(2);
    let subject = user();
    for n in 0..2_000 {
        replicas.clock.advance(TimeDelta::milliseconds(100));
        assert!(
            replicas.check(n % 2, Class::Read, subject).await.allowed,
            "{n}"
        );
    }
}

#[tokio::test]
async fn while_redis_hangs_each_replica_lets_its_share_through() {
    let redis = Server::redis().await;
    let replicas = Replicas::at(redis.url(), 2);
    let (subject, other) = (user(), user());
    assert!(replicas.check(0, Class::Write, subject).await.allowed);
    redis.stop();
    // Each replica finds out by one request, which gets its answer all the same.
    assert!(replicas.check(0, Class::Write, other).await.allowed);
    assert!(replicas.check(1, Class::Write, other).await.allowed);

    let started = Instant::now();
    // The first replica's lease of one more cell is still good.
    assert_eq!(replicas.passing(1_000, Class::Write, subject).await, 20);
    assert!(
        started.elapsed() < REDIS_TIMEOUT,
        "no request waited for redis"
    );
    let decision = replicas.check(0, Class::Write, subject).await;
    assert_eq!(
        (decision.allowed, decision.wait),
        (false, Duration::from_secs(2))
    );
    // One a second is added, which the two share.
    for _ in 0..4 {
        replicas.clock.advance(TimeDelta::seconds(4));
        assert_eq!(replicas.passing(100, Class::Write, subject).await, 4);
    }
}

#[tokio::test]
async fn the_count_is_shared_again_once_redis_goes_on() {
    let redis = Server::redis().await;
    let replicas = Replicas::at(redis.url(), 1);
    let subject = user();
    redis.stop();
    assert!(replicas.check(0, Class::Auth, subject).await.allowed);
    redis.cont();
    assert!(replicas.check(0, Class::Auth, subject).await.allowed);
    assert_eq!(
        replicas.taken(Class::Auth, subject).await,
        0,
        "it isn't asked yet"
    );
    replicas.clock.advance(TimeDelta::seconds(1));
    assert!(replicas.check(0, Class::Auth, subject).await.allowed);
    assert!(replicas.check(0, Class::Auth, subject).await.allowed);
    assert_eq!(replicas.taken(Class::Auth, subject).await, 2);
}

#[tokio::test]
async fn who_is_refused_anyway_doesnt_keep_others_from_finding_redis_back() {
    let mut redis = Server::redis().await;
    let replicas = Replicas::at(redis.url(), 1);
    let flood = user();
    redis.kill().await;
    assert_eq!(replicas.passing(100, Class::Code, flood).await, 10);
    redis.restart().await;
    for _ in 0..50 {
        replicas.clock.advance(TimeDelta::seconds(1));
        assert_eq!(replicas.passing(100, Class::Code, flood).await, 0);
        let other = user();
        assert!(replicas.check(0, Class::Code, other).await.allowed);
        if replicas.taken(Class::Code, other).await == 1 {
            return;
        }
    }
    panic!("redis is back and isn't asked");
}

#[tokio::test]
async fn a_redis_that_lost_everything_gives_no_second_burst() {
    let mut redis = Server::redis().await;
    let replicas = Replicas::at(redis.url(), 1);
    let subject = user();
    assert_eq!(replicas.passing(5, Class::Auth, subject).await, 5);
    redis.restart().await;
    assert_eq!(replicas.passing(100, Class::Auth, subject).await, 5);
}
