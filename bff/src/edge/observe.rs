//! The outermost layer: request id, log line, metrics, problem bodies, security
//! headers, and where panics end. One service, written by hand, because every request
//! passes it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode, Version, header};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field, instrument::Instrumented};

use super::{
    error::{ApiError, Code},
    linger::Unread,
    request_id::{self, RequestId},
    visit::Visit,
};
use crate::app::AppState;

/// As many headers as most answers have in the end. Room for them from the start is
/// cheaper than room for more later.
pub(super) const HEADERS: usize = 10;

/// The layer; see the module.
#[derive(Debug, Clone)]
pub struct Observe(AppState);

impl Observe {
    /// Observes the requests of this app.
    #[must_use]
    pub fn new(state: AppState) -> Self {
        Self(state)
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            state: self.0.clone(),
        }
    }
}

/// The layered service.
#[derive(Debug, Clone)]
pub struct Observed<S> {
    inner: S,
    state: AppState,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Observation<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let state = &self.state;
        let id = RequestId::of(request.headers(), &*state.clock);
        let route = request.extensions().get::<MatchedPath>().cloned();
        let template = route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let method = method_label(request.method());
        let span = tracing::info_span!(
            "request",
            request_id = id.as_str(),
            method,
            route = template,
            trace_id = field::Empty,
        );
        super::trace::adopt_parent(&span, request.headers());
        let record = Record {
            started: Instant::now(),
            method,
            route,
            span: span.clone(),
            done: false,
        };
        let visit = Visit::of(request.extensions_mut());
        visit.id = Some(id.clone());
        let unread = visit.unread.take();
        let close = request.version() < Version::HTTP_2 && state.lifetime.is_stopping();
        // Within the span too is what the limits and the token take at once.
        let begin = || span.in_scope(|| self.inner.call(request));
        let inner = catch_unwind(AssertUnwindSafe(begin));
        Observation {
            inner: inner.ok().map(|inner| inner.instrument(span)),
            most: state.settings.http.request_timeout_ms.duration(),
            limit: None,
            id,
            record,
            close,
            unread,
            hsts: state.hsts.clone(),
        }
    }
}

pin_project! {
    /// A request on its way; dropped before its end, it counts as 499.
    #[derive(Debug)]
    pub struct Observation<F> {
        // None, when it panicked as it was called.
        #[pin]
        inner: Option<Instrumented<F>>,
        most: Duration,
        // Most answers are there before anyone has to wait.
        limit: Option<Pin<Box<Sleep>>>,
        id: RequestId,
        record: Record,
        close: bool,
        unread: Option<Unread>,
        hsts: Option<Arc<HeaderValue>>,
    }
}

impl<F, E> Future for Observation<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner.as_pin_mut();
        let polled = inner.map(|inner| catch_unwind(AssertUnwindSafe(|| inner.poll(cx))));
        let mut response = match polled {
            Some(Ok(Poll::Ready(outcome))) => outcome?,
            Some(Ok(Poll::Pending)) => {
                let end = this.record.started + *this.most;
                let limit = this
                    .limit
                    .get_or_insert_with(|| Box::pin(sleep_until(end.into())));
                ready!(limit.as_mut().poll(cx));
                ApiError::new(Code::DeadlineExceeded).into_response()
            }
            // It is in the log already.
            None | Some(Err(_)) => ApiError::new(Code::Internal).into_response(),
        };
        finish(&mut response, this.id);
        let status = response.status();
        let unread = this.unread.as_ref();
        if *this.close || unread.is_some_and(|unread| unread.must_close(status)) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(hsts) = this.hsts {
            let headers = response.headers_mut();
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::clone(hsts));
        }
        this.record.end(status);
        Poll::Ready(Ok(response))
    }
}

/// Gives an answer its body, when it is a problem, and the headers that every
/// answer carries.
fn finish(response: &mut Response, id: &RequestId) {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let body = error.body(id.as_str());
        let headers = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        *response.body_mut() = Body::from(body);
    }
    let headers = response.headers_mut();
    // What may be kept says so itself.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(request_id::HEADER, id.header_value());
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
}

/// Methods by which metrics are labelled: a client can send any word.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[derive(Debug)]
struct Record {
    started: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
    span: Span,
    done: bool,
}

impl Record {
    fn end(&mut self, status: StatusCode) {
        self.done = true;
        self.write(status.as_u16());
    }

    fn write(&self, status: u16) {
        let took = self.started.elapsed();
        let route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        super::red::record(route, self.method, status, took);
        self.span.in_scope(|| {
            tracing::info!(target: "bff::access", status, duration_us = micros(took), "request");
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.done {
            self.write(499);
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
