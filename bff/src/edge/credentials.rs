//! What a request proves itself with: an access token or the session cookie,
//! once, and never both. Looked at before any route is, so that a route which
//! asks for no proof is no way around the rules of the cookie.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue, header};

use super::{
    csrf,
    error::{ApiError, FieldError},
};
use crate::app::AppState;

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
    pub fn of(headers: &'a HeaderMap) -> Result<Option<Self>, ApiError> {
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
}

/// Refuses what no route may see: two proofs at once, and a cookie without what
/// keeps other sites from using it.
///
/// # Errors
/// 400, 403 `csrf` or 415.
pub async fn guard(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(Credential::Cookie(_)) = Credential::of(request.headers())? {
        let allowed = &state.settings.http.allowed_origins.0;
        csrf::check(request.method(), request.headers(), allowed)?;
    }
    Ok(next.run(request).await)
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
