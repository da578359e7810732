//! Everyone asking again and again, whatever comes of it, and what came of it in
//! a time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use tokio::task::JoinSet;

use super::{
    report,
    visitor::{Answer, Visitor},
};

/// How long nobody waits for an answer any longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Everything is back when no answer has lacked anything for so long.
const CALM: Duration = Duration::from_millis(500);
/// How long that may take.
const BACK_LIMIT: Duration = Duration::from_secs(60);
/// More bytes than the report of a home screen's parts has.
const REPORT: usize = 1_024;
/// What it says of a part that couldn't be had.
const MISSING: &[u8] = b"\"status\":\"unavailable\"";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Whole,
    Partial,
    Failed,
}

impl Outcome {
    fn of(answer: &Answer<'_>) -> Self {
        // At the end it says how each part came out. What is a moment too old is being
        // fetched anew, as at any other time.
        let end = &answer.body[answer.body.len().saturating_sub(REPORT)..];
        let lacks = || end.windows(MISSING.len()).any(|some| some == MISSING);
        match answer.status {
            200 if end.ends_with(b"\"complete\":true}") || !lacks() => Self::Whole,
            200 => Self::Partial,
            _ => Self::Failed,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Record {
    at: Instant,
    took: Duration,
    outcome: Outcome,
}

/// Everyone asking.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    records: Arc<Mutex<Vec<Record>>>,
    loops: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(visitors: Vec<Visitor>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let records = Arc::new(Mutex::new(Vec::new()));
        let mut loops = JoinSet::new();
        for mut visitor in visitors {
            let (over, records) = (over.clone(), records.clone());
            loops.spawn(async move {
                while !over.load(Relaxed) {
                    let began = Instant::now();
                    let asked = tokio::time::timeout(PATIENCE, visitor.ask()).await;
                    let outcome = match &asked {
                        Ok(Ok(answer)) => Outcome::of(answer),
                        _ => Outcome::Failed,
                    };
                    let record = Record {
                        at: Instant::now(),
                        took: began.elapsed(),
                        outcome,
                    };
                    let there = matches!(asked, Ok(Ok(_)));
                    records
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(record);
                    if !there && visitor.connect_again().await.is_err() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            });
        }
        Self {
            over,
            records,
            loops,
        }
    }

    /// What was answered from then on, for so long.
    pub(crate) async fn during(&self, time: Duration) -> Spell {
        let began = Instant::now();
        tokio::time::sleep(time).await;
        let took = began.elapsed();
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Spell::of(records.iter().filter(|record| record.at >= began), took)
    }

    /// How long after `healed` the last answer came that lacked anything.
    pub(crate) async fn back(&self, healed: Instant) -> anyhow::Result<Duration> {
        loop {
            tokio::time::sleep(CALM / 10).await;
            let last = {
                let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
                let bad = records
                    .iter()
                    .filter(|record| record.outcome != Outcome::Whole);
                bad.map(|record| record.at)
                    .max()
                    .unwrap_or(healed)
                    .max(healed)
            };
            if last.elapsed() > CALM {
                return Ok(last - healed);
            }
            ensure!(healed.elapsed() < BACK_LIMIT, "it never came back");
        }
    }

    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.over.store(true, Relaxed);
        while let Some(ended) = self.loops.join_next().await {
            ended?;
        }
        Ok(())
    }
}

/// The answers of some time.
#[derive(Debug)]
pub(crate) struct Spell {
    pub(crate) per_second: f64,
    sorted: Vec<Duration>,
    outcomes: BTreeMap<Outcome, usize>,
}

impl Spell {
    fn of<'a>(records: impl Iterator<Item = &'a Record>, took: Duration) -> Self {
        let (mut sorted, mut outcomes) = (Vec::new(), BTreeMap::new());
        for record in records {
            sorted.push(record.took);
            *outcomes.entry(record.outcome).or_default() += 1;
        }
        sorted.sort_unstable();
        Self {
            per_second: sorted.len() as f64 / took.as_secs_f64(),
            sorted,
            outcomes,
        }
    }

    pub(crate) fn within(&self, share: f64) -> Duration {
        report::quantile(&self.sorted, share)
    }

    /// Answers a second that were of use, whole or not.
    pub(crate) fn served_per_second(&self) -> f64 {
        self.per_second * (1.0 - self.share(Outcome::Failed))
    }

    fn share(&self, outcome: Outcome) -> f64 {
        let count = self.outcomes.get(&outcome).copied().unwrap_or_default();
        count as f64 / self.sorted.len().max(1) as f64
    }

    pub(crate) fn shares(&self) -> String {
        let [whole, partial, failed] = [Outcome::Whole, Outcome::Partial, Outcome::Failed]
            .map(|outcome| self.share(outcome) * 100.0);
        format!("{whole:.0} / {partial:.0} / {failed:.0} %")
    }
}
