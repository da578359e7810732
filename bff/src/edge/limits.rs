//! Limits on requests, by class of route (draft-ietf-httpapi-ratelimit-headers).

use std::{
    collections::HashMap,
    io::Write as _,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    extract::{MatchedPath, Request},
    response::{IntoResponse as _, Response},
};
use foldhash::fast::RandomState;
use futures::future::{BoxFuture, Either};
use http::{HeaderName, HeaderValue, Method, request::Parts};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use utoipa::openapi::Paths;

use super::{
    authenticate::{Authentication, at_once, authenticate},
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

/// Which class each route counts as. What isn't among them counts as none.
#[derive(Debug, Default)]
pub struct Classes(HashMap<String, Vec<(Method, Class)>, RandomState>);

impl Classes {
    /// Adds all that these paths offer.
    pub fn add(&mut self, paths: &Paths, class: Class) {
        for (path, item) in &paths.paths {
            let offered = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let offered = offered.into_iter().filter(|(_, it)| it.is_some());
            let methods = self.0.entry(path.clone()).or_default();
            methods.extend(offered.map(|(method, _)| (method, class)));
        }
    }

    fn of(&self, request: &Request) -> Option<Class> {
        let route = request.extensions().get::<MatchedPath>()?;
        let asked = match *request.method() {
            Method::HEAD => &Method::GET,
            ref method => method,
        };
        let mut methods = self.0.get(route.as_str())?.iter();
        let (_, class) = methods.find(|(method, _)| method == asked)?;
        Some(*class)
    }
}

/// Counts the requests to each class, and refuses those that are too many.
#[derive(Debug, Clone)]
pub struct Limits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: AppState,
    classes: Classes,
    policies: [HeaderValue; Class::ALL.len()],
}

impl Limits {
    /// A layer for routes of these classes.
    #[must_use]
    pub fn new(state: AppState, classes: Classes) -> Self {
        let policies = Class::ALL.map(|class| {
            let policy = state.limiter.policy(class);
            let (count, window) = (policy.count.into(), policy.window.as_secs());
            header_value(class, ["q", "w"], [count, window])
        });
        Self(Arc::new(Inner {
            state,
            classes,
            policies,
        }))
    }
}

impl Inner {
    /// Whom a request counts for, unless Redis has to be asked for it.
    fn subject_at_once(&self, class: Class, parts: &mut Parts) -> Option<Subject> {
        let proof = match class.is_strict() {
            true => Ok(None),
            false => at_once(parts, &self.state)?,
        };
        Some(self.subject(&proof, parts))
    }

    /// By user when the request proves one, else by the client's address. A
    /// proof that is worth nothing counts by address too, and is left to the
    /// handler to refuse.
    fn subject(&self, proof: &Authentication, parts: &Parts) -> Subject {
        match proof {
            Ok(Some(caller)) => Subject::User(caller.user_id),
            _ => Subject::Address(ClientAddress::of(parts, &self.state.settings.client).bucket()),
        }
    }

    /// Where the client stands.
    fn told(&self, class: Class, decision: Decision) -> Told {
        let left = [decision.remaining.into(), whole_seconds(decision.wait)];
        Told {
            policy: self.policies[class as usize].clone(),
            left: header_value(class, ["r", "t"], left),
        }
    }
}

/// Tells the client where it stands.
#[derive(Debug)]
struct Told {
    policy: HeaderValue,
    left: HeaderValue,
}

impl Told {
    fn add(self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(POLICY, self.policy);
        headers.insert(LIMIT, self.left);
    }
}

impl<S> Layer<S> for Limits {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            inner,
            limits: self.0.clone(),
        }
    }
}

/// The layered service.
#[derive(Debug, Clone)]
pub struct Limited<S> {
    inner: S,
    limits: Arc<Inner>,
}

impl<S> Service<Request> for Limited<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Limitation<S::Future, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let limits = &self.limits;
        let Some(class) = limits.classes.of(&request) else {
            let inner = Either::Left(self.inner.call(request));
            return Limitation { inner, told: None };
        };
        let (mut parts, body) = request.into_parts();
        let subject = limits.subject_at_once(class, &mut parts);
        let counted = subject.map(|subject| limits.state.limiter.count(class, subject));
        if let Some(Ok(decision)) = counted
            && decision.allowed
        {
            let inner = self.inner.call(Request::from_parts(parts, body));
            return Limitation {
                inner: Either::Left(inner),
                told: Some(limits.told(class, decision)),
            };
        }
        // The one that was asked whether it is ready goes; its copy stays.
        let copy = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, copy);
        let limits = limits.clone();
        let asked = async move {
            let Inner { state, .. } = &*limits;
            let decision = match counted {
                Some(Ok(decision)) => decision,
                Some(Err(undecided)) => state.limiter.ask(undecided).await,
                None => {
                    let proof = authenticate(&mut parts, state).await;
                    state
                        .limiter
                        .check(class, limits.subject(&proof, &parts))
                        .await
                }
            };
            let mut response = if decision.allowed {
                inner.call(Request::from_parts(parts, body)).await?
            } else {
                let refusal = ApiError::new(Code::RateLimited);
                refusal.retry_after(decision.wait).into_response()
            };
            limits.told(class, decision).add(&mut response);
            Ok(response)
        };
        Limitation {
            inner: Either::Right(Box::pin(asked)),
            told: None,
        }
    }
}

pin_project! {
    /// A request on its way behind the limits.
    pub struct Limitation<F, E> {
        #[pin]
        inner: Either<F, BoxFuture<'static, Result<Response, E>>>,
        // What is added to its answer, if that isn't done yet.
        told: Option<Told>,
    }
}

impl<F, E> Future for Limitation<F, E>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(told) = this.told.take() {
            told.add(&mut response);
        }
        Poll::Ready(Ok(response))
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
