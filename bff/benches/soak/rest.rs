//! What is left when everyone has gone: nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long everything has to come to rest: longer than the longest pause
/// between two probes of a circuit.
const LIMIT: Duration = Duration::from_secs(120);

/// Gauges of the edge that are nought at rest.
const NOUGHT: [&str; 6] = [
    "http_requests_in_flight",
    "upstream_in_flight",
    "upstream_waiting",
    "upstream_breaker_state",
    "event_streams_open",
    r#"postgres_pool_connections{pool="#,
];

/// Waits until the metrics show that nothing is under way and every circuit is
/// closed. `ask` brings them, and asks for something before, so that circuits
/// find out.
pub(crate) async fn reached(
    mut ask: impl AsyncFnMut() -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let metrics = ask().await?;
        let Some(busy) = busy(&metrics) else {
            return Ok(());
        };
        anyhow::ensure!(began.elapsed() < LIMIT, "not at rest: {busy}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// A gauge that isn't nought, as it stands in the metrics.
fn busy(metrics: &str) -> Option<&str> {
    metrics.lines().find(|line| {
        let is_gauge = NOUGHT.iter().any(|name| line.starts_with(name));
        is_gauge && !line.contains(r#"state="idle""#) && !line.ends_with(" 0")
    })
}
