//! How many requests may be in flight, found out by how long they take.
//!
//! After the gradient limit of Netflix's concurrency-limits: while requests
//! take as long as they do in quiet times, more and more are let in; when they
//! take longer, fewer. How long a request takes in quiet times is known for
//! each route, or a burst of slow sign-ins would look like an overload.
//!
//! Requests also take longer when something behind the edge is slow, and then
//! refusing them helps nobody. Hence there is always room for [`LEAST`]: a service
//! that hangs is left alone by its circuit breaker before that is felt. One that
//! is slow and answers is not: with more than [`LEAST`] waiting for it, requests are
//! refused until its new pace is known, some ten seconds.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use metrics::{Gauge, gauge};

/// Requests are let in whatever they take, up to so many. With half of them in
/// flight, times are still quiet.
const LEAST: usize = 100;
/// With what it begins, and comes back to in quiet times: more than come at once
/// by chance, and fewer than a service behind needs to be overrun.
const USUAL: usize = 600;
/// The limit is reconsidered this often, given so many samples.
const WINDOW: Duration = Duration::from_millis(100);
const SAMPLES: u32 = 10;
/// One request in this time is looked at: enough to know, and next to nothing.
const EVERY: Duration = Duration::from_millis(1);
/// Requests may take so many times as long as in quiet times.
const TOLERANCE: f64 = 1.5;
/// And nobody minds what takes only so many seconds.
const BRIEF: f64 = 0.005;
/// One that takes longer than this counts no more.
const MOST: f64 = 4.0;
/// The limit is lowered to this share of it at a time, or less far.
const STEP_DOWN: f64 = 0.75;
/// While requests take longer, the limit is at most so many times what is in
/// flight, so that it is felt soon.
const SLACK: usize = 4;
/// How much of what quiet times were like is learned from one request.
const LEARNED: f64 = 1.0 / 32.0;
/// And when times aren't quiet, but no fewer can be let in: it may stay so.
const LEARNED_LATE: f64 = 1.0 / 4096.0;
/// Routes that are known at most; there are fewer.
const ROUTES: usize = 1_000;

/// A limit between [`LEAST`] and a configured one.
#[derive(Debug)]
pub struct AdaptiveLimit {
    most: usize,
    now: AtomicUsize,
    began: Instant,
    /// When the next request is looked at, in microseconds after `began`.
    next: AtomicU64,
    window: Mutex<Window>,
    gauge: Gauge,
}

#[derive(Debug)]
struct Window {
    ends: Instant,
    samples: u32,
    /// Of how many times as long as in quiet times each took.
    sum: f64,
    most_in_flight: usize,
    /// How long a request of a route takes in quiet times, in seconds.
    quiet: HashMap<String, f64>,
}

impl AdaptiveLimit {
    /// May become as large as `most`.
    pub fn new(most: usize) -> Self {
        let began = Instant::now();
        let gauge = gauge!("http_requests_limit");
        let first = most.min(USUAL);
        gauge.set(first as f64);
        Self {
            most,
            now: AtomicUsize::new(first),
            began,
            next: AtomicU64::new(0),
            window: Mutex::new(Window {
                ends: began + WINDOW,
                samples: 0,
                sum: 0.0,
                most_in_flight: 0,
                quiet: HashMap::new(),
            }),
            gauge,
        }
    }

    /// How many may be in flight.
    pub fn get(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// Whether a request that begins now is to be looked at.
    pub fn samples(&self, now: Instant) -> bool {
        let at = micros(now.saturating_duration_since(self.began));
        let next = self.next.load(Ordering::Relaxed);
        at >= next
            && self
                .next
                .compare_exchange(
                    next,
                    at + micros(EVERY),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Takes note of a request that ends now, and began when so many were in
    /// flight. `took` is none for one that found something behind too busy.
    pub fn record(&self, route: &str, took: Option<Duration>, in_flight: usize, now: Instant) {
        let limit = self.get();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        match took {
            Some(took) => window.add(route, took.as_secs_f64(), in_flight, limit),
            None => window.count(MOST, in_flight),
        }
        if now < window.ends || window.samples < SAMPLES {
            return;
        }
        let next = window
            .close(now, limit)
            .clamp(LEAST.min(self.most), self.most);
        drop(window);
        self.now.store(next, Ordering::Relaxed);
        self.gauge.set(next as f64);
    }
}

impl Window {
    fn add(&mut self, route: &str, took: f64, in_flight: usize, limit: usize) {
        let known = self.quiet.len();
        let quiet = match self.quiet.get_mut(route) {
            Some(quiet) => quiet,
            None if known < ROUTES => self.quiet.entry(route.to_owned()).or_insert(took),
            None => return,
        };
        let slower = took / quiet.max(BRIEF);
        // What holds when there is much to do isn't what holds when there isn't.
        let learned = match in_flight * 2 <= LEAST {
            true => LEARNED,
            false if limit <= LEAST => LEARNED_LATE,
            false => 0.0,
        };
        *quiet += (took - *quiet) * learned;
        self.count(slower, in_flight);
    }

    fn count(&mut self, slower: f64, in_flight: usize) {
        self.samples += 1;
        self.sum += slower.min(MOST);
        self.most_in_flight = self.most_in_flight.max(in_flight);
    }

    /// What the limit is from here on.
    fn close(&mut self, now: Instant, limit: usize) -> usize {
        let slower = self.sum / f64::from(self.samples);
        let in_flight = self.most_in_flight;
        self.ends = now + WINDOW;
        (self.samples, self.sum, self.most_in_flight) = (0, 0.0, 0);
        if slower > TOLERANCE {
            let limit = limit.min(in_flight * SLACK) as f64;
            let gradient = (TOLERANCE / slower).max(STEP_DOWN);
            limit.mul_add(gradient, limit.sqrt() / 2.0) as usize
        } else if in_flight * 2 > limit || limit < USUAL {
            limit + (limit as f64).sqrt() as usize
        } else {
            limit
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that works on `CAPACITY` requests at once; more of them wait.
    const CAPACITY: usize = 100;
    const WORK: Duration = Duration::from_millis(20);

    /// How long a request takes that finds so many there.
    fn took(in_flight: usize) -> Duration {
        WORK.mul_f64((in_flight as f64 / CAPACITY as f64).max(1.0))
    }

    /// Lets `wanted` requests at once come for some time.
    fn run(limit: &AdaptiveLimit, start: Instant, time: Duration, wanted: usize) -> Instant {
        let mut now = start;
        while now < start + time {
            let in_flight = wanted.min(limit.get());
            limit.record("/", Some(took(in_flight)), in_flight, now);
            now += EVERY;
        }
        now
    }

    #[test]
    fn an_overload_is_brought_down_to_what_can_be_done_and_back_up_afterwards() {
        let limit = AdaptiveLimit::new(2_000);
        let quiet = run(&limit, Instant::now(), Duration::from_secs(1), 30);
        assert_eq!(limit.get(), USUAL, "there is room, and it isn't taken away");
        let overload = run(&limit, quiet, Duration::from_secs(2), 2_000);
        let found = limit.get();
        // Everyone is busy, and who waits waits about as long as the work takes.
        assert!((CAPACITY..CAPACITY * 3).contains(&found), "{found}");
        let longer = run(&limit, overload, Duration::from_secs(60), 2_000);
        assert!(
            limit.get() < CAPACITY * 3,
            "an overload isn't learned as normal"
        );
        run(&limit, longer, Duration::from_secs(1), 10);
        assert!(limit.get() >= CAPACITY, "quiet times take nothing away");
    }

    #[test]
    fn what_finds_something_behind_too_busy_is_a_sign_however_soon_it_ends() {
        let limit = AdaptiveLimit::new(2_000);
        let mut now = run(&limit, Instant::now(), Duration::from_secs(1), 30);
        for _ in 0..2_000 {
            limit.record("/", None, limit.get(), now);
            now += EVERY;
        }
        assert_eq!(limit.get(), LEAST);
        run(&limit, now, Duration::from_secs(10), 30);
        assert!(limit.get() >= USUAL, "as many as before may come again");
    }

    #[test]
    fn what_takes_longer_by_itself_is_no_overload() {
        let limit = AdaptiveLimit::new(100);
        let mut now = Instant::now();
        for turn in 0..10_000_u32 {
            // Half of them are sign-ins, one in twenty a straggler.
            let (route, work) = if turn % 2 == 0 { ("/a", 1) } else { ("/b", 40) };
            let work = if turn % 20 == 7 { work * 50 } else { work };
            limit.record(route, Some(Duration::from_millis(work)), 90, now);
            now += EVERY;
        }
        assert_eq!(limit.get(), 100);
    }

    #[test]
    fn where_everything_has_become_slower_for_good_the_limit_recovers() {
        let limit = AdaptiveLimit::new(200);
        let mut now = Instant::now();
        for work in [1, 10] {
            for _ in 0..20_000 {
                let in_flight = limit.get();
                limit.record("/", Some(Duration::from_millis(work)), in_flight, now);
                now += EVERY;
            }
        }
        assert_eq!(limit.get(), 200);
    }

    #[test]
    fn one_request_in_a_while_is_looked_at() {
        let limit = AdaptiveLimit::new(10);
        let at = |micros| limit.began + Duration::from_micros(micros);
        let looked_at: Vec<u64> = (0..40)
            .map(|n| n * 100)
            .filter(|at_| limit.samples(at(*at_)))
            .collect();
        assert_eq!(looked_at, [0, 1_000, 2_000, 3_000]);
    }
}
