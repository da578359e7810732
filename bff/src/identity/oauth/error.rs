use crate::{identity, upstream::CallError};

/// Why a person who came back from a provider isn't signed in.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// They said no.
    #[error("the person said no")]
    Denied,
    /// The provider can't be asked.
    #[error("the provider: {0}")]
    Unavailable(#[from] CallError),
    /// What the provider said doesn't hold; the reason is for the log and holds
    /// nothing of it.
    #[error("the provider's answer: {0}")]
    Answer(&'static str),
    /// They are known, and may not sign in.
    #[error("the account may not be used")]
    Refused,
    /// Their account there belongs to someone else here, or they have linked
    /// another account of the same provider.
    #[error("linked otherwise")]
    Taken,
    /// A fault on this side.
    #[error(transparent)]
    Identity(#[from] identity::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Identity(error.into())
    }
}

impl Failure {
    /// Whether another request stored the same at the same time.
    pub(super) fn is_lost_race(&self) -> bool {
        let Self::Identity(identity::Error::Postgres(error)) = self else {
            return false;
        };
        error
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// What it is called in metrics.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Unavailable(_) => "unavailable",
            Self::Answer(_) => "invalid_answer",
            Self::Refused => "refused",
            Self::Taken => "taken",
            Self::Identity(_) => "failed",
        }
    }
}
