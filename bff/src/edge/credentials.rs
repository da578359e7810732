//! What a request proves itself with: an access token or the session cookie,
//! once, and never both. Looked at before any route is, so that a route which
//! asks for no proof is no way around the rules of the cookie.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use futures::future::{Either, Ready, ready};
use http::{HeaderMap, HeaderValue, header};
use tower::{Layer, Service};

use super::{
    csrf,
    error::{ApiError, FieldError},
};

/// The session cookie. The prefix makes browsers insist on `Secure`, `Path=/`
/// and no `Domain` (RFC 6265bis, section 4.1.3.2).
pub const SESSION_COOKIE: &str = "__Host-session";

/// The one thing that a request proves itself with.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// `Authorization`.
    Token(&'a HeaderValue),
    /// The session cookie's value.
    Cookie(&'a str),
}

impl<'a> Credential<'a> {
    /// Finds it, if there is one.
    ///
    /// # Errors
    /// 400 when there are several.
    fn of(headers: &'a HeaderMap) -> Result<Option<Self>, ApiError> {
        let token = at_most_one(
            headers.get_all(header::AUTHORIZATION).iter(),
            "Authorization",
        )?;
        let cookie = at_most_one(session_cookies(headers), "Cookie")?;
        match (token, cookie) {
            (None, None) => Ok(None),
            (Some(value), None) => Ok(Some(Self::Token(value))),
            (None, Some(value)) => Ok(Some(Self::Cookie(value))),
            (Some(_), Some(_)) => Err(ApiError::invalid(vec![FieldError::new(
                "Authorization",
                "two_credentials",
                "send an access token or the session cookie, not both",
            )])),
        }
    }

    /// Finds it in what [`Guard`] let through, where there aren't several.
    pub fn only(headers: &'a HeaderMap) -> Option<Self> {
        let token = headers.get(header::AUTHORIZATION).map(Self::Token);
        token.or_else(|| session_cookies(headers).next().map(Self::Cookie))
    }
}

/// Refuses what no route may see: two proofs at once, and a cookie without what
/// keeps other sites from using it.
#[derive(Debug, Clone)]
pub struct Guard {
    allowed: Arc<[String]>,
}

impl Guard {
    /// Pages of these origins may use the cookie.
    #[must_use]
    pub fn new(allowed: &[String]) -> Self {
        Self {
            allowed: allowed.into(),
        }
    }

    fn check(&self, request: &Request) -> Result<(), ApiError> {
        match Credential::of(request.headers())? {
            Some(Credential::Cookie(_)) => {
                csrf::check(request.method(), request.headers(), &self.allowed)
            }
            _ => Ok(()),
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            guard: self.clone(),
        }
    }
}

/// The layered service.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.guard.check(&request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(refusal) => Either::Right(ready(Ok(refusal.into_response()))),
        }
    }
}

fn at_most_one<T>(
    mut values: impl Iterator<Item = T>,
    name: &'static str,
) -> Result<Option<T>, ApiError> {
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        _ => {
            let fault = FieldError::new(name, "repeated", "expected at most one");
            Err(ApiError::invalid(vec![fault]))
        }
    }
}

fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(SESSION_COOKIE)?.strip_prefix('='))
}
