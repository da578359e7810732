//! The home screen while the orders service is gone, or hangs: from the edge
//! without its cache, and from everything that might be there instead.
//!
//! Everyone asks again as soon as there is an answer, before the fault, from its
//! beginning, and until everything is there again. An answer is whole, or lacks
//! parts, or is none.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{
    peers::Peers,
    persistent::{Load, Spell},
    report,
    stand::Stand,
    subject::Subject,
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
