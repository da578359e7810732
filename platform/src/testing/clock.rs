use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{Clock, SystemClock};

/// A clock that runs with the machine's and can be moved ahead of it.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<Mutex<TimeDelta>>);

impl ManualClock {
    /// A clock that tells the machine's time until it is moved.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock.
    ///
    /// # Panics
    /// When a thread panicked while moving it.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().expect("no panic while moving the clock") += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + *self.0.lock().expect("no panic while moving the clock")
    }
}
