use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{Instant, timeout_at};

use super::CallError;

/// The instant by which an answer has to be there.
///
/// It is a point in time, not a span, so that waiting in one place leaves less
/// for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    at: Instant,
    hurried: bool,
}

impl Deadline {
    /// So far from now.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self {
            at: Instant::now() + limit,
            hurried: false,
        }
    }

    /// So far from now, or sooner when the client asks for that.
    #[must_use]
    pub fn asked(asked: Option<Duration>, limit: Duration) -> Self {
        let asked = asked.unwrap_or(limit).min(limit);
        Self {
            hurried: asked < limit / 2,
            ..Self::within(asked)
        }
    }

    /// Whether the client gave less than half of the time that there usually is:
    /// that it wasn't enough is no fault of those who were called.
    #[must_use]
    pub const fn is_hurried(self) -> bool {
        self.hurried
    }

    /// What is left; nothing once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The deadline of one part of the work: `cap` from now, and in any case
    /// `reserve` before the whole has to be done.
    #[must_use]
    pub fn part(self, cap: Duration, reserve: Duration) -> Self {
        Self {
            hurried: self.hurried,
            ..Self::within(cap.min(self.remaining().saturating_sub(reserve)))
        }
    }

    /// Does some work until the deadline; then the work is dropped.
    ///
    /// # Errors
    /// The work's own, or [`CallError::DeadlineExceeded`].
    pub fn limit<T>(
        self,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> impl Future<Output = Result<T, CallError>> {
        let limited = timeout_at(self.at, work);
        limited.map(|done| done.unwrap_or(Err(CallError::DeadlineExceeded)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[tokio::test(start_paused = true)]
    async fn a_part_gets_its_cap_or_what_is_left_less_the_reserve() {
        let whole = Deadline::within(MS(1_000));
        assert_eq!(whole.part(MS(400), MS(50)).remaining(), MS(400));
        tokio::time::advance(MS(800)).await;
        assert_eq!(whole.part(MS(400), MS(50)).remaining(), MS(150));
        tokio::time::advance(MS(190)).await;
        assert_eq!(whole.part(MS(400), MS(50)).remaining(), MS(0));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_ready_counts_even_when_nothing_is_left() {
        let passed = Deadline::within(MS(0));
        assert!(passed.limit(async { Ok(1) }).await.is_ok());
        let never = passed.limit(std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(never, Err(CallError::DeadlineExceeded)));
    }
}
