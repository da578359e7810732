//! More requests than can be answered: an open loop over many connections, of
//! which each answer is looked at.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    report,
    visitor::{Answer, Visitor},
};

/// What a step is left to settle, before anything counts.
const SETTLE: Duration = Duration::from_secs(2);
/// For what was sent last to be answered.
const GRACE: Duration = Duration::from_secs(2);
/// An answer is good within the budget of the home screen.
const BUDGET: Duration = Duration::from_secs(1);
/// The load is let go this often: finer would take more from the cores.
const TICK: Duration = Duration::from_millis(1);

/// Those who ask for the same, and how often a second together.
pub(crate) struct Lane {
    pub(crate) visitors: Vec<Visitor>,
    /// Requests a second.
    pub(crate) rate: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Good,
    /// Late, or not whole.
    Poor,
    Refused,
    /// Another status; none, when the connection broke.
    Failed(Option<u16>),
}

impl Outcome {
    fn of(answer: &Answer<'_>, took: Duration) -> Self {
        let refused = || {
            answer
                .body
                .windows(12)
                .any(|text| text == b"\"overloaded\"")
        };
        match answer.status {
            200 if took > BUDGET || answer.body.ends_with(b"\"complete\":false}") => Self::Poor,
            200 => Self::Good,
            503 if refused() => Self::Refused,
            status => Self::Failed(Some(status)),
        }
    }
}

/// What became of the requests of a lane.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) offered: f64,
    pub(crate) good: f64,
    poor: f64,
    refused: f64,
    /// How the others failed, and how many in all. What was never answered isn't there.
    failed: BTreeMap<Option<u16>, u64>,
    /// Sorted.
    good_after: Vec<Duration>,
    refused_after: Vec<Duration>,
}

/// Lets all lanes ask at once.
pub(crate) async fn flood(lanes: Vec<Lane>, time: Duration) -> anyhow::Result<Vec<Tally>> {
    let start = Instant::now();
    let (mut loops, mut pacing) = (JoinSet::new(), Vec::new());
    for (number, lane) in lanes.into_iter().enumerate() {
        let due = Arc::new(Semaphore::new(0));
        let next = Arc::new(AtomicU64::new(0));
        pacing.push((lane.rate, due.clone(), 0));
        for visitor in lane.visitors {
            let asking = ask(visitor, due.clone(), next.clone(), start, lane.rate);
            loops.spawn(async move { (number, asking.await) });
        }
    }
    let mut tick = tokio::time::interval(TICK);
    while start.elapsed() < SETTLE + time {
        tick.tick().await;
        let elapsed = start.elapsed().as_secs_f64();
        for (rate, due, sent) in &mut pacing {
            let by_now = (elapsed * *rate) as usize;
            due.add_permits(by_now - *sent);
            *sent = by_now;
        }
    }
    pacing.iter().for_each(|(_, due, _)| due.close());

    let seconds = time.as_secs_f64();
    let mut tallies: Vec<Tally> = pacing
        .iter()
        .map(|(rate, ..)| Tally {
            offered: *rate,
            ..Tally::default()
        })
        .collect();
    let counted = SETTLE.as_secs_f64()..(SETTLE + time).as_secs_f64();
    let ends = tokio::time::Instant::now() + GRACE;
    while let Ok(Some(ended)) = tokio::time::timeout_at(ends, loops.join_next()).await {
        let (number, records) = ended?;
        let tally = &mut tallies[number];
        let records = records.into_iter();
        for (_, took, outcome) in records.filter(|(due, ..)| counted.contains(&due.as_secs_f64())) {
            match outcome {
                Outcome::Good => {
                    tally.good += 1.0 / seconds;
                    tally.good_after.push(took);
                }
                Outcome::Refused => {
                    tally.refused += 1.0 / seconds;
                    tally.refused_after.push(took);
                }
                Outcome::Poor => tally.poor += 1.0 / seconds,
                Outcome::Failed(status) => *tally.failed.entry(status).or_default() += 1,
            }
        }
    }
    for tally in &mut tallies {
        tally.good_after.sort_unstable();
        tally.refused_after.sort_unstable();
    }
    Ok(tallies)
}

/// Asks whenever something is due, and returns when each was, how long it took
/// from then, and what came of it.
async fn ask(
    mut visitor: Visitor,
    due: Arc<Semaphore>,
    next: Arc<AtomicU64>,
    start: Instant,
    rate: f64,
) -> Vec<(Duration, Duration, Outcome)> {
    let mut records = Vec::new();
    while let Ok(permit) = due.acquire().await {
        permit.forget();
        let at = Duration::from_secs_f64(next.fetch_add(1, Relaxed) as f64 / rate);
        let took = || start.elapsed().saturating_sub(at);
        let outcome = match visitor.ask().await {
            Ok(answer) => Outcome::of(&answer, took()),
            Err(_) => Outcome::Failed(None),
        };
        records.push((at, took(), outcome));
        if matches!(outcome, Outcome::Failed(_)) && visitor.connect_again().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    records
}

impl Tally {
    pub(crate) fn row(&self, name: &str) -> String {
        let percent = |rate: f64| rate * 100.0 / self.offered;
        let failed = (self.offered - self.good - self.poor - self.refused).max(0.0);
        let most = self.failed.iter().max_by_key(|(_, count)| **count);
        let most = most.and_then(|(status, _)| *status);
        let mostly = most.map_or_else(String::new, |status| format!(", mostly {status}"));
        let [good, refused] = [&self.good_after, &self.refused_after];
        let within = |sorted, share| report::millis(report::quantile(sorted, share));
        format!(
            "| {name} | {:.0} | {:.0} | {:.1} % | {:.1} % | {:.1} % | {:.1} %{mostly} | {} | {} | {} | {} |",
            self.offered,
            self.good,
            percent(self.good),
            percent(self.poor),
            percent(self.refused),
            percent(failed),
            within(good, 0.5),
            within(good, 0.99),
            within(refused, 0.5),
            within(refused, 0.99),
        )
    }
}
