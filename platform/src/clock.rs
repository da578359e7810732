//! Time as something that is passed in, so that a test can move it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// Tells the time. Built once in `main` and passed to whoever needs it.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Now, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// Now, as milliseconds since the Unix epoch: the form that goes to Redis.
    fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }

    /// A UUIDv7 of now.
    ///
    /// # Panics
    /// Before 1970.
    fn new_id(&self) -> Uuid {
        let now = self.now();
        let seconds = now
            .timestamp()
            .try_into()
            .expect("the clock tells a time after 1970");
        Uuid::new_v7(Timestamp::from_unix(
            NoContext,
            seconds,
            now.timestamp_subsec_nanos(),
        ))
    }
}

/// A clock that many parts of a program share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        Utc::now()
    }
}
