//! Keeping something going while what it needs comes and goes.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::FutureExt as _;
use tokio::time::MissedTickBehavior;

use crate::shutdown::Lifetime;

/// A session that lasted this long was a success: the next failure is a new
/// one, and its first wait is short again.
const SETTLED: Duration = Duration::from_secs(10);

/// 50 ms, doubling to 1.5 s, and up to as much again at random: a server that
/// returns isn't met by everyone at once, and nobody waits long for it.
const WAITS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_delay(Duration::from_millis(1_500))
    .without_max_times()
    .with_jitter();

/// Runs `session` again and again until the process ends. A session ends when
/// what it depends on goes away; it has to watch `lifetime` itself, so that it
/// can finish what it is doing. A panic is a failure like others.
///
/// The first failure in a row is logged as a warning, the repeats at debug level.
pub async fn keep_going<F, Fut>(name: &str, lifetime: &Lifetime, mut session: F)
where
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let mut waits = WAITS.build();
    let mut failing = false;
    while !lifetime.is_stopping() {
        let began = Instant::now();
        let outcome = AssertUnwindSafe(async { session().await })
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
        if began.elapsed() >= SETTLED {
            waits = WAITS.build();
            failing = false;
        }
        match outcome {
            Ok(()) => {}
            Err(error) if failing => {
                tracing::debug!(name, error = %format!("{error:#}"), "still failing")
            }
            Err(error) => {
                tracing::warn!(name, error = %format!("{error:#}"), "failed; trying again until it works");
                failing = true;
            }
        }
        let wait = waits.next().unwrap_or(SETTLED);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = lifetime.stopping() => {}
        }
    }
}

/// Does some work now, and again every so often, until the process ends; what failed, a
/// little later. Work that was begun isn't cut short: it has to end by itself.
pub async fn now_and_then<F, Fut, E>(name: &str, every: Duration, lifetime: &Lifetime, work: F)
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<anyhow::Error>,
{
    keep_going(name, lifetime, || async {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = lifetime.stopping() => return Ok(()),
                _ = tick.tick() => {}
            }
            work().await.map_err(Into::into)?;
        }
    })
    .await;
}
