//! Trying again what the database gave up through no fault of the caller's.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use platform::postgres::{is_conflict, is_dead_connection};

/// 5 ms, doubling, and up to as much again at random; three tries after the
/// first.
const WAITS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(5))
    .with_max_delay(Duration::from_millis(100))
    .with_max_times(3)
    .with_jitter();

/// Does some work of one transaction, and again when it lost against another
/// one or its connection was dead. Doing it twice must be the same as doing it
/// once: whether the first try was committed may be unknown.
///
/// # Errors
/// The last try's.
pub async fn persist<T, F>(work: impl FnMut() -> F) -> sqlx::Result<T>
where
    F: Future<Output = sqlx::Result<T>>,
{
    work.retry(WAITS)
        .when(|error| is_conflict(error) || is_dead_connection(error))
        .notify(|error, _| {
            tracing::debug!(%error, "trying a transaction again");
            metrics::counter!("store_retries_total", "store" => "accounts").increment(1);
        })
        .await
}
