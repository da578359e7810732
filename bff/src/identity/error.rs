use std::time::Duration;

use uuid::Uuid;

use super::password::{Busy, Weakness};

/// Why identity refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Identifier and password don't belong together, or may not be used.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The session's proof is worth nothing.
    #[error("unauthenticated")]
    Unauthenticated,
    /// A displaced refresh token was used: the session has ended. To the client
    /// this is [`Error::Unauthenticated`].
    #[error("a displaced refresh token was used")]
    Stolen {
        /// Whose session it was.
        user_id: Uuid,
        /// The session.
        session_id: Uuid,
    },
    /// The one-time code is worth nothing.
    #[error("invalid code")]
    InvalidCode,
    /// The new password, in this field, breaks these rules.
    #[error("the password is too weak")]
    Weak(&'static str, Vec<Weakness>),
    /// Someone else has these: names of fields.
    #[error("taken: {0:?}")]
    Taken(Vec<&'static str>),
    /// Not before this time is over.
    #[error("too often; wait {0:?}")]
    TooOften(Duration),
    /// The session's owner has to prove again who they are.
    #[error("step-up required")]
    StepUpRequired,
    /// The user could never sign in again.
    #[error("the last way to sign in can't be removed")]
    LastSignInMethod,
    /// Nothing of that name belongs to the caller.
    #[error("not found")]
    NotFound,
    /// The hashing queue is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Redis doesn't answer: sessions and codes fail closed.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// PostgreSQL refused or doesn't answer.
    #[error("postgres: {0}")]
    Postgres(#[from] sqlx::Error),
    /// No key is valid: nothing can be signed.
    #[error(transparent)]
    NoSigningKey(#[from] super::token::NoSigningKey),
}
