use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use crate::clock::{Clock, SystemClock};

/// A clock that a test moves.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Time>>);

#[derive(Debug, Clone, Copy)]
enum Time {
    /// Ahead of the machine's by this.
    Running(TimeDelta),
    Still(DateTime<Utc>),
}

impl Time {
    fn now(self) -> DateTime<Utc> {
        match self {
            Self::Running(ahead) => SystemClock.now() + ahead,
            Self::Still(now) => now,
        }
    }
}

impl ManualClock {
    /// A clock that runs with the machine's and can be moved ahead of it.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Time::Running(TimeDelta::zero()))))
    }

    /// A clock that stands still, at a full second of today, until it is moved:
    /// for what is to happen exactly then.
    ///
    /// # Panics
    /// Never, before the year 2262.
    #[must_use]
    pub fn still() -> Self {
        let second = SystemClock.now().duration_trunc(TimeDelta::seconds(1));
        let second = second.expect("a time of this age");
        Self(Arc::new(Mutex::new(Time::Still(second))))
    }

    /// Moves the clock.
    ///
    /// # Panics
    /// When a thread panicked while moving it.
    pub fn advance(&self, by: TimeDelta) {
        let mut time = self.0.lock().expect("no panic while moving the clock");
        match &mut *time {
            Time::Running(ahead) => *ahead += by,
            Time::Still(now) => *now += by,
        }
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn since_epoch(&self) -> Duration {
        let time = self.0.lock().expect("no panic while moving the clock");
        let since = time.now() - DateTime::UNIX_EPOCH;
        since.to_std().expect("a time after 1970")
    }
}
