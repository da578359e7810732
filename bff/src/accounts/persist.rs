//! Trying again what the database gave up through no fault of the caller's.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use platform::postgres::{is_conflict, is_dead_connection};
use sqlx::PgPool;

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
pub async fn persist<T, F>(pool: &PgPool, mut work: impl FnMut() -> F) -> sqlx::Result<T>
where
    F: Future<Output = sqlx::Result<T>>,
{
    let mut waits = WAITS.build();
    // After the server was restarted every idle connection is dead, and shows it at
    // its first use, unless that begins a transaction. One caller may meet them all.
    let mut idle = pool.options().get_max_connections();
    loop {
        let error = match work().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let wait = if is_dead_connection(&error) && idle > 0 {
            idle -= 1;
            Some(Duration::ZERO)
        } else {
            waits.next().filter(|_| is_conflict(&error))
        };
        let Some(wait) = wait else { return Err(error) };
        tracing::debug!(%error, "trying a transaction again");
        metrics::counter!("store_retries_total", "store" => "accounts").increment(1);
        tokio::time::sleep(wait).await;
    }
}
