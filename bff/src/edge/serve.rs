//! The public listener: HTTP/1.1 and HTTP/2 over one port, bounded in
//! connections and in the time that a client may take, and drained at the end.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use platform::shutdown::Lifetime;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use crate::config::HttpSettings;

/// How long requests may be under way from a balancer that has just found the
/// listener closed.
const LINGER: Duration = Duration::from_millis(500);

/// The address at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Default for Peer {
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// Serves until the lifetime ends, then drains: for `drain_delay_ms` new
/// connections are still taken, and each answer asks its client to leave; then
/// the listener closes, and what is in flight is given `drain_limit_ms`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &HttpSettings,
    lifetime: &Lifetime,
) {
    let connections = Arc::new(Semaphore::new(settings.max_connections));
    let builder = Arc::new(builder(settings));
    let graceful = GracefulShutdown::new();
    let write_timeout = settings.write_timeout_ms.duration();
    let open = |stream: TcpStream, peer: IpAddr| {
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            metrics::counter!("http_connections_refused_total").increment(1);
            return;
        };
        // Answers are written whole; waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        let service = router
            .clone()
            .map_request(move |mut request: http::Request<Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                request.map(axum::body::Body::new) as Request
            });
        let service = TowerToHyperService::new(service);
        // Who doesn't read an answer is left, or it would wait for ever.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(write_timeout));
        let stream = TokioIo::new(Box::pin(stream));
        let connection = builder.serve_connection_with_upgrades(stream, service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(permit);
        });
    };

    let delay = async {
        lifetime.stopping().await;
        tokio::time::sleep(settings.drain_delay_ms.duration()).await;
    };
    tokio::pin!(delay);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => open(stream, peer.ip()),
                // Out of descriptors, or the client has gone already.
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            () = &mut delay => break,
        }
    }
    // Whoever the kernel has let in already is served as well.
    while let Some(Ok((stream, peer))) = futures::FutureExt::now_or_never(listener.accept()) {
        open(stream, peer.ip());
    }
    drop(listener);
    // What was sent just before on a connection that was open, or was just
    // opened, isn't read yet: closed now, it would be lost.
    tokio::time::sleep(LINGER).await;
    let limit = settings.drain_limit_ms.duration();
    if tokio::time::timeout(limit, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            ?limit,
            "connections were still open at the end of the drain"
        );
    }
}

fn builder(settings: &HttpSettings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout_ms.duration())
        .max_buf_size(64 * 1024)
        .max_headers(100);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(Some(128))
        .max_header_list_size(32 * 1024)
        .max_pending_accept_reset_streams(Some(16))
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
