//! Requests that must not be carried out twice, and their answers.
//!
//! A handler that takes an [`Idempotent`] body asks for an `Idempotency-Key`.
//! It hands the [`RequestKey`] to the store, which keeps the first answer with
//! the work, and gives back [`answer`].

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts as _, Request},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    error::{ApiError, FieldError},
    extract::{Fields, FromFields, Place, json_body},
};
use crate::{
    accounts::idempotency::{Answer, RequestKey},
    app::AppState,
    identity::Caller,
    schema::{schemas, text},
};

/// The header that a client sends its key in.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that tells a kept answer from a first one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What a client calls a request, as the document says it.
#[derive(Debug)]
pub struct IdempotencyKey;

impl IdempotencyKey {
    /// The most characters of one.
    pub const MAX: usize = 255;
    /// Visible ASCII.
    pub const PATTERN: &str = "^[!-~]+$";
}

schemas! {
    IdempotencyKey, "IdempotencyKey": "Names a request, so that it is carried out once.",
        text(1, Self::MAX).pattern(Some(Self::PATTERN));
}

/// The JSON body of a signed-in caller's request that is carried out once.
#[derive(Debug)]
pub struct Idempotent<T> {
    /// What it is known by.
    pub key: RequestKey,
    /// What is asked for.
    pub body: T,
}

impl<T: FromFields> FromRequest<AppState> for Idempotent<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        let key = key(&parts.headers)?;
        let operation = operation(&parts);
        let fields = json_body(Request::from_parts(parts, body), state).await?;
        Ok(Self {
            key: RequestKey {
                user_id: caller.user_id,
                key,
                fingerprint: fingerprint(&operation, &fields),
            },
            body: Fields::read(Place::Body, fields)?,
        })
    }
}

fn key(headers: &HeaderMap) -> Result<String, ApiError> {
    let fault = |code: &'static str, detail: &str| {
        ApiError::invalid(vec![FieldError::new("Idempotency-Key", code, detail)])
    };
    let mut values = headers.get_all(KEY).iter();
    let value = values
        .next()
        .ok_or_else(|| fault("required", "this header is required"))?;
    if values.next().is_some() {
        return Err(fault("repeated", "expected at most one"));
    }
    let good = |key: &&str| {
        (1..=IdempotencyKey::MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    value
        .to_str()
        .ok()
        .filter(good)
        .map(str::to_owned)
        .ok_or_else(|| fault("invalid", "expected 1 to 255 visible ASCII characters"))
}

/// What a key stands for besides the body: `POST /v1/transfers`.
fn operation(parts: &Parts) -> String {
    format!("{} {}", parts.method, parts.uri.path())
}

/// Says the same of bodies that differ in white space or order only: a map's
/// keys are sorted.
fn fingerprint(operation: &str, fields: &Map<String, Value>) -> [u8; 32] {
    let body = serde_json::to_vec(fields).expect("what was parsed can be written");
    let mut hash = Sha256::new();
    hash.update(operation.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

/// 201 with an answer that is kept.
pub fn answer(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::CREATED;
    let json = HeaderValue::from_static("application/json");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, json);
    if answer.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_what_is_asked_for_and_not_how_it_is_written() {
        let of = |operation: &str, body: &str| {
            fingerprint(operation, &serde_json::from_str(body).unwrap())
        };
        let one = of("POST /a", r#"{"a":1,"b":{"c":"x","d":null}}"#);
        assert_eq!(
            one,
            of("POST /a", "{ \"b\": {\"d\":null, \"c\":\"x\"}, \"a\": 1 }")
        );
        for other in [
            of("POST /b", r#"{"a":1,"b":{"c":"x","d":null}}"#),
            of("POST /a", r#"{"a":2,"b":{"c":"x","d":null}}"#),
            of("POST /a", r#"{"a":1,"b":{"c":"x"}}"#),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_key_is_visible_ascii_and_there_is_one() {
        let read = |keys: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in keys {
                headers.append(KEY, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            key(&headers).ok()
        };
        let longest = "k".repeat(255);
        for good in ["a", "~!\"", &longest] {
            assert_eq!(read(&[good]).as_deref(), Some(good));
        }
        for bad in [&[][..], &[""], &["a b"], &["a\tb"], &["ключ"], &["a", "a"]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(read(&[&"k".repeat(256)]), None);
    }
}
