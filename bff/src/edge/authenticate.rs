//! Who makes a request: by access token or by session cookie, never both.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{HeaderMap, HeaderValue, header, request::Parts};

use super::{
    csrf,
    error::{ApiError, Code, FieldError},
};
use crate::{app::AppState, identity::Caller};

/// The session cookie. The prefix makes browsers insist on `Secure`, `Path=/`
/// and no `Domain` (RFC 6265bis, section 4.1.3.2).
pub const SESSION_COOKIE: &str = "__Host-session";

/// What was found out about a request, kept so that it is found out once.
#[derive(Debug, Clone)]
struct Authentication(Result<Option<Caller>, ApiError>);

/// Whom the request proves; nobody, when it doesn't try to.
///
/// # Errors
/// 401 when it tries and fails, 400 when it tries in two ways, 403 when a
/// cookie comes without what keeps other sites from using it, 503 when Redis
/// is away: then the cookie may be good, and stays.
pub async fn authenticate(parts: &mut Parts, state: &AppState) -> Result<Option<Caller>, ApiError> {
    if let Some(Authentication(known)) = parts.extensions.get() {
        return known.clone();
    }
    let outcome = resolve(parts, state).await;
    parts.extensions.insert(Authentication(outcome.clone()));
    outcome
}

async fn resolve(parts: &Parts, state: &AppState) -> Result<Option<Caller>, ApiError> {
    let token = one(
        &parts
            .headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .collect::<Vec<_>>(),
        "Authorization",
    )?;
    let cookies = session_cookies(&parts.headers);
    let cookie = one(&cookies, "Cookie")?;
    match (token, cookie) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(ApiError::invalid(vec![FieldError::new(
            "Authorization",
            "two_credentials",
            "send an access token or the session cookie, not both",
        )])),
        (Some(value), None) => {
            let caller = bearer(value).and_then(|token| state.sessions.by_token(token));
            caller.map(Some).ok_or_else(unauthenticated)
        }
        (None, Some(cookie)) => {
            csrf::check(
                &parts.method,
                &parts.headers,
                &state.settings.http.allowed_origins.0,
            )?;
            let caller = state.sessions.by_cookie(cookie).await?;
            caller.map(Some).ok_or_else(unauthenticated)
        }
    }
}

/// 401, with the challenge that RFC 9110 wants with it.
fn unauthenticated() -> ApiError {
    ApiError::new(Code::Unauthenticated)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn one<T: Copy>(values: &[T], name: &'static str) -> Result<Option<T>, ApiError> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(*value)),
        _ => {
            let fault = FieldError::new(name, "repeated", "expected at most one");
            Err(ApiError::invalid(vec![fault]))
        }
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn session_cookies(headers: &HeaderMap) -> Vec<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(SESSION_COOKIE)?.strip_prefix('='))
        .collect()
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        authenticate(parts, state)
            .await?
            .ok_or_else(unauthenticated)
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
        let caller = authenticate(parts, state).await?;
        let caller = caller.ok_or_else(unauthenticated)?;
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
