//! Who makes a request: by access token or by session cookie, never both.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{HeaderValue, request::Parts};

use super::{
    credentials::{Credential, SESSION_COOKIE},
    error::{ApiError, Code},
};
use crate::{app::AppState, identity::Caller};

/// What was found out about a request, kept so that it is found out once.
#[derive(Debug, Clone)]
struct Authentication(Result<Option<Caller>, ApiError>);

/// Whom the request proves; nobody, when it doesn't try to.
///
/// # Errors
/// 401 when it tries and fails, 503 when Redis is away: then the cookie may be
/// good, and stays. That it tries in one way, and may use a cookie as it does,
/// [`credentials::Guard`](super::credentials::Guard) has checked.
pub async fn authenticate(parts: &mut Parts, state: &AppState) -> Result<Option<Caller>, ApiError> {
    if let Some(Authentication(known)) = parts.extensions.get() {
        return known.clone();
    }
    let outcome = resolve(parts, state).await;
    parts.extensions.insert(Authentication(outcome.clone()));
    outcome
}

async fn resolve(parts: &Parts, state: &AppState) -> Result<Option<Caller>, ApiError> {
    let caller = match Credential::only(&parts.headers) {
        None => return Ok(None),
        Some(Credential::Token(value)) => {
            bearer(value).and_then(|token| state.sessions.by_token(token))
        }
        Some(Credential::Cookie(value)) => state.sessions.by_cookie(value).await?,
    };
    caller
        .map(Some)
        .ok_or_else(|| ApiError::new(Code::Unauthenticated))
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    // `to_str` looks at one byte after the other, and tokens are long.
    let (scheme, token) = str::from_utf8(value.as_bytes()).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
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
