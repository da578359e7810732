//! Limits on requests, by class of route (draft-ietf-httpapi-ratelimit-headers).

use std::{
    convert::Infallible,
    io::Write as _,
    mem,
    net::Ipv4Addr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, request::Parts};
use tower::{Layer, Service};

use super::{
    authenticate::authenticate,
    client_address::ClientAddress,
    error::{ApiError, Code, whole_seconds},
};
use crate::{
    app::AppState,
    limits::{Class, Decision, Subject},
};

/// What the class allows, in every answer of its routes.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of it.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Counts the requests to a group of routes as one class, and refuses those
/// that are too many.
#[derive(Debug, Clone)]
pub struct Limited(Arc<ByClass>);

#[derive(Debug)]
struct ByClass {
    state: AppState,
    class: Class,
    policy: HeaderValue,
}

impl Limited {
    /// A layer for the routes of this class.
    #[must_use]
    pub fn new(state: AppState, class: Class) -> Self {
        let policy = state.limiter.policy(class);
        let (count, window) = (policy.count.into(), policy.window.as_secs());
        Self(Arc::new(ByClass {
            state,
            class,
            policy: header_value(class, ["q", "w"], [count, window]),
        }))
    }
}

impl ByClass {
    /// By user when the request proves one, else by the client's address. A
    /// proof that is worth nothing counts by address too, and is left to the
    /// handler to refuse.
    async fn subject(&self, parts: &mut Parts) -> Subject {
        if !self.class.is_strict()
            && let Ok(Some(caller)) = authenticate(parts, &self.state).await
        {
            return Subject::User(caller.user_id);
        }
        let known = parts.extensions.get::<ClientAddress>();
        let unknown = Ipv4Addr::UNSPECIFIED.into();
        Subject::Address(known.map_or(unknown, |address| address.bucket()))
    }

    /// Tells the client where it stands.
    fn tell(&self, response: &mut Response, decision: Decision) {
        let left = [decision.remaining.into(), whole_seconds(decision.wait)];
        let left = header_value(self.class, ["r", "t"], left);
        let headers = response.headers_mut();
        headers.insert(POLICY, self.policy.clone());
        headers.insert(LIMIT, left);
    }
}

impl<S> Layer<S> for Limited {
    type Service = LimitedService<S>;

    fn layer(&self, inner: S) -> LimitedService<S> {
        LimitedService {
            inner,
            limited: self.0.clone(),
        }
    }
}

/// The layered service.
#[derive(Debug, Clone)]
pub struct LimitedService<S> {
    inner: S,
    limited: Arc<ByClass>,
}

impl<S> Service<Request> for LimitedService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that was asked whether it is ready goes; its copy stays.
        let copy = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, copy);
        let limited = self.limited.clone();
        let (mut parts, body) = request.into_parts();
        Box::pin(async move {
            let subject = limited.subject(&mut parts).await;
            let decision = limited.state.limiter.check(limited.class, subject).await;
            let mut response = if decision.allowed {
                inner.call(Request::from_parts(parts, body)).await?
            } else {
                let refusal = ApiError::new(Code::RateLimited);
                refusal.retry_after(decision.wait).into_response()
            };
            limited.tell(&mut response, decision);
            Ok(response)
        })
    }
}

/// The class and two parameters (RFC 9651, section 3.3.3). Made for each answer, so
/// without the detours of `format!`.
fn header_value(class: Class, names: [&str; 2], numbers: [u64; 2]) -> HeaderValue {
    let mut buffer = [0; 64];
    let mut rest = &mut buffer[..];
    let mut write = |text: &str| {
        rest.write_all(text.as_bytes())
            .expect("a name and two numbers have less than 64 characters");
    };
    ["\"", class.as_str(), "\""]
        .into_iter()
        .for_each(&mut write);
    for (name, number) in names.into_iter().zip(numbers) {
        [";", name, "=", itoa::Buffer::new().format(number)]
            .into_iter()
            .for_each(&mut write);
    }
    let unused = rest.len();
    let value = HeaderValue::from_bytes(&buffer[..buffer.len() - unused]);
    value.expect("a name and two numbers are visible ASCII")
}
