use std::sync::Arc;

use chrono::TimeDelta;
use platform::testing::ManualClock;

use super::{Verdict::*, *};

fn breaker() -> (Breaker, ManualClock) {
    let clock = ManualClock::new();
    let settings = BreakerSettings::default();
    (
        Breaker::new(["test", "test"], &settings, Arc::new(clock.clone())),
        clock,
    )
}

fn tell(breaker: &Breaker, verdicts: impl IntoIterator<Item = Verdict>) {
    for verdict in verdicts {
        breaker.admit().unwrap().tell(verdict);
    }
}

/// Past the jitter of a pause of so many milliseconds.
fn past(ms: i64) -> TimeDelta {
    TimeDelta::milliseconds(ms * 12 / 10 + 1)
}

#[test]
fn seven_failures_in_a_row_open_it() {
    let (breaker, clock) = breaker();
    // Spread out, so that the rate alone would not.
    for _ in 0..6 {
        tell(&breaker, [Failure]);
        clock.advance(TimeDelta::seconds(11));
    }
    assert!(breaker.is_closed());
    tell(&breaker, [Failure]);
    assert!(matches!(
        breaker.admit(),
        Err(CallError::CircuitOpen { .. })
    ));
}

#[test]
fn a_success_begins_the_row_anew() {
    let (breaker, clock) = breaker();
    for _ in 0..20 {
        tell(&breaker, [Failure]);
        clock.advance(TimeDelta::seconds(11));
        tell(&breaker, [Success]);
        clock.advance(TimeDelta::seconds(11));
    }
    assert!(breaker.is_closed());
}

#[test]
fn under_eighty_percent_of_five_calls_open_it() {
    let (breaker, _) = breaker();
    tell(&breaker, [Success, Success, Success, Failure]);
    assert!(breaker.is_closed(), "four calls say nothing");
    tell(&breaker, [Success, Failure]);
    assert!(!breaker.is_closed(), "four of six");
}

#[test]
fn eighty_percent_is_enough_and_old_calls_are_forgotten() {
    let (breaker, clock) = breaker();
    tell(&breaker, [Success, Success, Success, Success, Failure]);
    assert!(breaker.is_closed());
    clock.advance(TimeDelta::seconds(11));
    tell(&breaker, [Failure, Failure, Failure, Failure]);
    assert!(
        breaker.is_closed(),
        "five failures in all, four within ten seconds"
    );
}

#[test]
fn throttling_counts_in_the_rate_only_and_refusals_not_at_all() {
    let (breaker, clock) = breaker();
    tell(&breaker, [Refused; 100]);
    assert!(breaker.is_closed());
    for _ in 0..20 {
        tell(&breaker, [Throttled]);
        clock.advance(TimeDelta::seconds(11));
    }
    assert!(breaker.is_closed(), "no row of failures");
    tell(&breaker, [Throttled; 5]);
    assert!(!breaker.is_closed(), "none of five succeeded");
}

#[test]
fn one_probe_at_a_time_and_each_failed_one_doubles_the_pause() {
    let (breaker, clock) = breaker();
    tell(&breaker, [Failure; 5]);
    let mut pause = 1_000;
    while pause < 200_000 {
        clock.advance(TimeDelta::milliseconds(pause.min(60_000) * 8 / 10 - 50));
        assert!(breaker.admit().is_err(), "too early after {pause} ms");
        clock.advance(past(pause.min(60_000)));
        let probe = breaker.admit().unwrap();
        assert!(breaker.admit().is_err(), "one probe at a time");
        probe.tell(Failure);
        pause *= 2;
    }
    clock.advance(past(60_000));
    breaker.admit().unwrap().tell(Success);
    assert!(breaker.is_closed());
    tell(&breaker, [Failure; 4]);
    assert!(breaker.is_closed(), "it starts afresh");
}

#[test]
fn a_probe_whose_caller_left_leaves_its_turn() {
    let (breaker, clock) = breaker();
    tell(&breaker, [Failure; 5]);
    clock.advance(past(1_000));
    drop(breaker.admit().unwrap());
    breaker.admit().unwrap().tell(Refused);
    assert!(breaker.is_closed(), "a refusal is an answer");
}

#[test]
fn what_was_admitted_before_it_opened_decides_nothing() {
    let (breaker, clock) = breaker();
    let late = breaker.admit().unwrap();
    tell(&breaker, [Failure; 5]);
    late.tell(Success);
    assert!(breaker.admit().is_err());
    clock.advance(past(1_000));
    assert!(breaker.admit().is_ok());
}
