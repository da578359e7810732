//! Who makes a request: by access token or by session cookie, never both.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{HeaderMap, HeaderValue, request::Parts};

use super::{
    credentials::{Credential, SESSION_COOKIE},
    error::{ApiError, Code},
    visit::Visit,
};
use crate::{app::AppState, identity::Caller};

/// Whom a request proves; nobody, when it doesn't try to. 401 when it tries and fails,
/// 503 when Redis is away: then the cookie may be good, and stays.
pub type Authentication = Result<Option<Caller>, ApiError>;

/// Finds out whom a request proves, once. That it tries in one way, and may use a cookie
/// as it does, [`credentials::Guard`](super::credentials::Guard) has checked.
///
/// # Errors
/// See [`Authentication`].
pub async fn authenticate(parts: &mut Parts, state: &AppState) -> Authentication {
    let caller = &mut Visit::of(&mut parts.extensions).caller;
    if let Some(known) = caller {
        return known.clone();
    }
    let outcome = match resolve(&parts.headers, state) {
        Ok(outcome) => outcome,
        Err(cookie) => {
            let found = state.sessions.by_cookie(cookie).await;
            found.map_err(ApiError::from).and_then(proven)
        }
    };
    caller.insert(outcome).clone()
}

/// Finds it out without waiting; none of a cookie that wasn't looked at yet.
pub(super) fn at_once(parts: &mut Parts, state: &AppState) -> Option<Authentication> {
    let caller = &mut Visit::of(&mut parts.extensions).caller;
    if caller.is_none() {
        *caller = resolve(&parts.headers, state).ok();
    }
    caller.clone()
}

/// Whom these prove, or the cookie that has to be looked at for it.
fn resolve<'a>(headers: &'a HeaderMap, state: &AppState) -> Result<Authentication, &'a str> {
    match Credential::only(headers) {
        None => Ok(Ok(None)),
        Some(Credential::Token(value)) => {
            let caller = bearer(value).and_then(|token| state.sessions.by_token(token));
            Ok(proven(caller))
        }
        Some(Credential::Cookie(value)) => Err(value),
    }
}

fn proven(caller: Option<Caller>) -> Authentication {
    caller
        .map(Some)
        .ok_or_else(|| ApiError::new(Code::Unauthenticated))
}

/// As bytes: only a token that wasn't seen before has to be a text.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer ");
    is_bearer.then(|| token.trim_ascii())
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        authenticate(parts, state)
            .await?
            .ok_or_else(|| ApiError::new(Code::Unauthenticated))
    }
}

/// A caller who proved within the last ten minutes who they are, by signing in
/// or by a step-up: for what a stolen session alone must not be able to do.
/// Otherwise the answer is `403 step_up_required`.
#[derive(Debug, Clone, Copy)]
pub struct Fresh(pub Caller);

impl FromRequestParts<AppState> for Fresh {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = <Caller as FromRequestParts<_>>::from_request_parts(parts, state).await?;
        state.sessions.require_fresh(&caller).await?;
        Ok(Self(caller))
    }
}

impl OptionalFromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Option<Self>, ApiError> {
        authenticate(parts, state).await
    }
}

/// The `Set-Cookie` that gives the client its session.
#[must_use]
pub fn session_cookie(value: &str, keep: chrono::TimeDelta) -> HeaderValue {
    set_cookie(value, keep.num_seconds())
}

/// The `Set-Cookie` that takes it away.
#[must_use]
pub fn no_session_cookie() -> HeaderValue {
    set_cookie("", 0)
}

fn set_cookie(value: &str, max_age: i64) -> HeaderValue {
    let cookie = format!(
        "{SESSION_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={max_age}"
    );
    HeaderValue::try_from(cookie).expect("a cookie of base64 is visible ASCII")
}
