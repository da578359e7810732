//! A circuit breaker: it stops calls to a callee that keeps failing, and asks
//! with one real call at a time whether it is back.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::Gauge;
use platform::{clock::SharedClock, config::Millis};
use serde::{Deserialize, Serialize};

use super::CallError;

/// When a circuit opens, and how it closes again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub consecutive_failures: u32,
    /// It opens when a smaller share of the last ten seconds' calls succeeded, 0 to 1.
    pub min_success_ratio: f64,
    /// The share says nothing about fewer calls than this.
    pub min_calls: u32,
    /// When the first probe is due after it opened, in milliseconds. Each
    /// probe that fails doubles the pause.
    pub probe_after_ms: Millis,
    /// The longest pause between probes, in milliseconds.
    pub probe_after_max_ms: Millis,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            consecutive_failures: 7,
            min_success_ratio: 0.8,
            min_calls: 5,
            probe_after_ms: Millis(1_000),
            probe_after_max_ms: Millis(60_000),
        }
    }
}

impl BreakerSettings {
    /// For what nothing stands in for: every second it is asked whether it is back.
    #[must_use]
    pub fn insistent() -> Self {
        let usual = Self::default();
        Self {
            probe_after_max_ms: usual.probe_after_ms,
            ..usual
        }
    }
}

/// Whether calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Circuit {
    /// They do.
    Closed,
    /// One does, which asks whether the callee is back.
    HalfOpen,
    /// None does.
    Open,
}

impl Circuit {
    /// The field's name for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// What a call showed about its callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Success,
    /// It doesn't.
    Failure,
    /// It works and has too much to do: that lowers the success rate, and is
    /// no failure in a row.
    Throttled,
    /// It refused this call for what was asked; that says nothing about others.
    Refused,
}

/// One circuit.
#[derive(Debug)]
pub(super) struct Breaker {
    name: [&'static str; 2],
    settings: BreakerSettings,
    clock: SharedClock,
    state: Mutex<State>,
    gauge: Gauge,
}

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
        window: Window,
    },
    Open {
        /// When a probe may go, in milliseconds since the epoch.
        probe_at: i64,
        /// The pause that ended or ends then, before jitter.
        pause: Duration,
        probing: bool,
    },
}

impl Breaker {
    pub(super) fn new(
        name: [&'static str; 2],
        settings: &BreakerSettings,
        clock: SharedClock,
    ) -> Self {
        let gauge =
            metrics::gauge!("upstream_breaker_state", "upstream" => name[0], "method" => name[1]);
        gauge.set(Circuit::Closed as u8);
        Self {
            name,
            settings: settings.clone(),
            clock,
            state: Mutex::new(State::closed()),
            gauge,
        }
    }

    /// Lets a call through, or doesn't.
    pub(super) fn admit(&self) -> Result<Pass<'_>, CallError> {
        let mut state = self.state();
        let probe = match &mut *state {
            State::Closed { .. } => false,
            State::Open {
                probe_at, probing, ..
            } => {
                let due_ms = *probe_at - self.clock.now_ms();
                if *probing || due_ms > 0 {
                    // While a probe is under way its outcome is awaited.
                    let due_ms = u64::try_from(due_ms).unwrap_or(0).max(100);
                    return Err(CallError::CircuitOpen {
                        retry_after: Duration::from_millis(due_ms),
                    });
                }
                *probing = true;
                self.gauge.set(Circuit::HalfOpen as u8);
                true
            }
        };
        Ok(Pass {
            breaker: self,
            probe,
            told: false,
        })
    }

    pub(super) fn name(&self) -> [&'static str; 2] {
        self.name
    }

    pub(super) fn circuit(&self) -> Circuit {
        match *self.state() {
            State::Closed { .. } => Circuit::Closed,
            State::Open { probing: true, .. } => Circuit::HalfOpen,
            State::Open { .. } => Circuit::Open,
        }
    }

    /// Whether calls go through as usual.
    pub(super) fn is_closed(&self) -> bool {
        self.circuit() == Circuit::Closed
    }

    /// Returns whether this closed the circuit.
    fn record(&self, probe: bool, verdict: Verdict) -> bool {
        let mut state = self.state();
        match &mut *state {
            State::Open { pause, .. } if probe => match verdict {
                // Any answer that isn't a failure shows that the callee is back.
                Verdict::Success | Verdict::Refused => {
                    *state = State::closed();
                    self.gauge.set(Circuit::Closed as u8);
                    let [upstream, method] = self.name;
                    tracing::info!(upstream, method, "circuit closed");
                    return true;
                }
                Verdict::Failure | Verdict::Throttled => {
                    let longest = self.settings.probe_after_max_ms.duration();
                    let pause = (*pause * 2).min(longest);
                    *state = self.open(pause);
                }
            },
            // It was admitted before the circuit opened; that is decided.
            State::Open { .. } => {}
            State::Closed { failures, window } => {
                match verdict {
                    Verdict::Success => *failures = 0,
                    Verdict::Failure => *failures += 1,
                    Verdict::Throttled => {}
                    Verdict::Refused => return false,
                }
                let success = verdict == Verdict::Success;
                window.add(self.clock.now_ms(), success);
                if success {
                    return false;
                }
                let failures = *failures;
                let (succeeded, calls) = window.sums();
                let ratio = f64::from(succeeded) / f64::from(calls);
                if failures >= self.settings.consecutive_failures
                    || (calls >= self.settings.min_calls && ratio < self.settings.min_success_ratio)
                {
                    *state = self.open(self.settings.probe_after_ms.duration());
                    let [upstream, method] = self.name;
                    tracing::warn!(upstream, method, failures, ratio, calls, "circuit opened");
                }
            }
        }
        false
    }

    fn open(&self, pause: Duration) -> State {
        self.gauge.set(Circuit::Open as u8);
        // Replicas that saw the same fault shouldn't probe in step.
        let jittered = pause.mul_f64(rand::random_range(0.8..=1.2));
        State::Open {
            probe_at: self.clock.now_ms() + i64::try_from(jittered.as_millis()).unwrap_or(i64::MAX),
            pause,
            probing: false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn closed() -> Self {
        Self::Closed {
            failures: 0,
            window: Window::default(),
        }
    }
}

/// A call that was let through. Dropped without a verdict, because its caller
/// went away or was in a hurry, it says nothing; a probe then leaves its turn to the next call.
#[derive(Debug)]
#[must_use]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
    told: bool,
}

impl Pass<'_> {
    /// Returns whether this closed the circuit.
    pub(super) fn tell(mut self, verdict: Verdict) -> bool {
        self.told = true;
        self.breaker.record(self.probe, verdict)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe
            && !self.told
            && let State::Open { probing, .. } = &mut *self.breaker.state()
        {
            *probing = false;
            self.breaker.gauge.set(Circuit::Open as u8);
        }
    }
}

/// The calls of the last ten seconds, second by second.
#[derive(Debug, Default)]
struct Window {
    /// The second, and that second's successes and calls.
    slots: [(i64, u32, u32); 10],
    now: i64,
}

impl Window {
    fn add(&mut self, now_ms: i64, success: bool) {
        self.now = now_ms.div_euclid(1_000);
        let slot = &mut self.slots[usize::try_from(self.now.rem_euclid(10)).unwrap_or(0)];
        if slot.0 != self.now {
            *slot = (self.now, 0, 0);
        }
        slot.1 += u32::from(success);
        slot.2 += 1;
    }

    /// Successes and calls.
    fn sums(&self) -> (u32, u32) {
        let recent = |slot: &&(i64, u32, u32)| self.now - slot.0 < 10;
        let recent = self.slots.iter().filter(recent);
        recent.fold((0, 0), |sum, slot| (sum.0 + slot.1, sum.1 + slot.2))
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
