use std::{error::Error, io, sync::Arc, time::Duration};

/// What a client is told to wait when nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// One field that the callee refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field, by the name that the edge's clients know it by.
    pub field: String,
    /// What is wrong with it, fit for a client's eyes.
    pub reason: String,
}

/// Why a call to a service or a store brought nothing.
///
/// It can be cloned, because everyone who waited for a shared call gets it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The callee can't be reached, or said that it can't work now.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// When to come back, if the callee said so.
        retry_after: Option<Duration>,
        /// For the log only.
        detail: Arc<str>,
    },
    /// No answer in time. Whether the work was done is unknown.
    #[error("no answer in time")]
    DeadlineExceeded,
    /// Too much is in flight, here or there; nothing was begun.
    #[error("overloaded")]
    Overloaded {
        /// When to come back, if the callee said so.
        retry_after: Option<Duration>,
    },
    /// The callee has failed too often; it wasn't called.
    #[error("the circuit is open")]
    CircuitOpen {
        /// When the next probe is due.
        retry_after: Duration,
    },
    /// It needs someone signed in.
    #[error("not signed in")]
    Unauthenticated,
    /// The caller may not have it.
    #[error("denied")]
    Denied,
    /// There is no such thing, or none that the caller may see.
    #[error("not found")]
    NotFound,
    /// The callee refused what was asked.
    #[error("invalid: {0:?}")]
    Invalid(Arc<[Violation]>),
    /// The callee is well, and was asked wrongly: a fault here, and nobody else's.
    #[error("misused: {0}")]
    Misused(Arc<str>),
    /// A fault, there or here. Trying again won't help.
    #[error("internal: {0}")]
    Internal(Arc<str>),
}

impl CallError {
    /// The callee can't be reached.
    pub fn unavailable(detail: impl std::fmt::Display) -> Self {
        let detail = detail.to_string().into();
        Self::Unavailable {
            retry_after: None,
            detail,
        }
    }

    /// A fault.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        Self::Internal(detail.to_string().into())
    }

    /// One field is at fault.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let (field, reason) = (field.into(), reason.into());
        Self::Invalid([Violation { field, reason }].into())
    }

    /// Why a guard made no call, out of an error of the callee's library.
    #[must_use]
    pub fn refusal_in<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let said = error.get_ref()?.downcast_ref();
            return said
                .filter(|said| matches!(said, Self::CircuitOpen { .. } | Self::Overloaded { .. }));
        }
        // As Redis's client keeps one.
        match error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(shared) => Self::refusal_in(&**shared),
            None => Self::refusal_in(error.source()?),
        }
    }

    /// The code that a client sees, the same as in problems.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } | Self::CircuitOpen { .. } => "unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Overloaded { .. } => "overloaded",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "forbidden",
            Self::NotFound => "not_found",
            Self::Invalid(_) => "invalid_request",
            Self::Misused(_) | Self::Internal(_) => "internal",
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::DeadlineExceeded
                | Self::Overloaded { .. }
                | Self::CircuitOpen { .. }
        )
    }

    /// Whether this is the callee's answer to the caller, and not a failure to get one.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Unauthenticated | Self::Denied | Self::NotFound | Self::Invalid(_)
        )
    }

    /// When to try again, if that makes sense at all.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::Overloaded { retry_after } => {
                Some(retry_after.unwrap_or(RETRY_AFTER))
            }
            Self::CircuitOpen { retry_after } => Some(*retry_after),
            Self::DeadlineExceeded => Some(RETRY_AFTER),
            _ => None,
        }
    }
}

/// Of a read from the accounts store.
impl From<sqlx::Error> for CallError {
    fn from(error: sqlx::Error) -> Self {
        if platform::postgres::is_timeout(&error) {
            Self::DeadlineExceeded
        } else if platform::postgres::is_unavailable(&error) {
            Self::unavailable(error)
        } else if matches!(error, sqlx::Error::RowNotFound) {
            Self::NotFound
        } else if platform::postgres::is_bad_value(&error) {
            // What was asked for should have been looked at more closely.
            tracing::warn!(%error, "the accounts store refused a value");
            Self::Invalid([].into())
        } else {
            Self::internal(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guard_refused_is_found_in_the_errors_of_both_stores() {
        let refusal = || {
            let retry_after = Duration::from_secs(7);
            io::Error::other(CallError::CircuitOpen { retry_after })
        };
        let errors = [
            crate::identity::Error::from(sqlx::Error::from(refusal())),
            crate::identity::Error::from(redis::RedisError::from(refusal())),
        ];
        for error in errors {
            let found = CallError::refusal_in(&error);
            let seven = matches!(found, Some(CallError::CircuitOpen { retry_after }) if retry_after.as_secs() == 7);
            assert!(seven, "{error:?}: {found:?}");
        }
        let own = sqlx::Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(CallError::refusal_in(&own).is_none());
    }
}
