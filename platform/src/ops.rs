//! The operations listener: `/livez`, `/readyz`, `/metrics`. Never the public one.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{FutureExt as _, future::BoxFuture, future::join_all};
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

use crate::shutdown::Lifetime;

/// How long one dependency has to answer a readiness check.
const CHECK_LIMIT: Duration = Duration::from_millis(500);

type Probe = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;
type Circuits = Arc<dyn Fn() -> BTreeMap<String, &'static str> + Send + Sync>;

/// What `/readyz` tells: whether this process may take traffic, and how each
/// thing it depends on is.
#[derive(Clone, Default)]
pub struct Readiness {
    dependencies: Vec<(&'static str, bool, Probe)>,
    circuits: Option<Circuits>,
    overloaded: Arc<AtomicBool>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.dependencies.iter().map(|(name, ..)| name))
            .finish()
    }
}

impl Readiness {
    /// Adds something whose failure is shown but doesn't stop traffic.
    #[must_use]
    pub fn optional<F, Fut>(self, name: &'static str, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.dependency(name, false, probe)
    }

    /// Adds something without which this process is of no use.
    #[must_use]
    pub fn required<F, Fut>(self, name: &'static str, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.dependency(name, true, probe)
    }

    fn dependency<F, Fut>(mut self, name: &'static str, required: bool, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.dependencies
            .push((name, required, Arc::new(move || probe().boxed())));
        self
    }

    /// Shows how the circuits of calls are, by their names. An open one doesn't
    /// stop traffic: the calls of others still answer.
    #[must_use]
    pub fn circuits<F>(mut self, states: F) -> Self
    where
        F: Fn() -> BTreeMap<String, &'static str> + Send + Sync + 'static,
    {
        self.circuits = Some(Arc::new(states));
        self
    }

    /// The flag that the shedder raises while it refuses work.
    #[must_use]
    pub fn overloaded(&self) -> Arc<AtomicBool> {
        self.overloaded.clone()
    }

    async fn report(&self, draining: bool) -> (bool, Report) {
        let checks = self
            .dependencies
            .iter()
            .map(|(name, required, probe)| async move {
                let outcome = tokio::time::timeout(CHECK_LIMIT, probe()).await;
                let error = match outcome {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error),
                    Err(_) => Some(format!("no answer within {} ms", CHECK_LIMIT.as_millis())),
                };
                let status = if error.is_none() { "up" } else { "down" };
                (
                    *name,
                    Dependency {
                        status,
                        required: *required,
                        error,
                    },
                )
            });
        let dependencies: BTreeMap<_, _> = join_all(checks).await.into_iter().collect();
        let overloaded = self.overloaded.load(Ordering::Relaxed);
        let needed = dependencies
            .values()
            .all(|d| !d.required || d.error.is_none());
        let ready = !draining && !overloaded && needed;
        let status = match (draining, overloaded, needed) {
            (true, ..) => "draining",
            (_, true, _) => "overloaded",
            (.., false) => "unavailable",
            _ => "ready",
        };
        (
            ready,
            Report {
                status,
                dependencies,
                circuits: self.circuits.as_ref().map(|states| states()),
            },
        )
    }
}

#[derive(Debug, Serialize)]
struct Report {
    status: &'static str,
    dependencies: BTreeMap<&'static str, Dependency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    circuits: Option<BTreeMap<String, &'static str>>,
}

#[derive(Debug, Serialize)]
struct Dependency {
    status: &'static str,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone)]
struct Ops {
    readiness: Readiness,
    metrics: PrometheusHandle,
    lifetime: Lifetime,
}

/// The routes of the listener.
pub fn router(readiness: Readiness, metrics: PrometheusHandle, lifetime: Lifetime) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(Ops {
            readiness,
            metrics,
            lifetime,
        })
}

/// Serves the listener until the process ends; unlike the public one it
/// answers while the process drains.
///
/// # Errors
/// When the address can't be bound.
pub async fn listen(address: SocketAddr, router: Router) -> anyhow::Result<SocketAddr> {
    use anyhow::Context as _;

    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("the operations listener can't bind {address}"))?;
    let bound = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the operations listener ended");
        }
    });
    tracing::info!(address = %bound, "operations listener");
    Ok(bound)
}

/// Asks the listener at `address` whether its process is ready. Returns what it
/// says. An address that means "all of them" is asked at loopback.
///
/// # Errors
/// When nothing answers within `limit`, or it isn't ready.
pub async fn ask_ready(address: SocketAddr, limit: Duration) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let ask = async {
        let mut stream = TcpStream::connect((host, address.port())).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.take(64 * 1024).read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(limit, ask).await??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    anyhow::ensure!(head.split(' ').nth(1) == Some("200"), "not ready: {body}");
    Ok(body.to_owned())
}

async fn readyz(State(ops): State<Ops>) -> Response {
    let (ready, report) = ops.readiness.report(ops.lifetime.is_stopping()).await;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

async fn render(State(ops): State<Ops>) -> Response {
    // As many as there are just now: at rest, no more than before the load.
    let tasks = Handle::current().metrics().num_alive_tasks();
    gauge!("tokio_alive_tasks").set(u32::try_from(tasks).map_or(f64::INFINITY, f64::from));
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (content_type, ops.metrics.render()).into_response()
}
