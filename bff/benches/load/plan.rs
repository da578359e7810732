//! What is measured, in which order.

use std::{net::SocketAddr, time::Duration};

use super::{
    Arguments,
    faults::{self, Faults},
    generator::{self, Latencies, Throughput},
    history::{self, History},
    overload::{self, Overload},
    peers::{Peer, Peers},
    process::Process,
    report,
    sign_ins::{self, SignIns},
    stand::{HOME, Stand},
    streams::{self, Streams},
    tokens,
    transfers::{self, Transfers},
    users::{Person, User},
    visitor::{Script, Visitor, get},
};

const WARM_UP: Duration = Duration::from_millis(700);

/// Something that is asked for, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Floor,
    HomeCached,
    FanOut,
    HomeUncached,
    Fastify,
    Nginx,
    NotModified,
    Item,
    ItemByToken,
    ItemByCookie,
    BareRefresh,
    Refresh,
    HomeWithoutOrders,
}

use Subject::{
    BareRefresh, FanOut, Fastify, Floor, HomeCached, HomeUncached, HomeWithoutOrders, Item,
    ItemByCookie, ItemByToken, Nginx, NotModified, Refresh,
};

impl Subject {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "the floor",
            Self::HomeCached => "home, cached",
            Self::FanOut => "the hand-written fan-out",
            Self::HomeUncached => "home, uncached",
            Self::Fastify => "Fastify",
            Self::Nginx => "nginx with Lua",
            Self::NotModified => "home, 304",
            Self::Item => "item, signed out",
            Self::ItemByToken => "item, by token",
            Self::ItemByCookie => "item, by cookie",
            Self::BareRefresh => "a bare refresh",
            Self::Refresh => "refresh",
            Self::HomeWithoutOrders => "home, uncached, orders killed",
        }
    }

    /// What it is compared with, and the share of its throughput that is wanted.
    pub(crate) const fn references(self) -> &'static [(Self, Option<f64>)] {
        match self {
            Self::HomeCached => &[(Floor, Some(0.65))],
            Self::HomeUncached => &[
                (FanOut, Some(0.85)),
                (Fastify, Some(1.0)),
                (Nginx, Some(1.0)),
            ],
            Self::Refresh => &[(BareRefresh, Some(0.70))],
            Self::NotModified => &[(Floor, Some(0.80))],
            Self::Item => &[(Floor, None)],
            _ => &[],
        }
    }

    /// The program that is asked, and those that it can't do without; or why it
    /// isn't there.
    pub(crate) fn programs<'a>(
        self,
        stand: &'a Stand,
        peers: Option<&'a Peers>,
    ) -> Result<Vec<&'a Process>, &'a str> {
        let peers = peers.ok_or("wasn't started");
        let peer = |of: fn(&Peers) -> &Peer| of(peers?).as_ref().map_err(String::as_str);
        Ok(match self {
            Self::Floor => vec![&stand.floor],
            Self::FanOut | Self::BareRefresh => vec![&stand.fan_out],
            Self::HomeUncached | Self::HomeWithoutOrders => vec![&stand.uncached],
            Self::Fastify => vec![peer(|peers| &peers.fastify)?],
            Self::Nginx => vec![peer(|peers| &peers.nginx)?, &peers?.parts],
            _ => vec![&stand.cached],
        })
    }

    const fn expected(self) -> u16 {
        match self {
            Self::NotModified => 304,
            _ => 200,
        }
    }

    async fn script(self, stand: &Stand, user: &User, other: &Person) -> anyhow::Result<Script> {
        let bearer = user.bearer();
        let signed_in = ("authorization", bearer.as_str());
        Ok(Script::Same(match self {
            Self::Floor => get("/", &[signed_in]),
            Self::FanOut | Self::Fastify | Self::Nginx => {
                get(&format!("/home/{}", user.id), &[signed_in])
            }
            Self::Item => get(&format!("/v1/items/{}", stand.item), &[]),
            Self::ItemByToken => get(&format!("/v1/items/{}", stand.item), &[signed_in]),
            Self::ItemByCookie => {
                let cookie = other.cookie(stand.cached.address).await?;
                get(&format!("/v1/items/{}", stand.item), &[("cookie", &cookie)])
            }
            Self::Refresh | Self::BareRefresh => {
                let pair = other.sign_in(stand.cached.address).await?;
                return Ok(Script::Refresh(pair.refresh));
            }
            Self::HomeCached | Self::HomeUncached | Self::HomeWithoutOrders => {
                get(HOME, &[signed_in])
            }
            Self::NotModified => {
                let ask = Script::Same(get(HOME, &[signed_in]));
                let mut visitor = Visitor::connect(stand.cached.address, ask).await?;
                let known = visitor.etag().await?;
                get(HOME, &[signed_in, ("if-none-match", &known)])
            }
        }))
    }

    /// One for each user, all at one program.
    pub(crate) async fn visitors(
        self,
        stand: &Stand,
        address: SocketAddr,
    ) -> anyhow::Result<Vec<Visitor>> {
        let people = &stand.people;
        let mut visitors = Vec::with_capacity(people.users.len());
        for (user, other) in people.users.iter().zip(&people.others) {
            let script = self.script(stand, user, other).await?;
            visitors.push(Visitor::connect(address, script).await?);
        }
        Ok(visitors)
    }
}

/// Everything that was found about a subject, a value for each round.
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
    let named = |name: &str| name.contains(&arguments.only);
    let wanted = |subject: &Subject| named(subject.name());
    let alive = [
        Floor,
        HomeCached,
        FanOut,
        HomeUncached,
        Fastify,
        Nginx,
        NotModified,
        Item,
        ItemByToken,
        ItemByCookie,
        BareRefresh,
        Refresh,
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
        Some(peers) => Some(faults::measure(&mut stand, peers, time).await?),
        None => None,
    };
    let overload = match named("overload") {
        true => Some(overload::measure(&stand, time).await?),
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
    for round in 0..rounds {
        for finding in &mut findings {
            let subject = finding.subject;
            report::progress(&format!("{}, round {}", subject.name(), round + 1));
            let programs = programs(subject)?;
            let visitors = subject.visitors(stand, programs[0].address).await?;
            let expected = subject.expected();
            let found = generator::closed(visitors, &programs, expected, WARM_UP, time).await?;
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
