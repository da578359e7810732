//! More than can be done: an open loop that asks the edge without its cache for
//! as many home screens as it can make, for twice and for ten times as many, and
//! then for a mixture, to see what is refused first.
//!
//! Nobody waits for anybody: a request is sent when it is due, over one of so
//! many connections that the edge is offered far more at once than it takes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    generator, report,
    stand::{HOME, Stand},
    visitor::{Answer, Script, Visitor, get, patch},
};

/// As many requests can be in flight.
const CONNECTIONS: usize = 2_000;
/// What a step is left to settle, before anything counts.
const SETTLE: Duration = Duration::from_secs(2);
/// For what was sent last to be answered.
const GRACE: Duration = Duration::from_secs(2);
/// An answer is good within the budget of the home screen.
const BUDGET: Duration = Duration::from_secs(1);
/// The load is let go this often: finer would take more from the cores.
const TICK: Duration = Duration::from_millis(1);
const WARM_UP: Duration = Duration::from_millis(700);
/// Of what can be done.
const STEPS: [f64; 3] = [1.0, 2.0, 10.0];
const MOST: f64 = 10.0;

/// What is asked for in the mixture, from what matters least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Item,
    Home,
    Write,
    SignIn,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Item, Self::Home, Self::Write, Self::SignIn];

    const fn name(self) -> &'static str {
        match self {
            Self::Item => "items, signed out",
            Self::Home => "home screens of users",
            Self::Write => "changes of a profile",
            Self::SignIn => "sign-ins",
        }
    }

    /// Of the mixture; sign-ins are few, for each takes a core for as long as
    /// ten home screens.
    const fn share(self) -> f64 {
        match self {
            Self::Item => 0.3,
            Self::Home => 0.67,
            Self::Write => 0.028,
            Self::SignIn => 0.002,
        }
    }

    const fn connections(self) -> usize {
        match self {
            Self::Item => 600,
            Self::Home => 1_200,
            Self::Write => 140,
            Self::SignIn => 60,
        }
    }

    /// What each of those who visit asks for.
    fn requests(self, stand: &Stand) -> Vec<Bytes> {
        let people = &stand.people;
        match self {
            Self::Item => vec![get(&format!("/v1/items/{}", stand.item), &[])],
            Self::SignIn => people.others.iter().map(|person| person.login()).collect(),
            Self::Home | Self::Write => {
                let of = |bearer: &str| match self {
                    Self::Home => get(HOME, &[("authorization", bearer)]),
                    _ => {
                        let change = json!({ "full_name": "Ada Byron" });
                        patch("/v1/me", &[("authorization", bearer)], &change)
                    }
                };
                let users = people.users.iter();
                users.map(|user| of(&user.bearer())).collect()
            }
        }
    }
}

/// Those who ask for the same, and how often a second together.
struct Lane {
    visitors: Vec<Visitor>,
    rate: f64,
}

impl Lane {
    async fn of(kind: Kind, stand: &Stand, connections: usize, rate: f64) -> anyhow::Result<Self> {
        let requests = kind.requests(stand);
        let mut visitors = Vec::with_capacity(connections);
        for request in requests.iter().cycle().take(connections) {
            let script = Script::Same(request.clone());
            visitors.push(Visitor::connect(stand.uncached.address, script).await?);
        }
        Ok(Self { visitors, rate })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Good,
    /// Late, or not whole.
    Poor,
    Refused,
    Failed,
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
            _ => Self::Failed,
        }
    }
}

/// What became of the requests of a lane.
#[derive(Debug, Default)]
struct Tally {
    offered: f64,
    good: f64,
    poor: f64,
    refused: f64,
    /// Sorted.
    good_after: Vec<Duration>,
    refused_after: Vec<Duration>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Overload {
    peak: f64,
    steps: Vec<(f64, Tally)>,
    mixture: Vec<(Kind, Tally)>,
}

pub(crate) async fn measure(stand: &Stand, time: Duration) -> anyhow::Result<Overload> {
    report::progress("overload, peak");
    let visitors = Lane::of(Kind::Home, stand, stand.people.users.len(), 0.0).await?;
    let edge = [&stand.uncached];
    let peak = generator::closed(visitors.visitors, &edge, 200, WARM_UP, time).await?;
    let peak = peak.per_second;
    let mut steps = Vec::new();
    for step in STEPS {
        report::progress(&format!("overload, {step} times {peak:.0}/s"));
        let lane = Lane::of(Kind::Home, stand, CONNECTIONS, peak * step).await?;
        steps.extend(
            flood(vec![lane], time)
                .await?
                .into_iter()
                .map(|tally| (step, tally)),
        );
    }
    report::progress("overload, mixture");
    let mut lanes = Vec::new();
    for kind in Kind::ALL {
        let rate = peak * MOST * kind.share();
        lanes.push(Lane::of(kind, stand, kind.connections(), rate).await?);
    }
    let tallies = flood(lanes, time).await?;
    Ok(Overload {
        peak,
        steps,
        mixture: Kind::ALL.into_iter().zip(tallies).collect(),
    })
}

/// Lets all lanes ask at once.
async fn flood(lanes: Vec<Lane>, time: Duration) -> anyhow::Result<Vec<Tally>> {
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
                // As is what was never answered.
                Outcome::Failed => {}
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
            Err(_) => Outcome::Failed,
        };
        records.push((at, took(), outcome));
        if outcome == Outcome::Failed && visitor.connect_again().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    records
}

impl Tally {
    fn row(&self, name: &str) -> String {
        let percent = |rate: f64| rate * 100.0 / self.offered;
        let failed = (self.offered - self.good - self.poor - self.refused).max(0.0);
        let [good, refused] = [&self.good_after, &self.refused_after];
        let within = |sorted, share| report::millis(report::quantile(sorted, share));
        format!(
            "| {name} | {:.0} | {:.0} | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {} | {} | {} | {} |",
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

impl Overload {
    /// A table of its own.
    pub(crate) fn table(&self) -> Vec<String> {
        let mut lines = vec![
            "| overload | offered/s | good/s | good | late or partial | refused | failed | good: p50 | p99 | refused: p50 | p99 |".to_owned(),
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
        ];
        let steps = self.steps.iter();
        lines.extend(steps.map(|(step, tally)| tally.row(&format!("home, {step} times the peak"))));
        let mixture = self.mixture.iter();
        lines.extend(
            mixture
                .map(|(kind, tally)| tally.row(&format!("{MOST} times, mixed: {}", kind.name()))),
        );
        lines.push(String::new());
        lines
    }

    /// What the edge is to reach.
    pub(crate) fn rows(&self) -> Vec<String> {
        let steps = self.steps.iter();
        let mut rows: Vec<String> = steps
            .map(|(step, tally)| {
                let share = tally.good / self.peak;
                report::row(
                    &format!("good home screens at {step} times the peak, of the peak"),
                    "≥ 90 %",
                    &format!(
                        "{:.0} % ({:.0}/s of {:.0}/s)",
                        share * 100.0,
                        tally.good,
                        self.peak
                    ),
                    Some(share >= 0.9),
                )
            })
            .collect();
        let served: Vec<f64> = self
            .mixture
            .iter()
            .map(|(_, tally)| tally.good * 100.0 / tally.offered)
            .collect();
        let [items, home, writes, sign_ins] = served[..] else {
            return rows;
        };
        rows.push(report::row(
            "what is served of a mixture at 10 times: signed out, users' reads, writes, sign-ins",
            "in this order",
            &format!("{items:.0} %, {home:.0} %, {writes:.0} %, {sign_ins:.0} %"),
            Some(items <= home && home < writes && home < sign_ins),
        ));
        rows
    }
}
