//! HTTP in, HTTP out: one file per resource.

pub mod auth;
pub mod me;
pub mod pages;
pub mod sessions;
pub mod well_known;

use std::time::Duration;

use crate::{
    edge::error::{ApiError, Code, FieldError},
    identity,
};

/// What identity refuses, as an answer.
impl From<identity::Error> for ApiError {
    fn from(error: identity::Error) -> Self {
        use identity::Error;

        let detail = error.to_string();
        match error {
            Error::InvalidCredentials => Self::new(Code::InvalidCredentials),
            Error::Unauthenticated | Error::Stolen { .. } => Self::new(Code::Unauthenticated),
            Error::InvalidCode => Self::new(Code::InvalidCode),
            Error::NotFound => Self::new(Code::NotFound),
            Error::Weak(weaknesses) => Self::invalid(
                weaknesses
                    .into_iter()
                    .map(|weakness| {
                        FieldError::new("/password", weakness.code(), weakness.detail())
                    })
                    .collect(),
            ),
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
        if platform::postgres::is_timeout(&error) {
            tracing::warn!(%error, "the accounts store took too long");
            Self::new(Code::DeadlineExceeded)
        } else if platform::postgres::is_unavailable(&error) {
            Self::unavailable("accounts store", error)
        } else {
            Self::internal(error)
        }
    }
}
