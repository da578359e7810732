//! An orders service that does as it is told, over real gRPC on a port of its
//! own, and remembers what it was asked.

mod services;

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use platform::config::ServerUrl;
use proto::orders::v1::{
    catalog_service_server::CatalogServiceServer, order_service_server::OrderServiceServer,
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Status, metadata::MetadataMap, transport::Server};
use tonic_types::{ErrorDetails, StatusExt as _};

pub use services::{ITEM, ORDER};

/// What it does with a call.
#[derive(Debug, Clone, Copy)]
pub enum Behaviour {
    Answer,
    AnswerAfter(Duration),
    Hang,
    Fail(Code),
    /// Fails, and says when to come again (`google.rpc.RetryInfo`).
    FailFor(Code, Duration),
}

/// A call that came in.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    pub method: &'static str,
    pub metadata: MetadataMap,
}

impl Call {
    /// A metadata value, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)?.to_str().ok()
    }

    /// The time limit that came with it. tonic writes it in nanoseconds,
    /// microseconds or milliseconds, whichever fits.
    pub fn timeout(&self) -> Duration {
        let text = self.header("grpc-timeout").expect("a time limit");
        let (count, unit) = text.split_at(text.len() - 1);
        let count: u64 = count.parse().expect("a number");
        match unit {
            "n" => Duration::from_nanos(count),
            "u" => Duration::from_micros(count),
            "m" => Duration::from_millis(count),
            unit => panic!("{unit}"),
        }
    }
}

/// The stub.
pub struct OrdersStub {
    address: SocketAddr,
    runtime: Option<Runtime>,
    state: Arc<State>,
}

struct State {
    behaviour: Mutex<Behaviour>,
    /// What it does with the next calls instead.
    next: Mutex<VecDeque<Behaviour>>,
    calls: Mutex<Vec<Call>>,
    in_flight: AtomicUsize,
}

impl OrdersStub {
    /// A service that answers.
    pub fn start() -> Self {
        let mut stub = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            runtime: None,
            state: Arc::new(State {
                behaviour: Mutex::new(Behaviour::Answer),
                next: Mutex::default(),
                calls: Mutex::default(),
                in_flight: AtomicUsize::new(0),
            }),
        };
        stub.restart();
        stub
    }

    /// Where it listens, also after it was killed and restarted.
    pub fn url(&self) -> ServerUrl {
        format!("http://{}", self.address).parse().expect("a URL")
    }

    /// Tells it what to do from now on.
    pub fn will(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }

    /// Tells it what to do with the next call alone, or the one after those
    /// that it was told of before.
    pub fn will_once(&self, behaviour: Behaviour) {
        self.state.next.lock().unwrap().push_back(behaviour);
    }

    /// Ends it with all its connections, at once.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Blocks until every connection is closed, which a runtime's
            // thread may not.
            let end = move || runtime.shutdown_timeout(Duration::from_secs(5));
            std::thread::spawn(end).join().expect("it ends");
        }
    }

    /// Starts it, again on the same port.
    pub fn restart(&mut self) {
        self.kill();
        // A runtime of its own: what it spawns ends with it.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let guard = runtime.enter();
        let listener = std::net::TcpListener::bind(self.address).expect("the port is free");
        listener.set_nonblocking(true).expect("a socket");
        self.address = listener.local_addr().expect("an address");
        let listener = TcpListener::from_std(listener).expect("a socket");
        let server = Server::builder()
            .add_service(CatalogServiceServer::from_arc(self.state.clone()))
            .add_service(OrderServiceServer::from_arc(self.state.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        runtime.spawn(server);
        drop(guard);
        self.runtime = Some(runtime);
    }

    /// The calls of one method so far.
    pub fn calls(&self, method: &str) -> Vec<Call> {
        let calls = self.state.calls.lock().unwrap();
        calls
            .iter()
            .filter(|call| call.method == method)
            .cloned()
            .collect()
    }

    /// How many calls there were of one method.
    pub fn count(&self, method: &str) -> usize {
        self.calls(method).len()
    }

    /// Calls that it is busy with.
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.load(SeqCst)
    }
}

impl Drop for OrdersStub {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Counts a call until it ends or its caller goes away.
struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl State {
    async fn play<T>(&self, method: &'static str, request: &Request<T>) -> Result<(), Status> {
        self.in_flight.fetch_add(1, SeqCst);
        let _in_flight = InFlight(&self.in_flight);
        let call = Call {
            at: Instant::now(),
            method,
            metadata: request.metadata().clone(),
        };
        self.calls.lock().unwrap().push(call);
        let next = self.next.lock().unwrap().pop_front();
        let behaviour = next.unwrap_or(*self.behaviour.lock().unwrap());
        match behaviour {
            Behaviour::Answer => Ok(()),
            Behaviour::AnswerAfter(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Fail(code) => Err(failure(code, None)),
            Behaviour::FailFor(code, delay) => Err(failure(code, Some(delay))),
        }
    }
}

fn failure(code: Code, retry_after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info("SCRIPTED", "orders.portico", []);
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    Status::with_error_details(code, "as it was told", details)
}
