//! The public listener: HTTP/1.1 and HTTP/2 over one port, bounded in
//! connections and in the time that a client may take, and drained at the end.

use std::{io, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use platform::shutdown::Lifetime;
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::{linger, timer::HeadTimer, visit::Visit};
use crate::config::HttpSettings;

/// How long requests may be under way from a balancer that has just found the
/// listener closed.
const LINGER: Duration = Duration::from_millis(500);

/// What HTTP/2 begins with, and no request of HTTP/1.1 does (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// When first bytes that may become either version are looked at again, at first
/// and later. Hardly anyone's come in pieces.
const PEEK_AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(320));

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
    let protocols = Arc::new(Protocols::new(settings));
    let graceful = GracefulShutdown::new();
    let draining = CancellationToken::new();
    let open = |stream: TcpStream, peer: IpAddr| {
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            metrics::counter!("http_connections_refused_total").increment(1);
            return;
        };
        // Answers are written whole; waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Visit::by(peer));
            // Always ready, like every router.
            router.clone().call(linger::watch(request))
        });
        let (protocols, draining) = (protocols.clone(), draining.clone());
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let Some(Some(http2)) = draining
                .run_until_cancelled(protocols.speaks_http2(&stream))
                .await
            else {
                return;
            };
            let mut stream = protocols.limited(stream);
            let ended = if http2 {
                // Answers to pings come more often, unless it never began.
                let silence = Some(protocols.patience * 4);
                stream.inner_mut().as_mut().set_read_timeout_pinned(silence);
                let connection = protocols.http2.serve_connection(stream, service);
                watcher.watch(connection).await
            } else {
                let connection = protocols.http1().serve_connection(stream, service);
                watcher.watch(connection).await
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
            drop(permit);
        });
    };

    let delay = async {
        lifetime.stopping().await;
        sleep(settings.drain_delay_ms.duration()).await;
    };
    tokio::pin!(delay);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => open(stream, peer.ip()),
                // Out of descriptors, or the client has gone already.
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    sleep(Duration::from_millis(10)).await;
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
    sleep(LINGER).await;
    draining.cancel();
    let limit = settings.drain_limit_ms.duration();
    if timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            ?limit,
            "connections were still open at the end of the drain"
        );
    }
}

/// How either version of HTTP is spoken.
struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    /// How long a client may take to say what it wants.
    patience: Duration,
    write_timeout: Duration,
}

impl Protocols {
    fn new(settings: &HttpSettings) -> Self {
        let patience = settings.header_timeout_ms.duration();
        let mut http1 = http1::Builder::new();
        http1
            .header_read_timeout(patience)
            .max_buf_size(64 * 1024)
            .max_headers(100);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(Some(128))
            .max_header_list_size(32 * 1024)
            .max_pending_accept_reset_streams(Some(16))
            .keep_alive_interval(Some(patience * 2))
            .keep_alive_timeout(patience);
        Self {
            http1,
            http2,
            patience,
            write_timeout: settings.write_timeout_ms.duration(),
        }
    }

    /// Looks at the first bytes and leaves them. Hyper's own detection takes them
    /// and gives them back in front of the rest, for which each connection over
    /// HTTP/1.1 pays with a buffer of twice the size.
    ///
    /// None for who hasn't said which within one patience, however little comes at
    /// a time: hyper waits for the rest of a preface for as long as some of it comes.
    async fn speaks_http2(&self, stream: &TcpStream) -> Option<bool> {
        let look = async {
            let mut first = [0; PREFACE.len()];
            let (mut pause, longest) = PEEK_AGAIN;
            loop {
                // Asked first, so that the look after it sees all that came before the end.
                let ended = stream.ready(Interest::READABLE).await?.is_read_closed();
                let peeked = stream.peek(&mut first).await?;
                match &first[..peeked] {
                    whole if whole == PREFACE => return Ok(true),
                    // "P" may become a POST as well.
                    begun if PREFACE.starts_with(begun) && !ended => {}
                    _ => return io::Result::Ok(false),
                }
                // What is left unread is readable, so there is nothing to wait for.
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        };
        timeout(self.patience, look).await.ok()?.ok()
    }

    /// For one connection, which has a timer to itself.
    fn http1(&self) -> http1::Builder {
        let mut http1 = self.http1.clone();
        http1.timer(HeadTimer::default());
        http1
    }

    /// Who doesn't read an answer is left, or it would wait for ever.
    fn limited(&self, stream: TcpStream) -> TokioIo<Pin<Box<TimeoutStream<TcpStream>>>> {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.write_timeout));
        TokioIo::new(Box::pin(stream))
    }
}
