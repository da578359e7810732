use std::time::{Duration, Instant};

use bff::limits::{Class, LimitSettings};
use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use platform::testing::Server;

use super::{LIMIT, Replicas, user};
use crate::helpers::TestApp;

/// Lets every replica find out that Redis is away.
async fn lose(replicas: &Replicas) {
    let failures = (0..3 * replicas.all.len())
        .map(|n| replicas.check(n % replicas.all.len(), Class::Write, user()));
    let decisions = join_all(failures).await;
    assert!(decisions.iter().all(|decision| decision.allowed));
}

#[tokio::test]
async fn while_redis_hangs_each_replica_lets_its_share_through() {
    let redis = Server::redis().await;
    let replicas = Replicas::at(redis.url(), 2);
    let subject = user();
    assert!(replicas.check(0, Class::Write, subject).await.allowed);
    redis.stop();
    lose(&replicas).await;

    let started = Instant::now();
    // The lease that the first replica holds has one more cell.
    assert_eq!(replicas.passing(1_000, Class::Write, subject).await, 20);
    assert!(started.elapsed() < LIMIT, "no request waited for redis");
    let refused = replicas.check(0, Class::Write, subject).await;
    assert!(!refused.allowed);
    assert_eq!(refused.wait, Duration::from_secs(2));
    // One a second is added, which the two share.
    for _ in 0..4 {
        replicas.clock.advance(TimeDelta::seconds(4));
        assert_eq!(replicas.passing(100, Class::Write, subject).await, 4);
    }
}

#[tokio::test]
async fn while_redis_hangs_the_replicas_together_let_nobody_guess_more_often() {
    let redis = Server::redis().await;
    let replicas = Replicas::at(redis.url(), 2);
    redis.stop();
    lose(&replicas).await;
    for (class, seconds) in [(Class::Auth, 6), (Class::Code, 360)] {
        let subject = user();
        for replica in 0..2 {
            for left in (0..5).rev() {
                let decision = replicas.check(replica, class, subject).await;
                assert!(decision.allowed, "{class:?}");
                assert_eq!(decision.remaining, left, "{class:?}");
            }
            let refused = replicas.check(replica, class, subject).await;
            assert!(!refused.allowed, "{class:?}");
            assert_eq!(refused.wait, Duration::from_secs(2 * seconds), "{class:?}");
        }
        // One in this time is added, which the two share.
        replicas
            .clock
            .advance(TimeDelta::seconds(2 * seconds as i64));
        assert_eq!(replicas.passing(100, class, subject).await, 2, "{class:?}");
    }
}

#[tokio::test]
async fn the_count_is_shared_again_once_redis_goes_on() {
    let redis = Server::redis().await;
    let replicas = Replicas::at(redis.url(), 1);
    let subject = user();
    redis.stop();
    lose(&replicas).await;
    redis.cont();
    assert!(replicas.check(0, Class::Auth, subject).await.allowed);
    let taken = replicas.taken(Class::Auth, subject).await;
    assert_eq!(taken, 0, "it isn't asked yet");
    replicas.clock.advance(TimeDelta::seconds(2));
    for taken in 1..=2 {
        assert!(replicas.check(0, Class::Auth, subject).await.allowed);
        assert_eq!(replicas.taken(Class::Auth, subject).await, taken);
    }
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

#[tokio::test]
async fn while_redis_hangs_answers_say_what_is_left_and_refuse_beyond() {
    let redis = Server::redis().await;
    let url = redis.url();
    let app = TestApp::with(|settings| {
        settings.redis.url = url;
        settings.limits = LimitSettings {
            replicas: 2.try_into().unwrap(),
            ..LimitSettings::default()
        };
    })
    .await;
    redis.stop();
    let policy = Some("\"public\";q=300;w=60");
    // Half of sixty, for there are two.
    for left in (0..30).rev() {
        let answer = app.get("/problems", None).await.expect(StatusCode::OK);
        assert_eq!(answer.header("ratelimit-policy").as_deref(), policy);
        let said = answer.header("ratelimit").unwrap();
        assert!(
            said.starts_with(&format!("\"public\";r={left};t=")),
            "{said}"
        );
    }
    let refused = app.get("/problems", None).await;
    let refused = refused.expect(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.header("ratelimit-policy").as_deref(), policy);
    assert!(refused.header("retry-after").is_some());
    redis.cont();
}
