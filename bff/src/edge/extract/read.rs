//! What a read may say about itself: how long it may take, which parts are
//! wanted, and which version is known already.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use utoipa::{
    IntoParams,
    openapi::{
        KnownFormat, ObjectBuilder, Required, SchemaFormat, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::Query;
use crate::{
    app::AppState,
    edge::{
        error::{ApiError, FieldError},
        observe::HEADERS,
        request_id::RequestId,
        visit::Visit,
    },
    screens::Ask,
    upstream::{Context, Deadline, Trail},
};

/// The longest that a client will wait, in milliseconds.
pub const DEADLINE: HeaderName = HeaderName::from_static("x-deadline-ms");
/// The same, as the OpenAPI document and errors name it.
const DEADLINE_NAME: &str = "X-Deadline-Ms";
/// Where the caller's trace is (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

crate::request! {
    /// Which parts of a screen are wanted.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct Wanted {
        /// Names of parts, separated by commas; all, if it isn't given.
        #[param(pattern = "^[a-z_]+(,[a-z_]+)*$")]
        parts: Option<String>,
    }
}

impl FromRequestParts<AppState> for Ask {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Query(wanted) = Query::<Wanted>::from_request_parts(parts, state).await?;
        Ok(Self {
            parts: wanted.parts,
            limit: limit(&parts.headers)?,
            trail: trail(parts),
        })
    }
}

/// For reads that are no screens.
impl FromRequestParts<AppState> for Context {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let longest = state.settings.screens.read_ms.duration();
        Ok(Self {
            deadline: Deadline::asked(limit(&parts.headers)?, longest),
            trail: trail(parts),
        })
    }
}

/// For what is bound to no time of the client's.
impl FromRequestParts<AppState> for Trail {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(trail(parts))
    }
}

impl IntoParams for Ask {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut all = Wanted::into_params(place);
        all.push(deadline());
        all
    }
}

impl IntoParams for Context {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![deadline()]
    }
}

/// How the OpenAPI document tells of it.
fn deadline() -> Parameter {
    let millis = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1));
    let description = "The longest that the client will wait for the answer to begin, in \
                       milliseconds. More than the server would give it anyway changes nothing";
    header_parameter(DEADLINE_NAME, description, millis)
}

fn header_parameter(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn limit(headers: &HeaderMap) -> Result<Option<Duration>, ApiError> {
    let Some(value) = headers.get(DEADLINE) else {
        return Ok(None);
    };
    let millis: Option<u64> = value.to_str().ok().and_then(|value| value.parse().ok());
    millis
        .filter(|millis| *millis > 0)
        .map(|millis| Some(Duration::from_millis(millis)))
        .ok_or_else(|| {
            let detail = "expected a number of milliseconds, 1 or more";
            let fault = FieldError::new(DEADLINE_NAME, "invalid_number", detail);
            ApiError::invalid(vec![fault])
        })
}

fn trail(parts: &mut Parts) -> Trail {
    let visit = Visit::of(&mut parts.extensions);
    Trail {
        request_id: visit.id.as_ref().map(RequestId::header_value),
        traceparent: parts.headers.get(TRACEPARENT).cloned(),
    }
}

/// The version that the client knows, if any (RFC 9110, section 13.1.2).
#[derive(Debug, Clone, Default)]
pub struct IfNoneMatch(Vec<HeaderValue>);

impl FromRequestParts<AppState> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(header::IF_NONE_MATCH);
        Ok(Self(values.iter().cloned().collect()))
    }
}

/// What the answer of such a read says besides, `edge::openapi` adds.
impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let tags = ObjectBuilder::new().schema_type(Type::String);
        vec![header_parameter(Self::NAME, "`ETag`s from before", tags)]
    }
}

impl IfNoneMatch {
    /// The header, as the OpenAPI document names it.
    pub const NAME: &str = "If-None-Match";

    /// Answers with JSON, or with 304 when the client has it. What has no tag
    /// isn't for keeping.
    pub fn answer(&self, body: Bytes, etag: Option<HeaderValue>, kept: &'static str) -> Response {
        let Some(etag) = etag else {
            let mut response = json(body);
            let no_store = HeaderValue::from_static("no-store");
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, no_store);
            return response;
        };
        let mut response = if self.matches(&etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            json(body)
        };
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
        headers.insert(header::ETAG, etag);
        response
    }

    /// Weakly, as a 304 wants it. Tags of ours hold no comma.
    fn matches(&self, etag: &HeaderValue) -> bool {
        // Most clients send back just that one, and it needs no taking apart.
        if self.0.contains(etag) {
            return true;
        }
        let tags = self
            .0
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        tags.map(<[u8]>::trim_ascii)
            .map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag))
            .any(|tag| tag == b"*" || tag == etag.as_bytes())
    }
}

fn json(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_version_is_found_however_it_is_listed() {
        let etag = HeaderValue::from_static("\"a1\"");
        let answer = |known: &[&'static str]| {
            let known = IfNoneMatch(known.iter().map(|k| HeaderValue::from_static(k)).collect());
            known
                .answer("{}".into(), Some(etag.clone()), "private, no-cache")
                .status()
        };
        for known in [
            &["\"a1\""][..],
            &["W/\"a1\""],
            &["\"b\" , \"a1\""],
            &["\"b\"", "\"a1\""],
            &["*"],
        ] {
            assert_eq!(answer(known), StatusCode::NOT_MODIFIED, "{known:?}");
        }
        for known in [&[][..], &["\"a\""], &["a1"], &["\"A1\""], &[""]] {
            assert_eq!(answer(known), StatusCode::OK, "{known:?}");
        }
    }

    #[test]
    fn what_has_no_tag_isnt_for_keeping() {
        let answer =
            IfNoneMatch(vec![HeaderValue::from_static("*")]).answer("{}".into(), None, "private");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        assert!(!answer.headers().contains_key(header::ETAG));
    }
}
