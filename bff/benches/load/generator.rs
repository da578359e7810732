//! The load. A closed loop finds out how much is possible: every visitor asks
//! again as soon as it has its answer. An open loop finds out how long answers
//! take: requests come at their time whether or not the ones before are
//! answered, and each is timed from when it should have been sent, so that a
//! pause of the server counts against every request that it delays.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{process::Process, report, visitor::Visitor};

/// Requests that one open loop sends at most.
const MOST_REQUESTS: f64 = 1_000_000.0;

/// What a closed loop found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throughput {
    pub(crate) per_second: f64,
    /// Processor time of the program for each request, in microseconds.
    pub(crate) cpu_micros: f64,
    /// That of the programs that it can't do without.
    pub(crate) helpers_cpu_micros: f64,
    /// Answers with another status than expected.
    pub(crate) failed: u64,
}

/// Asks as fast as answers come, and counts after a while of warming up. The
/// first program is asked; the others help it.
pub(crate) async fn closed(
    visitors: Vec<Visitor>,
    programs: &[&Process],
    expected: u16,
    warm_up: Duration,
    time: Duration,
) -> anyhow::Result<Throughput> {
    let answers = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let mut loops = JoinSet::new();
    for mut visitor in visitors {
        let (answers, failed, over) = (answers.clone(), failed.clone(), over.clone());
        loops.spawn(async move {
            while !over.load(Relaxed) {
                if visitor.ask().await?.status != expected {
                    failed.fetch_add(1, Relaxed);
                }
                answers.fetch_add(1, Relaxed);
            }
            anyhow::Ok(())
        });
    }
    tokio::time::sleep(warm_up).await;
    let cpu =
        || -> anyhow::Result<Vec<Duration>> { programs.iter().map(|one| one.cpu()).collect() };
    let (before, failed_before) = (answers.load(Relaxed), failed.load(Relaxed));
    let (cpu_before, began) = (cpu()?, Instant::now());
    tokio::time::sleep(time).await;
    let (count, cpu, took) = (answers.load(Relaxed) - before, cpu()?, began.elapsed());
    over.store(true, Relaxed);
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    let count = count as f64;
    let mut micros = cpu
        .iter()
        .zip(cpu_before)
        .map(|(after, before)| (*after - before).as_secs_f64() * 1e6 / count.max(1.0));
    Ok(Throughput {
        per_second: count / took.as_secs_f64(),
        cpu_micros: micros.next().unwrap_or_default(),
        helpers_cpu_micros: micros.sum(),
        failed: failed.load(Relaxed) - failed_before,
    })
}

/// What an open loop found: how long each request took, sorted.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    sorted: Vec<Duration>,
    pub(crate) failed: u64,
}

impl Latencies {
    /// The latency that this share of the requests stayed within.
    pub(crate) fn within(&self, share: f64) -> Duration {
        report::quantile(&self.sorted, share)
    }
}

/// The latency that this share stayed within in the middle one of these.
pub(crate) fn within(rounds: &[Latencies], share: f64) -> Duration {
    let mut times: Vec<Duration> = rounds.iter().map(|round| round.within(share)).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Sends `rate` requests a second for some time, after one of each visitor: what
/// was kept for them may have ended while others were measured.
pub(crate) async fn open(
    mut visitors: Vec<Visitor>,
    rate: f64,
    expected: u16,
    time: Duration,
) -> anyhow::Result<Latencies> {
    let count = (rate * time.as_secs_f64()).min(MOST_REQUESTS) as u64;
    let first = visitors.iter_mut().map(Visitor::ask);
    futures::future::try_join_all(first).await?;
    let due = Arc::new(Semaphore::new(0));
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut loops = JoinSet::new();
    for mut visitor in visitors {
        let (due, next) = (due.clone(), next.clone());
        loops.spawn(async move {
            let (mut times, mut failed) = (Vec::new(), 0_u64);
            // Closed once everything was sent.
            while let Ok(permit) = due.acquire().await {
                permit.forget();
                let at = start + moment(next.fetch_add(1, Relaxed), rate);
                failed += u64::from(visitor.ask().await?.status != expected);
                times.push(at.elapsed());
            }
            anyhow::Ok((times, failed))
        });
    }
    let give_up = time * 3;
    let pacer = tokio::task::spawn_blocking(move || pace(&due, start, rate, count, give_up));
    let (mut sorted, mut failed) = (Vec::new(), 0);
    while let Some(ended) = loops.join_next().await {
        let (times, bad) = ended??;
        sorted.extend(times);
        failed += bad;
    }
    pacer.await?;
    sorted.sort_unstable();
    Ok(Latencies { sorted, failed })
}

/// When the request of this number is due, from the start.
fn moment(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

/// Lets requests go at their time. A thread of its own wakes up within some
/// fifty microseconds; the runtime's timer only knows milliseconds.
fn pace(due: &Semaphore, start: Instant, rate: f64, count: u64, give_up: Duration) {
    let mut sent = 0;
    while sent < count && start.elapsed() < give_up {
        let now = start.elapsed();
        let by_now = ((now.as_secs_f64() * rate) as u64 + 1).min(count);
        due.add_permits(usize::try_from(by_now - sent).unwrap_or_default());
        sent = by_now;
        let pause = moment(sent, rate).saturating_sub(start.elapsed());
        #[expect(clippy::disallowed_methods, reason = "this thread only waits")]
        std::thread::sleep(pause);
    }
    // Whoever waits for a permit gets those that are left before it hears of this.
    while due.available_permits() > 0 && start.elapsed() < give_up {
        #[expect(clippy::disallowed_methods, reason = "this thread only waits")]
        std::thread::sleep(Duration::from_millis(1));
    }
    due.close();
}
