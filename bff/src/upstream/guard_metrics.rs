//! What a guard tells of its calls.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// One more in a gauge, until it is dropped.
pub(super) struct Raised<'a>(&'a Gauge);

impl<'a> Raised<'a> {
    pub(super) fn new(gauge: &'a Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Built once: finding a metric by its labels costs more than updating it.
#[derive(Debug)]
pub(super) struct GuardMetrics {
    pub(super) attempts: [Counter; 3],
    /// Calls that were not made: the circuit was open, or the bulkhead full.
    pub(super) rejected: [Counter; 2],
    /// Retries and hedges that were wanted, and for which the budget had nothing left.
    pub(super) budget_exhausted: Counter,
    pub(super) in_flight: Gauge,
    /// Calls that wait for their turn.
    pub(super) waiting: Gauge,
    pub(super) durations: [Histogram; 4],
}

impl GuardMetrics {
    pub(super) fn new([upstream, method]: [&'static str; 2]) -> Self {
        let attempts = ["first", "retry", "hedge"].map(|kind| {
            counter!("upstream_attempts_total", "upstream" => upstream, "method" => method, "kind" => kind)
        });
        let durations = ["ok", "transient", "internal", "refused"].map(|outcome| {
            histogram!("upstream_request_duration_seconds", "upstream" => upstream, "method" => method, "outcome" => outcome)
        });
        let rejected = ["circuit_open", "bulkhead_full"].map(|reason| {
            counter!("upstream_rejected_total", "upstream" => upstream, "method" => method, "reason" => reason)
        });
        Self {
            attempts,
            durations,
            rejected,
            budget_exhausted: counter!("upstream_budget_exhausted_total", "upstream" => upstream, "method" => method),
            in_flight: gauge!("upstream_in_flight", "upstream" => upstream, "method" => method),
            waiting: gauge!("upstream_waiting", "upstream" => upstream, "method" => method),
        }
    }
}
