use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Request},
};
use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    fields::{Fields, FromFields, Place},
    json::Unambiguous,
};
use crate::{
    app::AppState,
    edge::error::{ApiError, Code, FieldError},
};

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: FromFields> FromRequest<AppState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let fields = json_body(request, state).await?;
        Fields::read(Place::Body, fields).map(Self)
    }
}

/// Reads the fields of a JSON body.
///
/// # Errors
/// When it isn't JSON, says it isn't, is no object or too large.
pub async fn json_body(request: Request, state: &AppState) -> Result<Map<String, Value>, ApiError> {
    if media_type(request.headers()) != Some(MediaType::Json) {
        return Err(ApiError::new(Code::UnsupportedMediaType));
    }
    json_object(&read(request, state).await?)
}

/// Refuses what another site's form could send, also where no body is looked at:
/// whoever needs none may say that it is JSON, or nothing.
///
/// # Errors
/// 415.
pub async fn json_or_nothing(request: Request) -> Result<Request, ApiError> {
    let says_nothing = !request.headers().contains_key(header::CONTENT_TYPE);
    let is_read = request.method().is_safe();
    if says_nothing || is_read || media_type(request.headers()) == Some(MediaType::Json) {
        Ok(request)
    } else {
        Err(ApiError::new(Code::UnsupportedMediaType))
    }
}

/// A JSON body or an HTML form, with the same fields.
#[derive(Debug)]
pub struct JsonOrForm<T>(pub T);

impl<T: FromFields> FromRequest<AppState> for JsonOrForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let media_type = media_type(request.headers());
        let body = match media_type {
            Some(_) => read(request, state).await?,
            None => return Err(ApiError::new(Code::UnsupportedMediaType)),
        };
        let values = match media_type {
            Some(MediaType::Form) => pairs(&body, Place::Body)?,
            _ => json_object(&body)?,
        };
        Fields::read(Place::Body, values).map(Self)
    }
}

/// The query's parameters.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: FromFields> FromRequestParts<AppState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        Fields::read(Place::Query, pairs(query.as_bytes(), Place::Query)?).map(Self)
    }
}

/// A path's segments. One that doesn't parse can't name anything: 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|_| ApiError::new(Code::NotFound))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MediaType {
    Json,
    Form,
}

fn media_type(headers: &HeaderMap) -> Option<MediaType> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let utf8 = |p: &str| p.is_empty() || p.to_ascii_lowercase().replace('"', "") == "charset=utf-8";
    if !parameters.split(';').map(str::trim).all(utf8) {
        return None;
    }
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/json" => Some(MediaType::Json),
        "application/x-www-form-urlencoded" => Some(MediaType::Form),
        _ => None,
    }
}

async fn read(request: Request, state: &AppState) -> Result<Bytes, ApiError> {
    let http = &state.settings.http;
    let body = to_bytes(request.into_body(), http.max_body_bytes);
    let Ok(body) = timeout(http.body_timeout_ms.duration(), body).await else {
        return Err(ApiError::new(Code::RequestTimeout));
    };
    body.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return ApiError::new(Code::TooLarge);
            }
            cause = error.source();
        }
        ApiError::new(Code::ClientClosedRequest)
    })
}

fn json_object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let whole = |code: &'static str, detail: String| {
        ApiError::invalid(vec![FieldError::new("", code, detail)])
    };
    match serde_json::from_slice(body) {
        Ok(Unambiguous(Value::Object(fields))) => Ok(fields),
        Ok(_) => Err(whole("wrong_type", "expected a JSON object".into())),
        Err(error) => Err(whole("malformed_json", error.to_string())),
    }
}

/// `a=1&b=2`, with each name once.
fn pairs(text: &[u8], place: Place) -> Result<Map<String, Value>, ApiError> {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(text) {
        let pointer = if place == Place::Body {
            format!("/{name}")
        } else {
            name.to_string()
        };
        if value.contains('\u{fffd}') || name.contains('\u{fffd}') {
            let fault = FieldError::new(pointer, "invalid_encoding", "expected UTF-8");
            return Err(ApiError::invalid(vec![fault]));
        }
        if fields
            .insert(name.into_owned(), Value::String(value.into_owned()))
            .is_some()
        {
            let fault = FieldError::new(pointer, "repeated", "expected at most one");
            return Err(ApiError::invalid(vec![fault]));
        }
    }
    Ok(fields)
}
