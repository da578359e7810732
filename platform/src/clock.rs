//! Time as something that is passed in, so that a test can move it.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// Tells the time. Built once in `main` and passed to whoever needs it.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// How long it is since the Unix epoch.
    fn since_epoch(&self) -> Duration;

    /// Now, in UTC.
    ///
    /// # Panics
    /// In some 260,000 years.
    fn now(&self) -> DateTime<Utc> {
        let now = self.since_epoch();
        let seconds = now.as_secs().cast_signed();
        DateTime::from_timestamp(seconds, now.subsec_nanos()).expect("a year that has a date")
    }

    /// Now, as microseconds since the Unix epoch.
    fn now_us(&self) -> i64 {
        let now = self.since_epoch();
        (now.as_secs() * 1_000_000 + u64::from(now.subsec_micros())).cast_signed()
    }

    /// Now, as milliseconds since the Unix epoch: the form that goes to Redis.
    fn now_ms(&self) -> i64 {
        self.now_us() / 1_000
    }

    /// A UUIDv7 of now.
    fn new_id(&self) -> Uuid {
        let now = self.since_epoch();
        Uuid::new_v7(Timestamp::from_unix(
            NoContext,
            now.as_secs(),
            now.subsec_nanos(),
        ))
    }
}

/// A clock that many parts of a program share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// # Panics
    /// When the machine's clock says a time before 1970.
    fn since_epoch(&self) -> Duration {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        let now = std::time::SystemTime::now();
        now.duration_since(UNIX_EPOCH).expect("a time after 1970")
    }
}
