//! A bound on the requests in flight. What would be too much is refused at
//! once, what matters least first, so that the rest is done in time.

mod gate;
mod limit;

use std::{
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use gate::{Gate, Permit, Priority};

use super::{
    credentials::SESSION_COOKIE,
    error::{ApiError, Code},
};

/// When a refused client may try again: by then much of what was in flight is
/// done.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Priority {
    /// By what can be seen at a glance: nothing is verified yet.
    fn of(request: &Request) -> Self {
        let headers = request.headers();
        if !request.method().is_safe() || request.uri().path().starts_with("/v1/auth/") {
            Self::High
        } else if claims_a_user(headers) && !is_prefetch(headers) {
            Self::Normal
        } else {
            Self::Low
        }
    }
}

fn claims_a_user(headers: &HeaderMap) -> bool {
    let has_session = |value: &HeaderValue| {
        let text = value.to_str();
        text.is_ok_and(|text| text.contains(SESSION_COOKIE))
    };
    headers.contains_key(header::AUTHORIZATION)
        || headers.get_all(header::COOKIE).iter().any(has_session)
}

/// The W3C's `Sec-Purpose`, a structured token with parameters.
const PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

fn is_prefetch(headers: &HeaderMap) -> bool {
    headers
        .get(PURPOSE)
        .is_some_and(|purpose| purpose.as_bytes().starts_with(b"prefetch"))
}

/// Bounds the requests in flight over all routes that it is put around.
#[derive(Debug, Clone)]
pub struct Shed(Arc<Gate>);

impl Shed {
    /// Lets in `most` requests at once, or fewer while that makes them slower.
    /// The flag is raised while even the most important requests are refused.
    #[must_use]
    pub fn new(most: usize, overloaded: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Gate::new(most, overloaded)))
    }
}

impl<S> Layer<S> for Shed {
    type Service = Shedding<S>;

    fn layer(&self, inner: S) -> Shedding<S> {
        Shedding {
            inner,
            gate: self.0.clone(),
        }
    }
}

/// The layered service.
#[derive(Debug, Clone)]
pub struct Shedding<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Service<Request> for Shedding<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Admission<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let route = request.extensions().get::<MatchedPath>();
        match self.gate.admit(|| Priority::of(&request), route) {
            Some(permit) => Admission::Admitted {
                inner: self.inner.call(request),
                permit,
            },
            None => Admission::Refused,
        }
    }
}

pin_project! {
    /// A request that was let in, or wasn't.
    #[derive(Debug)]
    #[project = AdmissionProjection]
    pub enum Admission<F> {
        /// It counts until it ends, however it ends.
        Admitted {
            #[pin]
            inner: F,
            permit: Permit,
        },
        /// It was never begun.
        Refused,
    }
}

impl<F, E> Future for Admission<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project() {
            AdmissionProjection::Admitted { inner, permit } => {
                let outcome = ready!(inner.poll(cx));
                permit.answered(outcome.as_ref().is_ok_and(too_busy));
                outcome
            }
            AdmissionProjection::Refused => {
                let refusal = ApiError::new(Code::Overloaded);
                Ok(refusal.retry_after(RETRY_AFTER).into_response())
            }
        })
    }
}

/// Whether the request was let in, and then found something behind too busy.
fn too_busy(response: &Response) -> bool {
    let error = response.extensions().get::<ApiError>();
    error.is_some_and(ApiError::is_congestion)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request as Builder;

    use super::*;

    fn priority(method: &str, path: &str, headers: &[(&str, &str)]) -> Priority {
        let builder = Builder::builder().method(method).uri(path);
        let with = |builder: http::request::Builder, header: &(&str, &str)| {
            builder.header(header.0, header.1)
        };
        let request = headers.iter().fold(builder, with);
        Priority::of(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn writes_and_signing_in_come_before_a_users_reads_and_those_before_the_rest() {
        let token = ("authorization", "Bearer x");
        let cookie = ("cookie", "theme=dark; __Host-session=x");
        assert_eq!(priority("POST", "/v1/orders", &[]), Priority::High);
        assert_eq!(
            priority("DELETE", "/v1/cart/lines/1", &[token]),
            Priority::High
        );
        assert_eq!(
            priority("GET", "/v1/auth/oauth/google/start", &[]),
            Priority::High
        );
        assert_eq!(priority("GET", "/v1/me", &[token]), Priority::Normal);
        assert_eq!(priority("GET", "/v1/me", &[cookie]), Priority::Normal);
        assert_eq!(
            priority("GET", "/v1/items", &[("cookie", "theme=dark")]),
            Priority::Low
        );
        assert_eq!(priority("HEAD", "/v1/items", &[]), Priority::Low);
        for purpose in ["prefetch", "prefetch;prerender"] {
            let prefetch = ("sec-purpose", purpose);
            assert_eq!(priority("GET", "/v1/me", &[token, prefetch]), Priority::Low);
        }
    }
}
