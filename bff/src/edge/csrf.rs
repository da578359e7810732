//! Keeps other sites from using the session cookie.
//!
//! `SameSite=Strict` is the first line. A request that changes something must
//! also carry `X-CSRF: 1`, which no form can send and no script of another
//! origin may (CORS); and what the browser itself says about where the request
//! comes from must not speak against it (OWASP, cross-site request forgery
//! prevention cheat sheet).

use http::{HeaderMap, Method, header};

use super::error::{ApiError, Code};

/// Checks a request that carries the session cookie. What a form can send as well is
/// refused by the routes, with 415 and whoever asks: [`super::extract::Body`],
/// [`super::extract::json_or_nothing`].
///
/// # Errors
/// 403 `csrf`.
pub fn check(method: &Method, headers: &HeaderMap, allowed: &[String]) -> Result<(), ApiError> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    if headers.get("x-csrf").is_none_or(|value| value != "1") {
        return Err(ApiError::new(Code::Csrf).detail("the header X-CSRF: 1 is missing"));
    }
    check_source(headers, allowed)
}

/// Checks where a request comes from, as far as its browser says so. This alone
/// guards the calls that give out a cookie: another site must not be able to
/// sign its visitor in as somebody else.
///
/// # Errors
/// 403 `csrf`.
pub fn check_source(headers: &HeaderMap, allowed: &[String]) -> Result<(), ApiError> {
    let is_foreign = headers
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| !allowed.iter().any(|allowed| origin == allowed.as_str()));
    if is_foreign {
        return Err(
            ApiError::new(Code::Csrf).detail("this Origin is not on the list of allowed ones")
        );
    }
    if headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site == "cross-site")
    {
        return Err(ApiError::new(Code::Csrf).detail("the request comes from another site"));
    }
    Ok(())
}
