//! More than can be done: an open loop that asks the edge without its cache for
//! as many home screens as it can make, for twice and for ten times as many, and
//! then for a mixture, to see what is refused first.
//!
//! What the load and as many answers cost on the same cores is found out beside it:
//! the edge is asked for as many as it can make, and the floor for the rest.
//!
//! Nobody waits for anybody: a request is sent when it is due, over one of so
//! many connections that the edge is offered far more at once than it takes.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use serde_json::json;

use super::{
    flood::{Lane, Tally, flood},
    generator, report,
    stand::{HOME, Stand},
    visitor::{Script, Visitor, get, patch},
};

/// As many requests can be in flight.
const CONNECTIONS: usize = 2_000;
/// What the flood before left is to be over.
const WARM_UP: Duration = Duration::from_secs(2);
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
            Self::Item => 500,
            Self::Home => 1_140,
            Self::Write => 300,
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

async fn lane(kind: Kind, stand: &Stand, connections: usize, rate: f64) -> anyhow::Result<Lane> {
    let address = stand.uncached.address;
    visits(address, &kind.requests(stand), connections, rate).await
}

async fn visits(
    address: SocketAddr,
    requests: &[Bytes],
    connections: usize,
    rate: f64,
) -> anyhow::Result<Lane> {
    let mut visitors = Vec::with_capacity(connections);
    for request in requests.iter().cycle().take(connections) {
        let script = Script::Same(request.clone());
        visitors.push(Visitor::connect(address, script).await?);
    }
    Ok(Lane { visitors, rate })
}

/// One flood, and the peak, between those right before and after it: the machine's
/// speed changes.
#[derive(Debug)]
struct Flood {
    peak: f64,
    tally: Tally,
}

impl Flood {
    /// Lets them ask; of the first lane is told. The peak before becomes the one after.
    async fn measure(
        stand: &Stand,
        lanes: Vec<Lane>,
        peak: &mut f64,
        time: Duration,
    ) -> anyhow::Result<Self> {
        let tally = flood(lanes, time).await?.swap_remove(0);
        let before = std::mem::replace(peak, peak_of(stand, time).await?);
        let peak = f64::midpoint(before, *peak);
        Ok(Self { peak, tally })
    }

    /// Of what can be done, how much still was.
    fn share(&self) -> f64 {
        self.tally.good / self.peak
    }
}

/// The middle one by share, the upper of two.
fn median(floods: &[Flood]) -> &Flood {
    let mut sorted: Vec<&Flood> = floods.iter().collect();
    sorted.sort_by(|a, b| a.share().total_cmp(&b.share()));
    sorted[sorted.len() / 2]
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Overload {
    /// By how many times the peak was asked for, a flood for each round.
    steps: [(f64, Vec<Flood>); STEPS.len()],
    /// At the peak, while the floor answers the rest of ten times as much.
    beside: Vec<Flood>,
    mixture: Vec<(Kind, Tally)>,
}

/// As many as a closed loop gets answered.
async fn peak_of(stand: &Stand, time: Duration) -> anyhow::Result<f64> {
    let visitors = lane(Kind::Home, stand, stand.people.users.len(), 0.0).await?;
    let edge = [&stand.uncached];
    let peak = generator::closed(visitors.visitors, &edge, 200, WARM_UP, time).await?;
    // What is refused is answered, too.
    Ok(peak.per_second - peak.failed as f64 / time.as_secs_f64())
}

pub(crate) async fn measure(
    stand: &Stand,
    rounds: usize,
    time: Duration,
) -> anyhow::Result<Overload> {
    let mut steps = STEPS.map(|step| (step, Vec::new()));
    let mut beside = Vec::new();
    let mut peak = peak_of(stand, time).await?;
    for round in 1..=rounds {
        for (step, floods) in &mut steps {
            let what = format!("overload, {step} times {peak:.0}/s, round {round} of {rounds}");
            report::progress(&what);
            let lane = lane(Kind::Home, stand, CONNECTIONS, peak * *step).await?;
            floods.push(Flood::measure(stand, vec![lane], &mut peak, time).await?);
        }
        report::progress("overload, beside the floor");
        let home = lane(Kind::Home, stand, CONNECTIONS, peak).await?;
        let rest = peak * (MOST - 1.0);
        let floor = visits(stand.floor.address, &[get("/", &[])], CONNECTIONS, rest).await?;
        beside.push(Flood::measure(stand, vec![home, floor], &mut peak, time).await?);
    }
    report::progress("overload, mixture");
    let mut lanes = Vec::new();
    for kind in Kind::ALL {
        let rate = peak * MOST * kind.share();
        lanes.push(lane(kind, stand, kind.connections(), rate).await?);
    }
    let tallies = flood(lanes, time).await?;
    Ok(Overload {
        steps,
        beside,
        mixture: Kind::ALL.into_iter().zip(tallies).collect(),
    })
}

impl Overload {
    /// A table of its own.
    pub(crate) fn table(&self) -> Vec<String> {
        let mut lines = vec![
            "| overload | offered/s | good/s | good | late or partial | refused | failed | good: p50 | p99 | refused: p50 | p99 |".to_owned(),
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
        ];
        lines.extend(self.steps.iter().map(|(step, floods)| {
            let name = format!("home, {step} times the peak");
            median(floods).tally.row(&name)
        }));
        lines.push(
            median(&self.beside)
                .tally
                .row("home, at the peak, the floor answering 9 times as much beside it"),
        );
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
            .map(|(step, floods)| {
                let flood = median(floods);
                let (good, peak) = (flood.tally.good, flood.peak);
                report::row(
                    &format!("good home screens at {step} times the peak, of the peak"),
                    "≥ 90 %",
                    &format!(
                        "{:.0} % ({good:.0}/s of {peak:.0}/s)",
                        flood.share() * 100.0
                    ),
                    Some(flood.share() >= 0.9),
                )
            })
            .collect();
        let [.., (_, most)] = &self.steps;
        let left = median(&self.beside).share();
        let share = median(most).share() / left;
        rows.push(report::row(
            "good home screens at 10 times the peak, of those beside the floor",
            "≥ 90 %",
            &format!(
                "{:.0} % ({:.0} % of the peak are left)",
                share * 100.0,
                left * 100.0
            ),
            Some(share >= 0.9),
        ));
        let served: Vec<f64> = self
            .mixture
            .iter()
            .map(|(_, tally)| tally.good * 100.0 / tally.offered)
            .collect();
        let [items, home, writes, sign_ins] = served[..] else {
            return rows;
        };
        rows.push(report::row(
            "what is served of a mixture at 10 times: signed out, users' reads, writes and sign-ins",
            "signed out ≤ users' reads < each of the others",
            &format!("{items:.0} %, {home:.0} %, {writes:.0} %, {sign_ins:.0} %"),
            Some(items <= home && home < writes && home < sign_ins),
        ));
        rows
    }
}
