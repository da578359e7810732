use std::time::Duration;

use bff::limits::{Class, Decision, Subject};
use chrono::TimeDelta;
use platform::clock::Clock as _;
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use super::{Replicas, user};

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
