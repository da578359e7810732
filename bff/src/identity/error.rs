use std::time::Duration;

use uuid::Uuid;

use super::password::{Busy, Weakness};

/// What keeps a user from being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obligation {
    /// There is money in an account.
    Balance,
    /// Money is set aside for a payment.
    Hold,
    /// An order isn't paid or cancelled yet.
    OpenOrder,
}

impl Obligation {
    /// For programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Hold => "hold",
            Self::OpenOrder => "open_order",
        }
    }

    /// For people.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Balance => "there is money in an account",
            Self::Hold => "money is set aside for a payment",
            Self::OpenOrder => "an order waits for its payment",
        }
    }
}

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
    /// The caller may not do this to this user.
    #[error("forbidden")]
    Forbidden,
    /// The user was deleted, and can't be changed any more.
    #[error("the user was deleted")]
    Gone,
    /// The user can't be deleted while these are there.
    #[error("still open: {0:?}")]
    StillOpen(Vec<Obligation>),
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
