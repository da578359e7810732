//! HTTP in, HTTP out: one file per resource.

pub mod accounts;
pub mod admin;
pub mod auth;
pub mod codes;
pub mod cursor;
pub mod events;
pub mod export;
pub mod identities;
pub mod items;
pub mod life;
pub mod me;
pub mod oauth;
pub mod orders;
pub mod pages;
pub mod passwords;
pub mod screens;
pub mod sessions;
pub mod statement;
pub mod transfers;
pub mod well_known;

use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;

use crate::{
    cache::digest,
    edge::{
        error::{ApiError, Code, FieldError},
        extract::IfNoneMatch,
    },
    identity::{self, oauth::Failure, password::Weakness},
    screens::strong_etag,
    upstream::{CallError, Violation},
};

/// The client may keep it, and has to ask whether it still holds.
const PRIVATE: &str = "private, no-cache";

/// Answers with JSON that carries a tag of its content.
fn tagged(
    known: &IfNoneMatch,
    value: &impl Serialize,
    kept: &'static str,
) -> Result<Response, ApiError> {
    let json = serde_json::to_vec(value).map_err(ApiError::internal)?;
    Ok(tagged_bytes(known, json.into(), kept))
}

/// The same, serialised already.
fn tagged_bytes(known: &IfNoneMatch, body: Bytes, kept: &'static str) -> Response {
    let etag = tag_of(&body);
    known.answer(body, Some(etag), kept)
}

/// The tag of what these bytes say.
pub(crate) fn tag_of(body: &Bytes) -> HeaderValue {
    strong_etag(&digest(&[body]))
}

/// What identity refuses, as an answer.
impl From<identity::Error> for ApiError {
    fn from(error: identity::Error) -> Self {
        use identity::Error;

        if let Some(refusal) = CallError::refusal_in(&error) {
            return refusal.clone().into();
        }
        let detail = error.to_string();
        match error {
            Error::InvalidCredentials => Self::new(Code::InvalidCredentials),
            Error::Unauthenticated | Error::Stolen { .. } => Self::new(Code::Unauthenticated),
            Error::InvalidCode => Self::new(Code::InvalidCode),
            Error::StepUpRequired => Self::new(Code::StepUpRequired),
            Error::LastSignInMethod => Self::new(Code::LastSignInMethod),
            Error::NotFound => Self::new(Code::NotFound),
            Error::Forbidden => Self::new(Code::Forbidden),
            Error::Gone => Self::new(Code::UserDeleted),
            Error::StillOpen(all) => Self::new(Code::ObligationsRemain).errors(
                all.into_iter()
                    .map(|one| FieldError::new("", one.code(), one.detail()))
                    .collect(),
            ),
            Error::Weak(field, weaknesses) => {
                let fault = |weakness: Weakness| {
                    FieldError::new(format!("/{field}"), weakness.code(), weakness.detail())
                };
                Self::invalid(weaknesses.into_iter().map(fault).collect())
            }
            Error::Taken(fields) => Self::new(Code::Conflict).errors(
                fields
                    .into_iter()
                    .map(|name| FieldError::new(format!("/{name}"), "taken", "someone else has it"))
                    .collect(),
            ),
            Error::TooOften(wait) => Self::new(Code::RateLimited).retry_after(wait),
            Error::Busy(_) => Self::new(Code::Overloaded).retry_after(Duration::from_secs(1)),
            Error::Redis(_) => Self::unavailable("redis", detail),
            Error::Postgres(error) => error.into(),
            Error::NoSigningKey(_) => Self::unavailable("signing keys", detail),
        }
    }
}

/// What the accounts store refuses, as an answer.
impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(refusal) = CallError::refusal_in(&error) {
            refusal.clone().into()
        } else if platform::postgres::is_timeout(&error) {
            tracing::warn!(%error, "the accounts store took too long");
            Self::new(Code::DeadlineExceeded)
        } else if platform::postgres::is_unavailable(&error) {
            Self::unavailable("accounts store", error)
        } else if platform::postgres::is_bad_value(&error) {
            // What was asked for should have been looked at more closely.
            tracing::warn!(%error, "the accounts store refused a value");
            Self::invalid(Vec::new())
        } else {
            Self::internal(error)
        }
    }
}

/// What a provider refuses, as an answer.
impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied => Self::new(Code::Forbidden),
            Failure::Unavailable(error) => error.into(),
            Failure::Answer(reason) => Self::unavailable("identity provider", reason),
            Failure::Refused => Self::new(Code::InvalidCredentials),
            Failure::Taken => Self::new(Code::Conflict),
            Failure::Identity(error) => error.into(),
        }
    }
}

/// What a guarded call brought instead of an answer.
impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        let code = match &error {
            CallError::Unavailable { .. } | CallError::CircuitOpen { .. } => Code::Unavailable,
            CallError::DeadlineExceeded => Code::DeadlineExceeded,
            CallError::Overloaded { .. } => Code::Overloaded,
            CallError::Unauthenticated => Code::Unauthenticated,
            CallError::Denied => Code::Forbidden,
            CallError::NotFound => Code::NotFound,
            CallError::Invalid(violations) => {
                let fault = |one: &Violation| {
                    FieldError::new(one.field.clone(), "invalid", one.reason.clone())
                };
                return Self::invalid(violations.iter().map(fault).collect());
            }
            CallError::Misused(detail) | CallError::Internal(detail) => {
                return Self::internal(detail);
            }
        };
        match error.retry_after() {
            // That a circuit opened was logged once, when it did.
            Some(_) if matches!(error, CallError::CircuitOpen { .. }) => {
                tracing::debug!(%error, "a call failed");
            }
            Some(_) => tracing::warn!(%error, "a call failed"),
            None => tracing::debug!(%error, "a call was refused"),
        }
        match error.retry_after() {
            Some(after) if code == Code::Overloaded => {
                Self::new(code).retry_after(after).congestion()
            }
            Some(after) if code != Code::DeadlineExceeded => Self::new(code).retry_after(after),
            _ => Self::new(code),
        }
    }
}
