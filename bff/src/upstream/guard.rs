//! What stands between the edge and everything it calls.
//!
//! From the outside in: retries and hedges, which draw on one budget; the
//! circuit breaker; the bulkhead; the deadline; the call.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::select};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, sleep, timeout},
};
use tower::retry::budget::Budget as _;
use tracing::Instrument as _;

use super::{
    CallError, Deadline, Guards,
    breaker::{Breaker, BreakerSettings, Verdict},
    bulkhead::Bulkhead,
    guard_metrics::{GuardMetrics, Raised},
    latency::P95,
};

/// The pause before the first retry, before jitter; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// How one method may be called.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Calls that may be in flight at once.
    pub concurrency: usize,
    /// How long a call may wait for its turn.
    pub wait: Duration,
    /// Tries after the first when the callee is unavailable. Only idempotent
    /// reads may have any.
    pub retries: u32,
    /// Whether a second try is made beside a first that takes longer than
    /// nineteen in twenty do. Only idempotent reads may be hedged.
    pub hedge: bool,
    /// A call that ran into its deadline speaks against the callee only when at least
    /// this much was left as it began.
    pub patience: Duration,
}

/// The guard of one method. It is shared by all who call the method.
#[derive(Debug)]
pub struct Guard {
    name: [&'static str; 2],
    policy: Policy,
    bulkhead: Bulkhead,
    breaker: Arc<Breaker>,
    p95: P95,
    guards: Guards,
    metrics: GuardMetrics,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    First,
    Retry,
    Hedge,
}

impl Guard {
    /// Guards a method; `name` is the upstream and the method, as its metrics
    /// are labelled.
    #[must_use]
    pub fn new(
        name: [&'static str; 2],
        policy: Policy,
        breaker: &BreakerSettings,
        guards: &Guards,
    ) -> Self {
        Self {
            name,
            policy,
            bulkhead: Bulkhead::new(name, policy.concurrency),
            breaker: guards.breaker(name, breaker),
            p95: P95::default(),
            guards: guards.clone(),
            metrics: GuardMetrics::new(name),
        }
    }

    /// Whether calls go through as usual: the callee hasn't failed too often.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Makes a call; `call` is called once for each try.
    ///
    /// # Errors
    /// The callee's, [`CallError::DeadlineExceeded`], [`CallError::CircuitOpen`]
    /// or, when too many calls are in flight, [`CallError::Overloaded`].
    pub async fn call<T, F>(&self, deadline: Deadline, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        if self.policy.retries > 0 || self.policy.hedge {
            self.guards.budget().deposit();
        }
        // One place that awaits a try: a future has room for each that there is.
        let (mut kind, mut retries) = (Kind::First, 0..self.policy.retries);
        loop {
            let outcome = self.hedged(deadline, &call, kind).await;
            let (Err(CallError::Unavailable { retry_after, .. }), Some(retry)) =
                (&outcome, retries.next())
            else {
                return outcome;
            };
            let pause = match retry_after {
                // No sooner than the callee said, and not all at once.
                Some(after) => after.mul_f64(rand::random_range(1.0..1.5)),
                None => (FIRST_PAUSE * 2_u32.pow(retry)).mul_f64(rand::random_range(0.5..1.5)),
            };
            if deadline.remaining() <= pause || !self.withdraw() {
                return outcome;
            }
            sleep(pause).await;
            kind = Kind::Retry;
        }
    }

    /// Makes a call of another kind, once, whatever the policy says of retries and
    /// hedges: `silence` tells which of its errors mean that there was no answer, and
    /// what that is to the guard. Every other is an answer like success.
    ///
    /// # Errors
    /// As [`Guard::call`], for what the callee didn't say itself.
    pub async fn ask<T, E>(
        &self,
        deadline: Deadline,
        work: impl Future<Output = Result<T, E>>,
        silence: impl FnOnce(&E) -> Option<CallError>,
    ) -> Result<Result<T, E>, CallError> {
        let mut silent = None;
        let told = &mut silent;
        let call = || {
            work.map(|done| match done {
                Err(error) => match silence(&error) {
                    Some(verdict) => {
                        *told = Some(error);
                        Err(verdict)
                    }
                    None => Ok(Err(error)),
                },
                done => Ok(done),
            })
        };
        let outcome = self.attempt(deadline, call, Kind::First).await;
        match silent {
            Some(error) => Ok(Err(error)),
            None => outcome,
        }
    }

    async fn hedged<T, F>(
        &self,
        deadline: Deadline,
        call: &impl Fn() -> F,
        kind: Kind,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut first = pin!(self.attempt(deadline, call, kind));
        let Some(p95) = self.p95.get().filter(|_| self.policy.hedge) else {
            return first.await;
        };
        if let Ok(outcome) = timeout(p95, first.as_mut()).await {
            return outcome;
        }
        if !self.breaker.is_closed() || !self.withdraw() {
            return first.await;
        }
        // On the heap, since few calls need one.
        let second = Box::pin(self.attempt(deadline, call, Kind::Hedge));
        match select(first, second).await.factor_first() {
            (Err(error), other) if error.retryable() => other.await,
            (outcome, _) => outcome,
        }
    }

    /// Takes an extra call from the budget.
    fn withdraw(&self) -> bool {
        let granted = self.guards.budget().withdraw();
        if !granted {
            self.metrics.budget_exhausted.increment(1);
        }
        granted
    }

    async fn attempt<T, F>(
        &self,
        deadline: Deadline,
        call: impl FnOnce() -> F,
        kind: Kind,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let [circuit_open, bulkhead_full] = &self.metrics.rejected;
        let admitted = self.breaker.admit();
        let pass = admitted.inspect_err(|_| circuit_open.increment(1))?;
        let place = self.place(deadline, kind).await;
        let _place = place.inspect_err(|_| bulkhead_full.increment(1))?;
        let attempt = Attempt::begin(self, kind);
        let given = deadline.remaining();
        let [upstream, method] = self.name;
        let span = tracing::debug_span!("call", upstream, method, ?kind);
        // Within the span too is what is done before anything is waited for.
        let work = span.in_scope(call).instrument(span);
        let outcome = deadline.limit(work).await;
        attempt.end(&outcome);
        let verdict = match &outcome {
            Ok(_) => Verdict::Success,
            Err(CallError::Unavailable { .. } | CallError::Internal(_)) => Verdict::Failure,
            Err(CallError::DeadlineExceeded)
                if given >= self.policy.patience && !deadline.is_hurried() =>
            {
                Verdict::Failure
            }
            Err(CallError::DeadlineExceeded) => return outcome,
            Err(CallError::Overloaded { .. }) => Verdict::Throttled,
            Err(_) => Verdict::Refused,
        };
        if pass.tell(verdict) {
            self.bulkhead.narrow();
        } else if matches!(verdict, Verdict::Success | Verdict::Refused) {
            self.bulkhead.widen();
        }
        outcome
    }

    async fn place(
        &self,
        deadline: Deadline,
        kind: Kind,
    ) -> Result<SemaphorePermit<'_>, CallError> {
        if let Some(place) = self.bulkhead.try_enter() {
            return Ok(place);
        }
        let wait = match kind {
            Kind::Hedge => Duration::ZERO,
            Kind::First | Kind::Retry => self.policy.wait.min(deadline.remaining()),
        };
        let _waiting = Raised::new(&self.metrics.waiting);
        self.bulkhead.enter(wait).await
    }
}

/// A call in flight.
struct Attempt<'a> {
    guard: &'a Guard,
    _in_flight: Raised<'a>,
    started: Instant,
    ended: bool,
}

impl<'a> Attempt<'a> {
    fn begin(guard: &'a Guard, kind: Kind) -> Self {
        guard.metrics.attempts[kind as usize].increment(1);
        Self {
            guard,
            _in_flight: Raised::new(&guard.metrics.in_flight),
            started: Instant::now(),
            ended: false,
        }
    }

    fn end<T>(mut self, outcome: &Result<T, CallError>) {
        self.ended = true;
        let took = self.started.elapsed();
        let class = match outcome {
            Ok(_) => 0,
            Err(error) if error.retryable() => 1,
            Err(CallError::Internal(_)) => 2,
            Err(_) => 3,
        };
        self.guard.metrics.durations[class].record(took.as_secs_f64());
        match outcome {
            Ok(_) => self.guard.p95.observe(took),
            Err(_) => self.guard.p95.observe_longer_than(took),
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.guard.p95.observe_longer_than(self.started.elapsed());
        }
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
