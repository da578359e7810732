//! What is asked for: of whom, how, and what it is compared with.

use std::net::SocketAddr;

use super::{
    peers::{Peer, Peers},
    process::Process,
    sign_ins,
    stand::{HOME, Stand},
    users::{Person, User},
    visitor::{Script, Visitor, get},
};

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
    Login,
    HomeWithoutOrders,
}

use Subject::{BareRefresh, FanOut, Fastify, Floor, Nginx};

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
            Self::Login => "login, eight at a time",
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

    pub(crate) const fn expected(self) -> u16 {
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
            Self::Login => other.login(),
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
        let most = match self {
            // Enough that a core never waits for one; more would only wait.
            Self::Login => sign_ins::AT_ONCE,
            _ => usize::MAX,
        };
        for (user, other) in people.users.iter().zip(&people.others).take(most) {
            let script = self.script(stand, user, other).await?;
            visitors.push(Visitor::connect(address, script).await?);
        }
        Ok(visitors)
    }
}
