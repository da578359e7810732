//! The only thing that becomes an HTTP error.

use std::{borrow::Cow, mem, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::observe::HEADERS;
pub use super::problem::Code;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901) into the body, or the name of a query
    /// parameter, header or path segment.
    #[schema(value_type = String, example = "/password")]
    pub pointer: Cow<'static, str>,
    /// What, for programs.
    #[schema(value_type = String, example = "too_short")]
    pub code: Cow<'static, str>,
    /// What, for people.
    pub detail: String,
}

impl FieldError {
    /// A fault of the field at `pointer`.
    pub fn new(
        pointer: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        }
    }
}

/// An answer other than success.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    congestion: bool,
}

impl ApiError {
    /// An answer with this code; its page's text is the detail.
    #[must_use]
    pub fn new(code: Code) -> Self {
        let error = Self {
            code,
            detail: code.title().into(),
            errors: Vec::new(),
            headers: Vec::new(),
            congestion: false,
        };
        match code.status() {
            // RFC 9110 wants a challenge with every 401.
            StatusCode::UNAUTHORIZED => {
                error.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => error,
        }
    }

    /// The request itself is at fault in these fields.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::new(Code::InvalidRequest)
        }
    }

    /// A fault of ours: logged here, in full, and told to nobody else.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "internal error");
        Self::new(Code::Internal)
    }

    /// A dependency is down: logged here, as a warning.
    pub fn unavailable(dependency: &'static str, error: impl std::fmt::Display) -> Self {
        tracing::warn!(dependency, %error, "unavailable");
        Self::new(Code::Unavailable).retry_after(Duration::from_secs(2))
    }

    /// Says more about this occurrence.
    #[must_use]
    pub fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: detail.into(),
            ..self
        }
    }

    /// Names the fields that are at fault.
    #[must_use]
    pub fn errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// When trying again makes sense, rounded up to a second.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        let seconds = whole_seconds(after).max(1);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Something behind has too much to do: a sign that too many are let in. That
    /// there is no room for one more of a kind, a stream or a password, isn't.
    #[must_use]
    pub fn congestion(self) -> Self {
        Self {
            congestion: true,
            ..self
        }
    }

    /// See [`ApiError::congestion`].
    pub(super) const fn is_congestion(&self) -> bool {
        self.congestion
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The body, as RFC 9457 wants it.
    pub(super) fn body(&self, request_id: &str) -> Vec<u8> {
        let problem = Problem {
            r#type: self.code.page_path(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            request_id,
            errors: &self.errors,
        };
        let mut body = Vec::with_capacity(ENOUGH);
        serde_json::to_writer(&mut body, &problem)
            .expect("a problem has nothing but texts and a number");
        body
    }
}

/// Rounded up, so that nobody comes too early.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Bytes for a problem in which no field is named.
const ENOUGH: usize = 320;

/// Carries the error in the response's extensions: the body needs the request
/// id, which the outermost layer knows.
impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let mut response = self.code.status().into_response();
        response.headers_mut().reserve(HEADERS);
        for (name, value) in mem::take(&mut self.headers) {
            response.headers_mut().append(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// An `application/problem+json` body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Problem<'a> {
    /// The page about this code.
    #[schema(example = "/problems/invalid_request")]
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[schema(value_type = Code)]
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}
