use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use platform::testing::ManualClock;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn policy() -> Policy {
    Policy {
        concurrency: 8,
        wait: MS(20),
        retries: 2,
        hedge: true,
        patience: MS(100),
    }
}

fn guard(policy: Policy) -> Guard {
    let guards = Guards::new(Arc::new(ManualClock::new()));
    Guard::new(
        ["test", "test"],
        policy,
        &BreakerSettings::default(),
        &guards,
    )
}

/// An upstream that counts its calls.
#[derive(Default)]
struct Upstream {
    calls: AtomicU32,
}

impl Upstream {
    fn number(&self) -> u32 {
        self.calls.fetch_add(1, Relaxed) + 1
    }

    fn calls(&self) -> u32 {
        self.calls.load(Relaxed)
    }
}

async fn answers(guard: &Guard, times: u32, after: Duration) {
    for _ in 0..times {
        let call = async || {
            sleep(after).await;
            Ok(())
        };
        guard.call(Deadline::within(MS(1_000)), call).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn only_an_unavailable_callee_is_asked_again() {
    let errors = [
        (CallError::unavailable("away"), 3),
        (CallError::DeadlineExceeded, 1),
        (CallError::Overloaded { retry_after: None }, 1),
        (CallError::internal("fault"), 1),
        (CallError::NotFound, 1),
        (CallError::Denied, 1),
    ];
    for (error, calls) in errors {
        let upstream = Upstream::default();
        let call = async || {
            upstream.number();
            Err::<(), _>(error.clone())
        };
        let outcome = guard(policy())
            .call(Deadline::within(MS(1_000)), call)
            .await;
        assert_eq!(outcome.unwrap_err().code(), error.code());
        assert_eq!(upstream.calls(), calls, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_when_the_callee_said_and_not_past_the_deadline() {
    let fails_once = async |guard: &Guard, limit| {
        let upstream = Upstream::default();
        let call = async || match upstream.number() {
            1 => Err(CallError::Unavailable {
                retry_after: Some(MS(300)),
                detail: "away".into(),
            }),
            call => Ok(call),
        };
        let began = Instant::now();
        let outcome = guard.call(Deadline::within(limit), call).await;
        (outcome.ok(), began.elapsed())
    };
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let (call, pause) = fails_once(&guard(policy()), MS(1_000)).await;
        assert_eq!(call, Some(2));
        assert!((MS(300)..=MS(451)).contains(&pause), "{pause:?}");
        pauses.push(pause);
    }
    pauses.dedup();
    assert!(pauses.len() > 1, "not all at once");
    let too_late = fails_once(&guard(policy()), MS(200)).await;
    assert_eq!(too_late, (None, MS(0)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_hedged_after_what_nineteen_in_twenty_take() {
    let guard = guard(policy());
    answers(&guard, 200, MS(10)).await;
    let upstream = Upstream::default();
    let call = async || {
        let call = upstream.number();
        sleep(if call == 1 { MS(500) } else { MS(5) }).await;
        Ok(call)
    };
    let began = Instant::now();
    let winner = guard.call(Deadline::within(MS(1_000)), call).await.unwrap();
    assert_eq!(winner, 2);
    assert!(began.elapsed() < MS(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn when_a_hedge_fails_the_first_call_still_counts() {
    let guard = guard(policy());
    answers(&guard, 200, MS(10)).await;
    let upstream = Upstream::default();
    let call = async || match upstream.number() {
        1 => {
            sleep(MS(50)).await;
            Ok(1)
        }
        _ => Err(CallError::DeadlineExceeded),
    };
    assert_eq!(
        guard.call(Deadline::within(MS(1_000)), call).await.unwrap(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn retries_and_hedges_share_one_budget() {
    let guards = Guards::new(Arc::new(ManualClock::new()));
    // A circuit that stays closed, so that only the budget stops anything.
    let breaker = BreakerSettings {
        consecutive_failures: u32::MAX,
        min_success_ratio: 0.0,
        ..BreakerSettings::default()
    };
    let guard = |name| Guard::new([name, name], policy(), &breaker, &guards);
    let failing = guard("failing");
    let upstream = Upstream::default();
    for _ in 0..1_000 {
        let call = async || {
            upstream.number();
            Err::<(), _>(CallError::unavailable("away"))
        };
        let _ = failing.call(Deadline::within(MS(1_000)), call).await;
    }
    // Paused time stands still but for the pauses before retries.
    let extra = upstream.calls() - 1_000;
    assert!(
        (250..=500).contains(&extra),
        "{extra} retries of 1,000 calls"
    );

    let slow = guard("slow");
    answers(&slow, 100, MS(1)).await;
    let upstream = Upstream::default();
    let call = async || {
        upstream.number();
        sleep(MS(100)).await;
        Ok(())
    };
    while guards.budget().withdraw() {}
    slow.call(Deadline::within(MS(1_000)), call).await.unwrap();
    assert_eq!(upstream.calls(), 1, "no hedge is left");
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_refuses_after_a_short_wait() {
    let guard = guard(Policy {
        concurrency: 1,
        ..policy()
    });
    let began = Instant::now();
    let hang = guard.call(Deadline::within(MS(1_000)), || {
        std::future::pending::<Result<(), CallError>>()
    });
    let refused = guard.call(Deadline::within(MS(1_000)), async || Ok(began.elapsed()));
    let (hung, refused) = tokio::join!(hang, async { (refused.await, began.elapsed()) });
    assert!(matches!(hung, Err(CallError::DeadlineExceeded)));
    assert!(matches!(refused.0, Err(CallError::Overloaded { .. })));
    assert!(refused.1 < MS(30), "{:?}", refused.1);
    // Whoever comes while there is room doesn't wait at all.
    guard
        .call(Deadline::within(MS(1)), async || Ok(()))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hung_callee_opens_the_circuit_and_is_left_alone() {
    let guard = guard(Policy {
        retries: 0,
        hedge: false,
        ..policy()
    });
    let upstream = Upstream::default();
    let call = || {
        upstream.number();
        std::future::pending::<Result<(), CallError>>()
    };
    for _ in 0..5 {
        let outcome = guard.call(Deadline::within(MS(200)), call).await;
        assert!(matches!(outcome, Err(CallError::DeadlineExceeded)));
    }
    let began = Instant::now();
    let outcome = guard.call(Deadline::within(MS(200)), call).await;
    assert!(matches!(outcome, Err(CallError::CircuitOpen { .. })));
    assert_eq!((upstream.calls(), began.elapsed()), (5, MS(0)));
}

#[tokio::test(start_paused = true)]
async fn clients_in_a_hurry_dont_open_the_circuit() {
    let guard = guard(policy());
    for _ in 0..100 {
        let hang = || std::future::pending::<Result<(), CallError>>();
        let outcome = guard.call(Deadline::within(MS(20)), hang).await;
        assert!(matches!(outcome, Err(CallError::DeadlineExceeded)));
    }
    assert!(guard.breaker.is_closed());
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_client_asks_for_counts_from_half_of_the_usual() {
    for (asked, closed) in [(MS(400), true), (MS(600), false)] {
        let guard = guard(policy());
        for _ in 0..10 {
            let hang = || std::future::pending::<Result<(), CallError>>();
            let deadline = Deadline::asked(Some(asked), MS(1_000)).part(MS(900), MS(50));
            let _ = guard.call(deadline, hang).await;
        }
        assert_eq!(guard.breaker.is_closed(), closed, "{asked:?}");
    }
}

/// A guard whose circuit is open, and a probe is due.
async fn due(policy: Policy) -> (Guard, Guards) {
    let clock = ManualClock::new();
    let guards = Guards::new(Arc::new(clock.clone()));
    let guard = Guard::new(
        ["test", "test"],
        policy,
        &BreakerSettings::default(),
        &guards,
    );
    for _ in 0..5 {
        let fail = async || Err::<(), _>(CallError::internal("fault"));
        let _ = guard.call(Deadline::within(MS(1_000)), fail).await;
    }
    assert_eq!(guards.circuits()["test.test"], "open");
    clock.advance(chrono::TimeDelta::seconds(2));
    (guard, guards)
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_is_back_gets_twice_as_many_calls_each_round_trip() {
    let (guard, guards) = due(Policy {
        wait: MS(1_000),
        hedge: false,
        ..policy()
    })
    .await;
    answers(&guard, 1, MS(10)).await;
    assert_eq!(guards.circuits()["test.test"], "closed");

    let began = Instant::now();
    let starts = std::sync::Mutex::new(Vec::new());
    let call = async || {
        starts.lock().unwrap().push(began.elapsed().as_millis());
        sleep(MS(10)).await;
        Ok(())
    };
    let calls = (0..23).map(|_| guard.call(Deadline::within(MS(1_000)), call));
    let all = futures::future::join_all(calls).await;
    assert!(all.iter().all(Result::is_ok));
    let starts = starts.into_inner().unwrap();
    let waves = starts.chunk_by(|one, next| next - one < 5).map(<[_]>::len);
    assert_eq!(waves.collect::<Vec<_>>(), [1, 2, 4, 8, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_in_a_hurry_finds_nothing_out() {
    let (guard, guards) = due(policy()).await;
    let hang = || std::future::pending::<Result<(), CallError>>();
    let outcome = guard.call(Deadline::within(MS(20)), hang).await;
    assert!(matches!(outcome, Err(CallError::DeadlineExceeded)));
    assert_eq!(guards.circuits()["test.test"], "open");
    answers(&guard, 1, MS(1)).await;
    assert_eq!(guards.circuits()["test.test"], "closed");
}
