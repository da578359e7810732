//! The cache by itself: whatever happens in whatever order, nobody gets
//! someone else's value, nor one from before a change that was told of.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bff::{
    cache::{Cache, CacheSettings, Hit, Invalidate, Key, Scope, Ttl},
    identity::Role,
    upstream::{CallError, Deadline, Guards, RecentWrites},
};
use chrono::TimeDelta;
use futures::FutureExt as _;
use platform::{
    config::Millis,
    redis::{Redis, RedisSettings},
    testing::{ManualClock, redis_url, unique_name},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

const TTL: Ttl = Ttl::seconds(10, 60);

/// Where values are at home: a version for each user, and whether it answers.
#[derive(Default)]
struct Home {
    versions: HashMap<u8, u64>,
    down: bool,
    calls: u64,
}

#[derive(Clone)]
struct Replicas {
    home: Arc<Mutex<Home>>,
    clock: ManualClock,
    caches: [Cache; 2],
}

/// Two of those who ask are one user, in two roles.
fn user_id(user: u8) -> Uuid {
    let user = if user == 4 { 1 } else { user };
    // Apart in their low bits, as the random part of a UUIDv7 is.
    Uuid::from_u64_pair(user.into(), u64::from(user) * 7_919)
}

fn key(user: u8) -> Key {
    match user {
        0 | 3 => Key::new("value", Scope::User(user_id(user))),
        1 => Key::new("value", Scope::UserRole(user_id(user), Role::Customer)),
        4 => Key::new("value", Scope::UserRole(user_id(user), Role::Admin)),
        _ => Key::new("value", Scope::User(user_id(user))).of_catalogue(),
    }
}

impl Replicas {
    fn new() -> Self {
        let clock = ManualClock::new();
        let redis = RedisSettings {
            url: redis_url(),
            prefix: unique_name(),
            response_timeout_ms: Millis(2_000),
            ..RedisSettings::default()
        };
        let redis = Redis::new(&redis).unwrap();
        let settings = CacheSettings {
            redis_limit_ms: Millis(2_000),
            ..CacheSettings::default()
        };
        let cache = || {
            let guards = Guards::new(Arc::new(clock.clone()));
            Cache::new(
                &settings,
                Some(redis.clone()),
                &guards,
                RecentWrites::none(),
            )
        };
        Self {
            home: Arc::default(),
            caches: [cache(), cache()],
            clock,
        }
    }

    async fn get(&self, replica: usize, user: u8) -> Result<Hit, CallError> {
        let home = self.home.clone();
        let fetch = move |_| {
            async move {
                let mut home = home.lock().unwrap();
                home.calls += 1;
                if home.down {
                    return Err(CallError::unavailable("down"));
                }
                let version = home.versions.get(&user).copied().unwrap_or(0);
                Ok(json!({ "user": user, "version": version })
                    .to_string()
                    .into())
            }
            .boxed()
        };
        let deadline = Deadline::within(Duration::from_secs(10));
        let cache = &self.caches[replica];
        match cache.peek(&key(user)) {
            Some(hit) => Ok(hit),
            None => cache.get(&key(user), TTL, deadline, fetch).await,
        }
    }

    async fn invalidate(&self, what: Invalidate) {
        for cache in &self.caches {
            cache.invalidate(what).await;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Get { replica: usize, user: u8 },
    Change { user: u8 },
    Tell { user: u8 },
    Miss,
    Pass { seconds: i64 },
    Toggle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = 0_u8..6;
    let step = prop_oneof![
        8 => (0_usize..2, user.clone()).prop_map(|(replica, user)| Step::Get { replica, user }),
        3 => user.clone().prop_map(|user| Step::Change { user }),
        3 => user.prop_map(|user| Step::Tell { user }),
        1 => Just(Step::Miss),
        2 => (1_i64..40).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Toggle),
    ];
    prop::collection::vec(step, 1..60)
}

async fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let replicas = Replicas::new();
    // The version that everyone has to see at least.
    let mut told = HashMap::new();
    let version = |user: u8| {
        let home = replicas.home.lock().unwrap();
        home.versions.get(&user).copied().unwrap_or(0)
    };
    for step in steps {
        match step {
            Step::Get { replica, user } => {
                let Ok(hit) = replicas.get(replica, user).await else {
                    prop_assert!(replicas.home.lock().unwrap().down);
                    continue;
                };
                let value: Value = serde_json::from_slice(hit.entry.json()).unwrap();
                prop_assert_eq!(&value["user"], &json!(user), "someone else's value");
                let seen = value["version"].as_u64().unwrap();
                let least = told.get(&user).copied().unwrap_or(0);
                prop_assert!(
                    seen >= least,
                    "user {user}: saw {seen} after being told of {least}"
                );
                let now = platform::clock::Clock::now_ms(&replicas.clock);
                let age = hit.entry.age_ms(now);
                prop_assert!(age <= 66_500, "{age} ms is past any hard time");
                prop_assert!(hit.stale || age <= 11_500, "{age} ms is past any soft time");
            }
            Step::Change { user } => {
                let mut home = replicas.home.lock().unwrap();
                *home.versions.entry(user).or_default() += 1;
            }
            Step::Tell { user } => {
                replicas.invalidate(Invalidate::User(user_id(user))).await;
                let same = (0..6).filter(|other| user_id(*other) == user_id(user));
                told.extend(same.map(|user| (user, version(user))));
            }
            Step::Miss => {
                replicas.invalidate(Invalidate::Everything).await;
                told.extend((0..6).map(|user| (user, version(user))));
            }
            Step::Pass { seconds } => replicas.clock.advance(TimeDelta::seconds(seconds)),
            Step::Toggle => {
                let mut home = replicas.home.lock().unwrap();
                home.down = !home.down;
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_sees_someone_elses_value_or_one_that_was_told_to_be_old(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps))?;
    }
}

#[tokio::test]
async fn a_refusal_ends_what_was_served_before() {
    let replicas = Replicas::new();
    let deadline = || Deadline::within(Duration::from_secs(10));
    replicas.get(0, 1).await.unwrap();
    replicas.clock.advance(TimeDelta::seconds(15));
    let refuse = |_| async { Err(CallError::NotFound) }.boxed();
    // Served once more while it is asked for behind the back, and never again.
    let stale = replicas.caches[0]
        .get(&key(1), TTL, deadline(), refuse)
        .await;
    assert!(stale.unwrap().stale);
    crate::helpers::eventually("the refusal", async || {
        let outcome = replicas.caches[0]
            .get(&key(1), TTL, deadline(), refuse)
            .await;
        matches!(outcome, Err(CallError::NotFound)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_fetch_that_failed_isnt_tried_again_at_once() {
    let replicas = Replicas::new();
    replicas.get(0, 1).await.unwrap();
    replicas.home.lock().unwrap().down = true;
    replicas.clock.advance(TimeDelta::seconds(15));
    let calls = || replicas.home.lock().unwrap().calls;
    for _ in 0..20 {
        assert!(replicas.get(0, 1).await.unwrap().stale);
    }
    crate::helpers::eventually("one call", async || (calls() == 2).then_some(())).await;
    replicas.clock.advance(TimeDelta::seconds(2));
    replicas.home.lock().unwrap().down = false;
    crate::helpers::eventually("it is fresh again", async || {
        (!replicas.get(0, 1).await.unwrap().stale).then_some(())
    })
    .await;
    assert_eq!(calls(), 3);
}

#[tokio::test]
async fn what_is_local_never_reaches_redis() {
    let replicas = Replicas::new();
    let key = Key::new("search", Scope::Public).detail("drum").local();
    let deadline = || Deadline::within(Duration::from_secs(10));
    let fetch = |text: &'static str| move |_: Deadline| async move { Ok(text.into()) }.boxed();
    let first = replicas.caches[0]
        .get(&key, TTL, deadline(), fetch("1"))
        .await
        .unwrap();
    let second = replicas.caches[1]
        .get(&key, TTL, deadline(), fetch("2"))
        .await
        .unwrap();
    assert_eq!(
        (&first.entry.json()[..], &second.entry.json()[..]),
        (&b"1"[..], &b"2"[..])
    );
}

#[tokio::test]
async fn memory_is_bounded_in_bytes() {
    let settings = CacheSettings {
        memory_bytes: 100_000,
        ..CacheSettings::default()
    };
    let cache = Cache::new(
        &settings,
        None,
        &Guards::new(Arc::new(ManualClock::new())),
        RecentWrites::none(),
    );
    let keys: Vec<_> = (0..200)
        .map(|n| Key::new("value", Scope::Public).detail(n.to_string()))
        .collect();
    for key in &keys {
        let fetch = |_| async { Ok(vec![b' '; 5_000].into()) }.boxed();
        let deadline = Deadline::within(Duration::from_secs(10));
        cache.get(key, TTL, deadline, fetch).await.unwrap();
    }
    crate::helpers::eventually("room is made", async || {
        keys.iter().filter(|key| cache.peek(key).is_some()).count() <= 20
    })
    .await;
}
