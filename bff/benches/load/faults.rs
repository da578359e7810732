//! The home screen while the orders service is gone, or hangs: from the edge
//! without its cache, and from everything that might be there instead.
//!
//! Everyone asks again as soon as there is an answer, before the fault, from its
//! beginning, and until everything is there again. An answer is whole, or lacks
//! parts, or is none.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use super::{
    peers::Peers,
    plan::Subject,
    report,
    stand::Stand,
    visitor::{Answer, Visitor},
};

/// Who is asked.
const SUBJECTS: [Subject; 4] = [
    Subject::HomeUncached,
    Subject::FanOut,
    Subject::Fastify,
    Subject::Nginx,
];

const WARM_UP: Duration = Duration::from_secs(1);
/// Time enough to notice a fault; it is looked at on its own.
const FIRST: Duration = Duration::from_secs(2);
/// How long nobody waits for an answer any longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Everything is back when no answer has lacked anything for so long.
const CALM: Duration = Duration::from_millis(500);
/// How long that may take.
const BACK_LIMIT: Duration = Duration::from_secs(60);

/// What becomes of the orders service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Killed,
    Hung,
}

impl Fault {
    const ALL: [Self; 2] = [Self::Killed, Self::Hung];

    const fn name(self) -> &'static str {
        match self {
            Self::Killed => "orders killed",
            Self::Hung => "orders hung",
        }
    }

    fn begin(self, stand: &mut Stand) -> anyhow::Result<()> {
        match self {
            Self::Killed => stand.orders.kill(),
            Self::Hung => stand.orders.stop(),
        }
    }

    async fn end(self, stand: &mut Stand) -> anyhow::Result<()> {
        match self {
            Self::Killed => {
                stand.orders.start_again()?;
                stand.orders.ready(stand.directory.path()).await
            }
            Self::Hung => stand.orders.cont(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Whole,
    Partial,
    Failed,
}

impl Outcome {
    fn of(answer: &Answer<'_>) -> Self {
        match answer.status {
            200 if answer.body.ends_with(b"\"complete\":true}") => Self::Whole,
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
struct Load {
    over: Arc<AtomicBool>,
    records: Arc<Mutex<Vec<Record>>>,
    loops: JoinSet<()>,
}

impl Load {
    fn start(visitors: Vec<Visitor>) -> Self {
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
    async fn during(&self, time: Duration) -> Spell {
        let began = Instant::now();
        tokio::time::sleep(time).await;
        let took = began.elapsed();
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Spell::of(records.iter().filter(|record| record.at >= began), took)
    }

    /// How long after `healed` the last answer came that lacked anything.
    async fn back(&self, healed: Instant) -> anyhow::Result<Duration> {
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

    async fn end(mut self) -> anyhow::Result<()> {
        self.over.store(true, Relaxed);
        while let Some(ended) = self.loops.join_next().await {
            ended?;
        }
        Ok(())
    }
}

/// The answers of some time.
#[derive(Debug)]
struct Spell {
    per_second: f64,
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

    fn within(&self, share: f64) -> Duration {
        report::quantile(&self.sorted, share)
    }

    fn shares(&self) -> String {
        let share = |outcome| {
            let count = self.outcomes.get(&outcome).copied().unwrap_or_default();
            count as f64 * 100.0 / self.sorted.len().max(1) as f64
        };
        let [whole, partial, failed] =
            [Outcome::Whole, Outcome::Partial, Outcome::Failed].map(share);
        format!("{whole:.0} / {partial:.0} / {failed:.0} %")
    }
}

/// What a fault did to one that was asked.
#[derive(Debug)]
struct Suffered {
    fault: Fault,
    subject: Subject,
    before: Spell,
    first: Spell,
    then: Spell,
    back: Duration,
}

/// What all faults did to all.
#[derive(Debug)]
pub(crate) struct Faults(Vec<Suffered>);

/// Each fault for each in turn.
pub(crate) async fn measure(
    stand: &mut Stand,
    peers: &Peers,
    time: Duration,
) -> anyhow::Result<Faults> {
    let mut all = Vec::new();
    for fault in Fault::ALL {
        for subject in SUBJECTS {
            let Ok(programs) = subject.programs(stand, Some(peers)) else {
                continue;
            };
            report::progress(&format!("{}, {}", subject.name(), fault.name()));
            let address = programs[0].address;
            let load = Load::start(subject.visitors(stand, address).await?);
            load.during(WARM_UP).await;
            let before = load.during(time).await;
            fault.begin(stand)?;
            let first = load.during(FIRST).await;
            let then = load.during(time).await;
            fault.end(stand).await?;
            let back = load.back(Instant::now()).await;
            let back = back.with_context(|| format!("{}, {}", subject.name(), fault.name()))?;
            load.end().await?;
            all.push(Suffered {
                fault,
                subject,
                before,
                first,
                then,
                back,
            });
        }
    }
    Ok(Faults(all))
}

impl Faults {
    /// A table of its own.
    pub(crate) fn table(&self) -> Vec<String> {
        let mut lines = vec![
            "| | before: requests/s | first 2 s: whole / partial / failed | p99 | then: requests/s | whole / partial / failed | p50 | p99 | p99.9 | whole again after |".to_owned(),
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
        ];
        lines.extend(self.0.iter().map(|one| {
            format!(
                "| {}: {} | {:.0} | {} | {} | {:.0} | {} | {} | {} | {} | {} |",
                one.fault.name(),
                one.subject.name(),
                one.before.per_second,
                one.first.shares(),
                report::millis(one.first.within(0.99)),
                one.then.per_second,
                one.then.shares(),
                report::millis(one.then.within(0.50)),
                report::millis(one.then.within(0.99)),
                report::millis(one.then.within(0.999)),
                report::millis(one.back),
            )
        }));
        lines.push(String::new());
        lines
    }

    /// What the edge is to reach.
    pub(crate) fn rows(&self) -> Vec<String> {
        let ours = self
            .0
            .iter()
            .filter(|one| one.subject == Subject::HomeUncached);
        let rows = ours.flat_map(|one| {
            let name = format!("{}, {}", one.subject.name(), one.fault.name());
            let share = one.then.per_second / one.before.per_second;
            let slowest = one.first.within(0.99);
            [
                report::row(
                    &format!("{name}, its circuit open, of before"),
                    "≥ 90 %",
                    &format!("{:.0} %", share * 100.0),
                    Some(share >= 0.9),
                ),
                report::row(
                    &format!("p99 of {name}, in the first 2 s"),
                    "≤ 1000 ms",
                    &report::millis(slowest),
                    Some(slowest <= Duration::from_secs(1)),
                ),
            ]
        });
        rows.collect()
    }
}
