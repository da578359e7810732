//! A proxy between a program and a server, that does to the network what
//! networks do.
//!
//! It runs inside the test, in front of anything that speaks TCP. Crates that
//! do this are clients of a program that has to be installed (toxiproxy), know
//! one protocol, or can't lose an answer *after* the server acted on the
//! request, which is the fault that finds what isn't idempotent.

mod connection;

use std::{
    net::{SocketAddr, TcpListener as Listener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::server::free_port;
use crate::config::ServerUrl;

/// Connections that it carries at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1_000;

/// What is wrong with the way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// What the server sends arrives later: by `delay`, and up to `jitter` more.
    /// How much more is decided by the proxy's seed.
    Latency {
        /// At least so much later.
        delay: Duration,
        /// And up to so much more.
        jitter: Duration,
    },
    /// What the server sends arrives at this many bytes a second.
    Bandwidth(u32),
    /// Connections are accepted, and nothing passes either way. Once the fault
    /// is over, what was sent meanwhile arrives.
    BlackHole,
    /// As if the server had ended: connections are reset, new ones refused.
    Refuse,
    /// The server gets a request, and its answer never arrives: the connection
    /// is reset instead. It happens once, and then nothing is wrong any more;
    /// [`Proxy::lost`] counts it.
    LoseAnswer(Loss),
}

/// Which answer gets lost, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The request has this in it; empty: the next one.
    pub request: &'static [u8],
    /// The answer has this in it, and isn't there before; empty: whatever the
    /// server sends next.
    pub answer: &'static [u8],
    /// So many bytes of what the server sends still arrive.
    pub kept: usize,
}

impl Loss {
    /// Of the whole answer to the first request with this in it.
    #[must_use]
    pub fn to(request: &'static [u8]) -> Self {
        Self {
            request,
            answer: b"",
            kept: 0,
        }
    }
}

/// Carries connections to one server, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    url: ServerUrl,
    way: Arc<Way>,
    _accepting: AbortOnDropHandle<()>,
}

/// What all connections of a proxy share.
#[derive(Debug)]
struct Way {
    server: SocketAddr,
    seed: u64,
    state: watch::Sender<State>,
    open: AtomicUsize,
    lost: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
struct State {
    fault: Fault,
    /// Changes when all connections are to be reset.
    cut: u64,
    /// Changes when none of them is carried any more.
    abandoned: u64,
}

impl Proxy {
    /// A proxy before the server of this URL, which has to have a port.
    ///
    /// # Panics
    /// When the server's address isn't to be found, or no port is free.
    #[must_use]
    pub fn before(server: &ServerUrl) -> Self {
        Self::seeded(server, 0)
    }

    /// The same, and from now on the URL leads through it.
    ///
    /// # Panics
    /// As [`Proxy::before`].
    #[must_use]
    pub fn stand_before(server: &mut ServerUrl) -> Self {
        let proxy = Self::before(server);
        *server = proxy.url();
        proxy
    }

    /// As [`Proxy::before`], with a seed for all that is random.
    ///
    /// # Panics
    /// As [`Proxy::before`].
    #[must_use]
    pub fn seeded(server: &ServerUrl, seed: u64) -> Self {
        let addresses = server.expose().socket_addrs(|| None);
        let addresses = addresses.unwrap_or_else(|error| panic!("{server}: {error}"));
        let way = Arc::new(Way {
            server: addresses[0],
            seed,
            state: watch::Sender::new(State {
                fault: Fault::None,
                cut: 0,
                abandoned: 0,
            }),
            open: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
        });
        let (listener, address) = (0..10)
            .find_map(|_| {
                // It has to be had again after a fault, by this proxy alone.
                let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
                Some((listen(address)?, address))
            })
            .expect("a free port");
        let mut url = server.expose().clone();
        url.set_ip_host(address.ip()).expect("a URL with a host");
        url.set_port(Some(address.port()))
            .expect("a URL with a host");
        let accepting = tokio::spawn(way.clone().accept(listener, address));
        Self {
            url: url.as_str().parse().expect("still a URL"),
            way,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    /// The server's URL, by way of the proxy.
    #[must_use]
    pub fn url(&self) -> ServerUrl {
        self.url.clone()
    }

    /// From now on this is wrong, for all connections, and nothing else.
    pub fn set(&self, fault: Fault) {
        self.way.state.send_modify(|state| {
            state.fault = fault;
            state.cut += u64::from(fault == Fault::Refuse);
        });
    }

    /// Nothing is wrong any more.
    pub fn heal(&self) {
        self.set(Fault::None);
    }

    /// Resets every connection there is. New ones are carried as before.
    pub fn cut(&self) {
        self.way.state.send_modify(|state| state.cut += 1);
    }

    /// Lets nothing pass any more over the connections there are, and tells nobody:
    /// as if the server's machine had gone, or something on the way had forgotten
    /// them. New ones are carried as before.
    pub fn abandon(&self) {
        self.way.state.send_modify(|state| state.abandoned += 1);
    }

    /// Connections that it carries now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.way.open.load(SeqCst)
    }

    /// Answers that were lost so far, as [`Fault::LoseAnswer`] does.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.way.lost.load(SeqCst)
    }
}

impl Way {
    async fn accept(self: Arc<Self>, listener: TcpListener, address: SocketAddr) {
        let mut state = self.state.subscribe();
        let mut listener = Some(listener);
        let mut connections = JoinSet::new();
        for number in 0.. {
            while connections.try_join_next().is_some() {}
            if connections.len() == MAX_CONNECTIONS {
                connections.join_next().await;
            }
            let refuses = |state: &State| state.fault == Fault::Refuse;
            let accepted = loop {
                let Some(open) = &listener else {
                    let _ = state.wait_for(|state| !refuses(state)).await;
                    listener = listen(address);
                    if listener.is_none() {
                        // Something else has the port, for a moment.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    continue;
                };
                tokio::select! {
                    biased;
                    _ = state.wait_for(refuses) => {}
                    Ok((client, _)) = open.accept() => break client,
                }
                // What waits to be accepted is reset with it.
                listener = None;
            };
            connections.spawn(self.clone().carry(accepted, number));
        }
    }
}

fn listen(address: SocketAddr) -> Option<TcpListener> {
    let listener = Listener::bind(address).ok()?;
    listener.set_nonblocking(true).ok()?;
    TcpListener::from_std(listener).ok()
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
