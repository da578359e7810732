//! What is measured, in which order.

use std::time::Duration;

use super::{
    Arguments,
    faults::{self, Faults},
    generator::{self, Latencies, Throughput},
    history::{self, History},
    overload::{self, Overload},
    peers::Peers,
    report,
    sign_ins::{self, SignIns},
    stand::Stand,
    streams::{self, Streams},
    subject::Subject::{
        self, BareRefresh, FanOut, Fastify, Floor, HomeCached, HomeUncached, HomeWithoutOrders,
        Item, ItemByCookie, ItemByToken, Login, Nginx, NotModified, Refresh,
    },
    tokens,
    transfers::{self, Transfers},
};

const WARM_UP: Duration = Duration::from_millis(700);
/// A round's time is divided among so many turns: the machine is another one within
/// seconds, and what is compared should meet the same.
const TURNS: usize = 3;

/// Everything that was found about a subject: of throughput a value for each turn of
/// each round, of latencies one for each round.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) subject: Subject,
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) latencies: Vec<Latencies>,
    /// Memory of its programs at most so far, in bytes.
    pub(crate) memory: u64,
}

/// Everything that was found.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) subjects: Vec<Finding>,
    /// What couldn't be measured, and why.
    pub(crate) missing: Vec<(Subject, String)>,
    pub(crate) verification: tokens::Verification,
    /// Of these six, those that were asked for.
    pub(crate) faults: Option<Faults>,
    pub(crate) overload: Option<Overload>,
    pub(crate) sign_ins: Option<SignIns>,
    pub(crate) transfers: Option<Transfers>,
    pub(crate) history: Option<History>,
    pub(crate) streams: Option<Streams>,
    /// Of the edge with its cache, in bytes.
    pub(crate) idle_memory: u64,
    pub(crate) peak_memory: u64,
    pub(crate) home_bytes: usize,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let time = Duration::from_secs(arguments.seconds);
    let verification = tokens::measure()?;
    let mut stand = Stand::start(arguments.connections).await?;
    let named = |name: &str| arguments.only.split(',').any(|part| name.contains(part));
    let wanted = |subject: &Subject| named(subject.name());
    // What is compared stands together: the machine is another one minutes later.
    let alive = [
        Floor,
        HomeCached,
        NotModified,
        Item,
        ItemByToken,
        ItemByCookie,
        FanOut,
        HomeUncached,
        Fastify,
        Nginx,
        BareRefresh,
        Refresh,
        Login,
    ];
    let alive: Vec<Subject> = alive.into_iter().filter(wanted).collect();
    let with_peers = [Fastify, Nginx].iter().any(wanted) || named("faults");
    let peers = match with_peers {
        true => Some(Peers::start(&stand).await?),
        false => None,
    };
    let peers = peers.as_ref();
    let mut missing = Vec::new();
    let is_there = |subject: &Subject| {
        let reason = subject.programs(&stand, peers).err();
        missing.extend(reason.map(|reason| (*subject, reason.to_owned())));
        reason.is_none()
    };
    let alive: Vec<Subject> = alive.into_iter().filter(is_there).collect();
    let mut subjects = measure(&stand, peers, &alive, arguments.rounds, time).await?;

    let rounds = arguments.rounds;
    let faults = match peers.filter(|_| named("faults")) {
        Some(peers) => Some(faults::measure(&mut stand, peers, rounds, time).await?),
        None => None,
    };
    let overload = match named("overload") {
        true => Some(overload::measure(&stand, rounds, time).await?),
        false => None,
    };
    let sign_ins = match named("sign-ins") {
        true => Some(sign_ins::measure(&stand, rounds, time).await?),
        false => None,
    };
    let transfers = match named("transfers") {
        true => Some(transfers::measure(&stand, rounds, time).await?),
        false => None,
    };
    let streams = match named("streams") {
        true => Some(streams::measure(&stand).await?),
        false => None,
    };
    let peak_memory = stand.cached.memory()?.peak;
    // Last with everything there: the store isn't the same after it.
    let history = match named("history") {
        true => Some(history::measure(&stand, rounds, time).await?),
        false => None,
    };

    stand.orders.kill()?;
    let dead: Vec<Subject> = [HomeWithoutOrders].into_iter().filter(wanted).collect();
    subjects.extend(measure(&stand, peers, &dead, rounds, time).await?);

    report::print(&Findings {
        subjects,
        missing,
        verification,
        faults,
        overload,
        sign_ins,
        transfers,
        history,
        streams,
        idle_memory: stand.idle_memory,
        peak_memory,
        home_bytes: stand.home_bytes,
    });
    Ok(())
}

/// Throughput of all in turn, again and again, then latency likewise at half
/// of what each was capable of.
async fn measure(
    stand: &Stand,
    peers: Option<&Peers>,
    subjects: &[Subject],
    rounds: usize,
    time: Duration,
) -> anyhow::Result<Vec<Finding>> {
    let finding = |subject: &Subject| Finding {
        subject: *subject,
        throughput: Vec::new(),
        latencies: Vec::new(),
        memory: 0,
    };
    let mut findings: Vec<Finding> = subjects.iter().map(finding).collect();
    let programs = |subject: Subject| {
        subject
            .programs(stand, peers)
            .map_err(|reason| anyhow::anyhow!("{reason}"))
    };
    let turn_time = time.div_f64(TURNS as f64);
    for turn in 0..rounds * TURNS {
        for finding in &mut findings {
            let subject = finding.subject;
            report::progress(&format!("{}, turn {}", subject.name(), turn + 1));
            let programs = programs(subject)?;
            let visitors = subject.visitors(stand, programs[0].address).await?;
            let expected = subject.expected();
            let found =
                generator::closed(visitors, &programs, expected, WARM_UP, turn_time).await?;
            finding.throughput.push(found);
        }
    }
    for _ in 0..rounds {
        for finding in &mut findings {
            let subject = finding.subject;
            let rate =
                report::median(finding.throughput.iter().map(|found| found.per_second)) / 2.0;
            report::progress(&format!("{} at {rate:.0}/s", subject.name()));
            let programs = programs(subject)?;
            let visitors = subject.visitors(stand, programs[0].address).await?;
            let found = generator::open(visitors, rate, subject.expected(), time).await?;
            finding.latencies.push(found);
            let memory = programs.iter().map(|program| Ok(program.memory()?.peak));
            finding.memory = memory.sum::<anyhow::Result<u64>>()?;
        }
    }
    Ok(findings)
}
