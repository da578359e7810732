//! What is left when everyone has gone: nothing.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

/// How long everything has to come to rest: longer than the longest pause
/// between two probes of a circuit.
const LIMIT: Duration = Duration::from_secs(120);

/// Gauges that are nought at rest, of whichever program tells of them.
const NOUGHT: [&str; 8] = [
    "http_requests_in_flight",
    "upstream_in_flight",
    "upstream_waiting",
    "upstream_breaker_state",
    "event_streams_open",
    r#"postgres_pool_connections{pool="#,
    "postgres_pool_waiting",
    "outbox_unpublished",
];

const WAITED: &str = "postgres_pool_wait_seconds";
const TASKS: &str = "tokio_alive_tasks";

/// Seconds that a connection of a pool at rest may be waited for: the alarm's bound.
const WAIT: f64 = 0.1;

/// Tasks that there may be beyond those before the guests: connections that are kept,
/// of guests and of pools that have filled meanwhile.
const MORE_TASKS: f64 = 80.0;

/// A program's name, and the metrics that it tells.
pub(crate) type Told = (&'static str, String);

/// Waits until the metrics of all programs show that nothing is under way, nobody waits
/// for a pool, every circuit is closed, and there are no more tasks than in those of
/// `before`. `ask` brings them, and asks for something before, so that circuits find
/// out.
pub(crate) async fn reached(
    before: &[Told],
    mut ask: impl AsyncFnMut() -> anyhow::Result<Vec<Told>>,
) -> anyhow::Result<()> {
    let most = before.iter().map(|(of, metrics)| {
        let tasks = tasks(metrics).with_context(|| format!("{of} tells of no tasks"))?;
        Ok(tasks + MORE_TASKS)
    });
    let most: Vec<f64> = most.collect::<anyhow::Result<_>>()?;
    let began = Instant::now();
    loop {
        let told = ask().await?;
        let mut each = told.iter().zip(&most);
        let found = each.find_map(|((of, metrics), most)| Some((of, busy(metrics, *most)?)));
        let Some((of, busy)) = found else {
            return each_is_told(&told);
        };
        anyhow::ensure!(began.elapsed() < LIMIT, "not at rest: {of}: {busy}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// A gauge that nobody tells of would be at rest whatever happens.
fn each_is_told(told: &[Told]) -> anyhow::Result<()> {
    for nought in NOUGHT.iter().chain([&WAITED, &TASKS]) {
        let mut lines = told.iter().flat_map(|(_, metrics)| metrics.lines());
        let is_told = lines.any(|line| line.starts_with(nought));
        anyhow::ensure!(is_told, "no program tells of {nought}");
    }
    Ok(())
}

/// A gauge that isn't as it is at rest, as it stands in the metrics.
fn busy(metrics: &str, most_tasks: f64) -> Option<&str> {
    metrics.lines().find(|line| {
        let Some((name, value)) = gauge(line) else {
            return false;
        };
        if name.starts_with(WAITED) {
            return value > WAIT;
        }
        if name == TASKS {
            return value > most_tasks;
        }
        let is_nought = NOUGHT.iter().any(|nought| name.starts_with(nought));
        is_nought && !name.contains(r#"state="idle""#) && value != 0.0
    })
}

/// How many tasks there were.
fn tasks(metrics: &str) -> Option<f64> {
    let mut gauges = metrics.lines().filter_map(gauge);
    Some(gauges.find(|(name, _)| *name == TASKS)?.1)
}

/// The name and labels of what a line tells, and its value.
fn gauge(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.rsplit_once(' ')?;
    Some((name, value.parse().ok()?))
}
