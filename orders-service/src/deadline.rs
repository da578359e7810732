//! The time by which a call has to be answered.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::metadata::MetadataMap;

use crate::error::Error;

/// An instant after which nobody waits for the answer any more.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What the caller set, `longest` at most.
    ///
    /// # Errors
    /// [`Error::DeadlineRequired`] when the caller set none, or none that gRPC knows.
    pub fn of_call(metadata: &MetadataMap, longest: Duration) -> Result<Self, Error> {
        metadata
            .get("grpc-timeout")
            .and_then(|value| parse(value.to_str().ok()?))
            .map(|limit| Self::after(limit.min(longest)))
            .ok_or(Error::DeadlineRequired)
    }

    /// How long it is until then; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Waits for `work` until then, and drops it if it isn't done.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::DeadlinePassed`].
    pub async fn bound<T>(self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        timeout_at(self.0, work)
            .await
            .unwrap_or(Err(Error::DeadlinePassed))
    }
}

/// One to eight digits and a unit, as gRPC over HTTP/2 writes it.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_timeouts_as_grpc_writes_them_are_read() {
        let cases = [
            ("1H", Some(3_600_000)),
            ("2M", Some(120_000)),
            ("3S", Some(3_000)),
            ("250m", Some(250)),
            ("99999999u", Some(99_999)),
            ("5000000n", Some(5)),
            ("0m", Some(0)),
            ("", None),
            ("S", None),
            ("1", None),
            ("1x", None),
            ("-1S", None),
            ("+1S", None),
            ("123456789m", None),
            ("1.5S", None),
            ("1é", None),
        ];
        for (text, millis) in cases {
            let read = parse(text).map(|limit| limit.as_millis());
            assert_eq!(read, millis, "{text:?}");
        }
    }
}
