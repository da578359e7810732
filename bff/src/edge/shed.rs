//! A bound on the requests in flight. What would be too much is refused at
//! once, what matters least first, so that the rest is done in time.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header};
use metrics::{Counter, Gauge, counter, gauge};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{
    authenticate::SESSION_COOKIE,
    error::{ApiError, Code},
};

/// When a refused client may try again: by then much of what was in flight is
/// done.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is refused last, first and in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Priority {
    /// What nobody may be waiting for: reads by nobody in particular, and what a
    /// browser fetches in advance.
    Low,
    /// A user's reads.
    Normal,
    /// Signing in, and whatever changes something.
    High,
}

impl Priority {
    const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// How much of the limit may be in use for one more of these to be let in,
    /// in percent.
    const fn share(self) -> usize {
        match self {
            Self::Low => 70,
            Self::Normal => 90,
            Self::High => 100,
        }
    }

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
    let mut cookies = headers.get_all(header::COOKIE).iter();
    headers.contains_key(header::AUTHORIZATION)
        || cookies.any(|value| {
            value
                .to_str()
                .is_ok_and(|text| text.contains(SESSION_COOKIE))
        })
}

/// The W3C's `Sec-Purpose`, a structured token with parameters.
fn is_prefetch(headers: &HeaderMap) -> bool {
    headers
        .get("sec-purpose")
        .is_some_and(|purpose| purpose.as_bytes().starts_with(b"prefetch"))
}

/// Bounds the requests in flight over all routes that it is put around.
#[derive(Debug, Clone)]
pub struct Shed(Arc<Gate>);

impl Shed {
    /// Lets in `limit` requests at once. The flag is raised while even the most
    /// important requests are refused.
    #[must_use]
    pub fn new(limit: usize, overloaded: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Gate {
            limit,
            in_flight: AtomicUsize::new(0),
            overloaded,
            gauge: gauge!("http_requests_in_flight"),
            refused: Priority::ALL.map(
                |priority| counter!("http_requests_shed_total", "priority" => priority.as_str()),
            ),
        }))
    }
}

#[derive(Debug)]
struct Gate {
    limit: usize,
    in_flight: AtomicUsize,
    overloaded: Arc<AtomicBool>,
    gauge: Gauge,
    refused: [Counter; 3],
}

impl Gate {
    /// How many requests may be in flight for one of this priority to be let in.
    fn limit(&self, priority: Priority) -> usize {
        (self.limit * priority.share() / 100).max(1)
    }

    fn admit(self: &Arc<Self>, priority: Priority) -> Option<Permit> {
        let limit = self.limit(priority);
        let one_more = |in_flight| Some(in_flight + 1).filter(|sum| *sum <= limit);
        let admitted = self
            .in_flight
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        if admitted.is_ok() {
            self.gauge.increment(1);
            return Some(Permit(self.clone()));
        }
        self.refused[priority as usize].increment(1);
        if priority == Priority::High {
            self.overloaded.store(true, Ordering::SeqCst);
            // All that was in flight may have ended before the flag was up.
            self.recover();
        }
        None
    }

    /// Takes the flag down once there is room for requests of any priority.
    fn recover(&self) {
        let in_flight = self.in_flight.load(Ordering::SeqCst);
        if self.overloaded.load(Ordering::SeqCst) && in_flight < self.limit(Priority::Low) {
            self.overloaded.store(false, Ordering::SeqCst);
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.0.gauge.decrement(1);
        self.0.recover();
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
        match self.gate.admit(Priority::of(&request)) {
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
            AdmissionProjection::Admitted { inner, .. } => ready!(inner.poll(cx)),
            AdmissionProjection::Refused => {
                let refusal = ApiError::new(Code::Overloaded);
                Ok(refusal.retry_after(RETRY_AFTER).into_response())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request as Builder;

    use super::*;

    fn gate(limit: usize) -> Arc<Gate> {
        Shed::new(limit, Arc::default()).0
    }

    fn fill(gate: &Arc<Gate>, priority: Priority) -> Vec<Permit> {
        std::iter::from_fn(|| gate.admit(priority)).collect()
    }

    #[test]
    fn each_priority_has_its_share_and_what_is_above_it() {
        let gate = gate(100);
        let mut permits = fill(&gate, Priority::Low);
        assert_eq!(permits.len(), 70);
        permits.extend(fill(&gate, Priority::Normal));
        assert_eq!(permits.len(), 90);
        assert!(gate.admit(Priority::Low).is_none());
        permits.extend(fill(&gate, Priority::High));
        assert_eq!(permits.len(), 100);
        drop(permits);
        assert_eq!(fill(&gate, Priority::High).len(), 100);
    }

    #[test]
    fn a_tiny_limit_still_lets_everyone_in_alone() {
        for priority in Priority::ALL {
            assert_eq!(fill(&gate(1), priority).len(), 1);
        }
    }

    #[test]
    fn the_flag_is_up_from_the_first_important_refusal_until_there_is_room_for_all() {
        let gate = gate(10);
        let overloaded = || gate.overloaded.load(Ordering::SeqCst);
        let mut permits = fill(&gate, Priority::Normal);
        permits.extend([gate.admit(Priority::High).unwrap()]);
        assert!(!overloaded(), "only what matters less was refused");
        assert!(gate.admit(Priority::High).is_none());
        assert!(overloaded());
        permits.truncate(7);
        assert!(overloaded(), "there is no room for the least important yet");
        permits.truncate(6);
        assert!(!overloaded());
    }

    #[test]
    fn refusals_and_endings_at_once_leave_the_flag_down() {
        let gate = gate(4);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        drop(gate.admit(Priority::High));
                    }
                });
            }
        });
        assert_eq!(gate.in_flight.load(Ordering::SeqCst), 0);
        assert!(!gate.overloaded.load(Ordering::SeqCst));
    }

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
