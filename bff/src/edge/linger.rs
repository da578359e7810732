//! Bodies that an answer doesn't wait for.
//!
//! Most clients of HTTP/1.1 send their request to its end before they look for the
//! answer. Closed on them in the middle, the connection is reset, and the answer is
//! lost with it. So what they still send is read for a while, and thrown away; an
//! answer that leaves much unread says that the connection ends with it. HTTP/2 can
//! end a stream without any of that.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{runtime::Handle, time::timeout};

use super::visit::Visit;

/// So much of a body is read for nothing.
const MOST: usize = 8 * 1024 * 1024;
/// For so long.
const LONGEST: Duration = Duration::from_secs(1);
/// A body that is no longer than this is read to its end, and the connection used
/// again.
const SHORT: u64 = 64 * 1024;

/// A body of which somebody wants to know whether it was read.
struct Lingering {
    /// Empty once it was given away.
    body: Option<Incoming>,
    ended: Arc<AtomicBool>,
    /// Its client waits for the answer, or for `100 Continue`, before it sends any;
    /// hyper says that it may as soon as somebody reads.
    waits: bool,
}

/// Tells whether a request's body was read to its end.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    ended: Arc<AtomicBool>,
    /// What isn't read by then, will be.
    is_short: bool,
}

impl Unread {
    /// Whether the connection can't go on after this answer.
    pub(super) fn must_close(&self, answer: StatusCode) -> bool {
        let is_read = self.ended.load(Ordering::Acquire);
        !is_read && (!self.is_short || answer == StatusCode::REQUEST_TIMEOUT)
    }
}

/// Watches over the body of a request, if it has one.
pub(super) fn watch(mut request: Request<Incoming>) -> Request<axum::body::Body> {
    if request.body().is_end_stream() {
        return request.map(|_| axum::body::Body::empty());
    }
    if request.version() >= Version::HTTP_2 {
        return request.map(axum::body::Body::new);
    }
    let ended = Arc::new(AtomicBool::new(false));
    let expects = request.headers().get(header::EXPECT);
    let waits = expects.is_some_and(|expects| expects == HeaderValue::from_static("100-continue"));
    let length = request.body().size_hint().exact();
    let is_short = !waits && length.is_some_and(|length| length <= SHORT);
    Visit::of(request.extensions_mut()).unread = Some(Unread {
        ended: ended.clone(),
        is_short,
    });
    request.map(|body| {
        axum::body::Body::new(Lingering {
            body: Some(body),
            ended,
            waits,
        })
    })
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.ended.store(true, Ordering::Release);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let is_over = self.waits || self.is_end_stream() || self.ended.load(Ordering::Acquire);
        // At the end of the program there is nobody who could read.
        if let (false, Some(body), Ok(runtime)) = (is_over, self.body.take(), Handle::try_current())
        {
            runtime.spawn(drain(body));
        }
    }
}

/// Reads on until the end or a bound; then the connection closes.
async fn drain(mut body: Incoming) {
    let read = async {
        let mut left = MOST;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            left = match left.checked_sub(size) {
                Some(left) => left,
                None => return,
            };
        }
    };
    // Later is as good as too much.
    let _ = timeout(LONGEST, read).await;
}
