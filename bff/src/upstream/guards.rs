use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use platform::clock::SharedClock;
use tower::retry::budget::TpsBudget;

use super::{BreakerSettings, breaker::Breaker};

/// What all guards of a process have in common: the clock, the budget of extra
/// calls, and a list of their circuits. Cloning is one reference count.
#[derive(Debug, Clone)]
pub struct Guards(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: SharedClock,
    /// The extra calls that all methods may make together: one for each five
    /// calls of those that may be repeated, and ten a second, over ten seconds.
    budget: TpsBudget,
    /// One for each method; they are built when the process starts.
    circuits: Mutex<Vec<Arc<Breaker>>>,
}

impl Guards {
    /// None yet.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self(Arc::new(Inner {
            clock,
            budget: TpsBudget::default(),
            circuits: Mutex::default(),
        }))
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> SharedClock {
        self.0.clock.clone()
    }

    /// How each circuit is, by upstream and method, for `/readyz`.
    #[must_use]
    pub fn circuits(&self) -> BTreeMap<String, &'static str> {
        let circuits = self.0.circuits.lock();
        let circuits = circuits.unwrap_or_else(PoisonError::into_inner);
        let named = |breaker: &Arc<Breaker>| (breaker.name().join("."), breaker.circuit().as_str());
        circuits.iter().map(named).collect()
    }

    pub(super) fn budget(&self) -> &TpsBudget {
        &self.0.budget
    }

    pub(super) fn breaker(
        &self,
        name: [&'static str; 2],
        settings: &BreakerSettings,
    ) -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::new(name, settings, self.clock()));
        let circuits = self.0.circuits.lock();
        let mut circuits = circuits.unwrap_or_else(PoisonError::into_inner);
        circuits.push(breaker.clone());
        breaker
    }
}
