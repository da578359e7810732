use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::extract::MatchedPath;
use metrics::{Counter, Gauge, counter, gauge};

use super::limit::AdaptiveLimit;

/// What is refused last, first and in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// What nobody may be waiting for: reads by nobody in particular, and what a
    /// browser fetches in advance.
    Low,
    /// A user's reads.
    Normal,
    /// Signing in, and whatever changes something.
    High,
}

impl Priority {
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// How much of the limit may be in use for one more of these to be let in,
    /// in percent.
    const fn share(self) -> usize {
        match self {
            Self::Low => 70,
            Self::Normal => 90,
            Self::High => 100,
        }
    }
}

/// Counts the requests in flight.
#[derive(Debug)]
pub struct Gate {
    limit: AdaptiveLimit,
    in_flight: AtomicUsize,
    overloaded: Arc<AtomicBool>,
    gauge: Gauge,
    refused: [Counter; 3],
}

impl Gate {
    /// A gate for `most` requests, or fewer when that is too much. The flag is up from when even the most
    /// important one is refused until there is room for any.
    pub fn new(most: usize, overloaded: Arc<AtomicBool>) -> Self {
        Self {
            limit: AdaptiveLimit::new(most),
            in_flight: AtomicUsize::new(0),
            overloaded,
            gauge: gauge!("http_requests_in_flight"),
            refused: Priority::ALL.map(
                |priority| counter!("http_requests_shed_total", "priority" => priority.as_str()),
            ),
        }
    }

    /// How many requests may be in flight for one of this priority to be let in.
    fn limit(&self, priority: Priority) -> usize {
        (self.limit.get().saturating_mul(priority.share()) / 100).max(1)
    }

    /// Counts one more, if it may be let in, and returns how many there were.
    fn enter(&self, priority: Priority) -> Option<usize> {
        let limit = self.limit(priority);
        let one_more = |in_flight| Some(in_flight + 1).filter(|sum| *sum <= limit);
        self.in_flight
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more)
            .ok()
    }

    /// Lets a request in, or doesn't. Where there is room for any, nobody asks how
    /// much this one matters.
    pub fn admit(
        self: &Arc<Self>,
        priority: impl FnOnce() -> Priority,
        route: Option<&MatchedPath>,
    ) -> Option<Permit> {
        let mut matters = Priority::Low;
        let entered = self.enter(matters).or_else(|| {
            matters = priority();
            self.enter(matters)
        });
        if let Some(in_flight) = entered {
            self.gauge.increment(1);
            let began = Instant::now();
            let sample = route.filter(|_| self.limit.samples(began));
            return Some(Permit {
                gate: self.clone(),
                sample: sample.map(|route| Sample {
                    route: route.clone(),
                    began,
                    in_flight,
                }),
            });
        }
        self.refused[matters as usize].increment(1);
        if matters == Priority::High {
            self.overloaded.store(true, Ordering::SeqCst);
            // All that was in flight may have ended before the flag was up.
            self.recover();
        }
        None
    }

    /// Takes the flag down once there is room for requests of any priority.
    fn recover(&self) {
        let in_flight = self.in_flight.load(Ordering::SeqCst);
        if self.overloaded.load(Ordering::SeqCst) && in_flight < self.limit(Priority::Low) {
            self.overloaded.store(false, Ordering::SeqCst);
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct Permit {
    gate: Arc<Gate>,
    sample: Option<Sample>,
}

/// A request of which the time is taken.
#[derive(Debug)]
struct Sample {
    route: MatchedPath,
    began: Instant,
    /// How many there were besides it.
    in_flight: usize,
}

impl Permit {
    /// The request was answered, or found something behind `too_busy`; one whose
    /// client left says nothing.
    pub fn answered(&mut self, too_busy: bool) {
        if let Some(sample) = self.sample.take() {
            let (now, limit) = (Instant::now(), &self.gate.limit);
            let took = now.saturating_duration_since(sample.began);
            let took = Some(took).filter(|_| !too_busy);
            limit.record(sample.route.as_str(), took, sample.in_flight, now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.gate.gauge.decrement(1);
        self.gate.recover();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(limit: usize) -> Arc<Gate> {
        Arc::new(Gate::new(limit, Arc::default()))
    }

    fn fill(gate: &Arc<Gate>, priority: Priority) -> Vec<Permit> {
        std::iter::from_fn(|| gate.admit(|| priority, None)).collect()
    }

    #[test]
    fn each_priority_has_its_share_and_what_is_above_it() {
        let gate = gate(100);
        let mut permits = fill(&gate, Priority::Low);
        assert_eq!(permits.len(), 70);
        permits.extend(fill(&gate, Priority::Normal));
        assert_eq!(permits.len(), 90);
        assert!(gate.admit(|| Priority::Low, None).is_none());
        permits.extend(fill(&gate, Priority::High));
        assert_eq!(permits.len(), 100);
        drop(permits);
        assert_eq!(fill(&gate, Priority::High).len(), 100);
    }

    #[test]
    fn a_tiny_limit_still_lets_everyone_in_alone() {
        for priority in Priority::ALL {
            assert_eq!(fill(&gate(1), priority).len(), 1);
        }
    }

    #[test]
    fn the_flag_is_up_from_the_first_important_refusal_until_there_is_room_for_all() {
        let gate = gate(10);
        let overloaded = || gate.overloaded.load(Ordering::SeqCst);
        let mut permits = fill(&gate, Priority::Normal);
        permits.extend([gate.admit(|| Priority::High, None).unwrap()]);
        assert!(!overloaded(), "only what matters less was refused");
        assert!(gate.admit(|| Priority::High, None).is_none());
        assert!(overloaded());
        permits.truncate(7);
        assert!(overloaded(), "there is no room for the least important yet");
        permits.truncate(6);
        assert!(!overloaded());
    }

    #[test]
    fn refusals_and_endings_at_once_leave_the_flag_down() {
        let gate = gate(4);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        drop(gate.admit(|| Priority::High, None));
                    }
                });
            }
        });
        assert_eq!(gate.in_flight.load(Ordering::SeqCst), 0);
        assert!(!gate.overloaded.load(Ordering::SeqCst));
    }
}
