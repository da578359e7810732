//! The home screen while the orders service is gone, or hangs: from the edge
//! without its cache, and from everything that might be there instead. And while
//! Redis hangs, which only the edge asks.
//!
//! Everyone asks again as soon as there is an answer, before the fault, from its
//! beginning, and until everything is there again. An answer is whole, or lacks
//! parts, or is none. How long answers take is found out by an open loop at half of
//! what was possible before, then and during the fault.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{
    generator::{self, Latencies},
    peers::Peers,
    persistent::{Load, Spell},
    report,
    stand::Stand,
    subject::Subject,
};

const WARM_UP: Duration = Duration::from_secs(1);
/// Time enough to notice a fault; it is looked at on its own.
const FIRST: Duration = Duration::from_secs(2);
/// Nobody asks Redis before the leases of all users have ended, and so doesn't notice.
const LEASES: Duration = Duration::from_secs(7);

/// What becomes of the orders service, or of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    OrdersKilled,
    OrdersHung,
    RedisHung,
}

impl Fault {
    const ALL: [Self; 3] = [Self::OrdersKilled, Self::OrdersHung, Self::RedisHung];

    const fn name(self) -> &'static str {
        match self {
            Self::OrdersKilled => "orders killed",
            Self::OrdersHung => "orders hung",
            Self::RedisHung => "Redis hung",
        }
    }

    /// Who is asked: who needs what is at fault.
    const fn subjects(self) -> &'static [Subject] {
        use Subject::{FanOut, Fastify, HomeCached, HomeUncached, Nginx};
        match self {
            Self::OrdersKilled | Self::OrdersHung => &[HomeUncached, FanOut, Fastify, Nginx],
            Self::RedisHung => &[HomeCached, HomeUncached],
        }
    }

    fn begin(self, stand: &mut Stand) -> anyhow::Result<()> {
        match self {
            Self::OrdersKilled => stand.orders.kill()?,
            Self::OrdersHung => stand.orders.stop()?,
            Self::RedisHung => stand.redis().stop(),
        }
        Ok(())
    }

    async fn end(self, stand: &mut Stand) -> anyhow::Result<()> {
        match self {
            Self::OrdersKilled => {
                stand.orders.start_again()?;
                stand.orders.ready(stand.directory.path()).await?;
            }
            Self::OrdersHung => stand.orders.cont()?,
            Self::RedisHung => stand.redis().cont(),
        }
        Ok(())
    }
}

/// What a fault did to one that was asked.
#[derive(Debug)]
struct Suffered {
    fault: Fault,
    subject: Subject,
    before: Spell,
    /// At half of that, once for each round.
    usually: Vec<Latencies>,
    first: Spell,
    then: Spell,
    /// Of its programs for each of these, in microseconds.
    cpu: f64,
    /// As `usually`; empty for one that hung up on those who asked.
    meanwhile: Vec<Latencies>,
    /// Of its programs, in bytes.
    memory: u64,
    back: Duration,
}

/// What all faults did to all.
#[derive(Debug)]
pub(crate) struct Faults(Vec<Suffered>);

/// Each fault for each in turn.
pub(crate) async fn measure(
    stand: &mut Stand,
    peers: &Peers,
    rounds: usize,
    time: Duration,
) -> anyhow::Result<Faults> {
    let mut all = Vec::new();
    for fault in Fault::ALL {
        for &subject in fault.subjects() {
            if subject.programs(stand, Some(peers)).is_err() {
                continue;
            }
            let name = format!("{}, {}", subject.name(), fault.name());
            report::progress(&name);
            all.push(
                suffer(stand, peers, rounds, time, fault, subject)
                    .await
                    .context(name)?,
            );
        }
    }
    Ok(Faults(all))
}

async fn suffer(
    stand: &mut Stand,
    peers: &Peers,
    rounds: usize,
    time: Duration,
    fault: Fault,
    subject: Subject,
) -> anyhow::Result<Suffered> {
    let programs = |stand: &Stand| -> anyhow::Result<(SocketAddr, Duration, u64)> {
        let programs = subject.programs(stand, Some(peers));
        let programs = programs.map_err(|reason| anyhow::anyhow!("{reason}"))?;
        let (mut cpu, mut memory) = (Duration::ZERO, 0);
        for program in &programs {
            cpu += program.cpu()?;
            memory += program.memory()?.now;
        }
        Ok((programs[0].address, cpu, memory))
    };
    let (address, ..) = programs(stand)?;
    let load = Load::start(subject.visitors(stand, address).await?);
    load.during(WARM_UP).await;
    let before = load.during(time).await;
    load.end().await?;
    let half = before.per_second / 2.0;
    let mut usually = Vec::new();
    for _ in 0..rounds {
        let visitors = subject.visitors(stand, address).await?;
        usually.push(generator::open(visitors, half, 200, time).await?);
    }

    let load = Load::start(subject.visitors(stand, address).await?);
    load.during(WARM_UP).await;
    fault.begin(stand)?;
    if fault == Fault::RedisHung {
        load.during(LEASES).await;
    }
    let first = load.during(FIRST).await;
    let (_, cpu_before, _) = programs(stand)?;
    let then = load.during(time).await;
    let (_, cpu_after, _) = programs(stand)?;
    load.end().await?;
    let mut meanwhile = Vec::new();
    for _ in 0..rounds {
        let visitors = subject.visitors(stand, address).await?;
        meanwhile.extend(generator::open(visitors, half, 200, time).await);
    }
    let (.., memory) = programs(stand)?;

    let load = Load::start(subject.visitors(stand, address).await?);
    fault.end(stand).await?;
    let back = load.back(Instant::now()).await?;
    load.end().await?;
    let answers = then.per_second * time.as_secs_f64();
    Ok(Suffered {
        fault,
        subject,
        before,
        usually,
        first,
        cpu: (cpu_after - cpu_before).as_secs_f64() * 1e6 / answers.max(1.0),
        then,
        meanwhile,
        memory,
        back,
    })
}

impl Faults {
    /// A table of its own.
    pub(crate) fn table(&self) -> Vec<String> {
        let mut lines = vec![
            "| | before: requests/s | at half of that: p99 | first 2 s: whole / partial / failed | slowest | then: requests/s | CPU µs each | whole / partial / failed | at half of before: p50 | p99 | p99.9 | memory | whole again after |".to_owned(),
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
        ];
        lines.extend(self.0.iter().map(|one| {
            let within = |share| match &one.meanwhile[..] {
                [] => "hung up".to_owned(),
                meanwhile => report::millis(generator::within(meanwhile, share)),
            };
            format!(
                "| {}: {} | {:.0} | {} | {} | {} | {:.0} | {:.0} | {} | {} | {} | {} | {} MiB | {} |",
                one.fault.name(),
                one.subject.name(),
                one.before.per_second,
                report::millis(generator::within(&one.usually, 0.99)),
                one.first.shares(),
                report::millis(one.first.within(1.0)),
                one.then.per_second,
                one.cpu,
                one.then.shares(),
                within(0.50),
                within(0.99),
                within(0.999),
                one.memory / report::MEBIBYTE,
                report::millis(one.back),
            )
        }));
        lines.push(String::new());
        lines
    }

    /// What the edge is to reach.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.0.iter().flat_map(Suffered::rows).collect()
    }
}

impl Suffered {
    fn rows(&self) -> Vec<String> {
        let name = format!("{}, {}", self.subject.name(), self.fault.name());
        // What comes soon and is of no use reaches nothing.
        let nobody_failed = self.meanwhile.iter().all(|now| now.failed == 0);
        let all_served = nobody_failed && self.meanwhile.len() == self.usually.len();
        match (self.subject, self.fault) {
            (_, Fault::RedisHung) => {
                let [usual, now] =
                    [&self.usually, &self.meanwhile].map(|rounds| generator::within(rounds, 0.99));
                let worse = now.saturating_sub(usual);
                vec![report::row(
                    &format!("p99 of {name}, its circuits open, more than before"),
                    "≤ 5 ms",
                    &report::millis(worse),
                    Some(all_served && worse <= Duration::from_millis(5)),
                )]
            }
            (Subject::HomeUncached, _) => {
                let share = self.then.served_per_second() / self.before.served_per_second();
                // Whoever came before the circuit was open, or was its probe.
                let slowest = self.first.within(1.0).max(self.then.within(1.0));
                vec![
                    report::row(
                        &format!("{name}, its circuit open, of before"),
                        "≥ 90 %",
                        &format!("{:.0} %", share * 100.0),
                        Some(all_served && share >= 0.9),
                    ),
                    report::row(
                        &format!("the slowest of {name}"),
                        "≤ 1000 ms",
                        &report::millis(slowest),
                        Some(slowest <= Duration::from_secs(1)),
                    ),
                ]
            }
            _ => Vec::new(),
        }
    }
}
