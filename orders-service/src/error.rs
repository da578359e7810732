//! What can go wrong with a call, and the `google.rpc.Status` that says so.

use std::time::Duration;

use platform::postgres::{is_timeout, is_unavailable};
use proto::orders::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The domain of every reason.
const DOMAIN: &str = "orders.portico";

/// When to come back to something that is away or overloaded. A dead connection
/// is replaced and a burst of calls is over by then, and a caller with a second
/// for all of it has time for another try; what lasts longer opens its circuit.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such item, or it was deleted.
    #[error("there is no such item")]
    ItemNotFound,
    /// No such order of this user.
    #[error("there is no such order")]
    OrderNotFound,
    /// Fields that don't hold what they should.
    #[error("{}", listed(.0))]
    Invalid(Vec<FieldViolation>),
    /// A message that is too long or can't be read.
    #[error("the message is too long or can't be read")]
    MessageInvalid,
    /// A call that would wait for ever.
    #[error("every call needs a deadline: set grpc-timeout")]
    DeadlineRequired,
    /// The time was up.
    #[error("the call's time was up")]
    DeadlinePassed,
    /// No good token.
    #[error("the token is missing or isn't good")]
    TokenRefused,
    /// A call about a user's own things without a user.
    #[error("the call needs a token that names a user")]
    UserRequired,
    /// No such method.
    #[error("there is no such method")]
    MethodUnknown,
    /// Too many calls at once.
    #[error("too many calls at once")]
    Overloaded,
    /// Something that the call needs is away.
    #[error("something the service needs is away")]
    Unavailable,
    /// The database failed; how, decides what the caller hears.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
    /// A fault of ours. The text is for the log alone.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// One field that doesn't hold what it should.
    #[must_use]
    pub fn field(field: &str, description: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldViolation::new(field, description)])
    }

    fn kind(&self) -> (Code, ErrorReason) {
        match self {
            Self::ItemNotFound => (Code::NotFound, ErrorReason::ItemNotFound),
            Self::OrderNotFound => (Code::NotFound, ErrorReason::OrderNotFound),
            Self::Invalid(_) => (Code::InvalidArgument, ErrorReason::FieldInvalid),
            Self::MessageInvalid => (Code::InvalidArgument, ErrorReason::MessageInvalid),
            Self::DeadlineRequired => (Code::InvalidArgument, ErrorReason::DeadlineRequired),
            Self::DeadlinePassed => (Code::DeadlineExceeded, ErrorReason::DeadlinePassed),
            Self::TokenRefused => (Code::Unauthenticated, ErrorReason::TokenRefused),
            Self::UserRequired => (Code::PermissionDenied, ErrorReason::UserRequired),
            Self::MethodUnknown => (Code::Unimplemented, ErrorReason::MethodUnknown),
            Self::Overloaded => (Code::ResourceExhausted, ErrorReason::Overloaded),
            Self::Unavailable => (Code::Unavailable, ErrorReason::DependencyUnavailable),
            Self::Store(error) if is_timeout(error) => Self::DeadlinePassed.kind(),
            Self::Store(error) if is_unavailable(error) => Self::Unavailable.kind(),
            Self::Store(_) | Self::Internal(_) => (Code::Internal, ErrorReason::InternalFault),
        }
    }

    /// What the caller reads: never a text of the database.
    fn message(&self, code: Code) -> String {
        match code {
            Code::Internal => "a fault of the service".to_owned(),
            Code::Unavailable => Self::Unavailable.to_string(),
            Code::DeadlineExceeded => Self::DeadlinePassed.to_string(),
            _ => self.to_string(),
        }
    }

    fn log(&self, code: Code) {
        match (code, self) {
            (Code::Internal, _) => tracing::error!(error = %self, "the call failed"),
            // That something is away was told when it went away.
            (Code::Unavailable, Self::Store(error)) => tracing::warn!(%error, "the call failed"),
            _ => tracing::debug!(error = %self, "the call was refused"),
        }
    }
}

impl From<Error> for Status {
    /// Every failed call passes here once, so here it is logged.
    fn from(error: Error) -> Self {
        let (code, reason) = error.kind();
        error.log(code);
        let mut details = ErrorDetails::with_error_info(reason.as_str_name(), DOMAIN, []);
        if matches!(code, Code::Unavailable | Code::ResourceExhausted) {
            details.set_retry_info(Some(RETRY_AFTER));
        }
        let message = error.message(code);
        if let Error::Invalid(violations) = error {
            details.set_bad_request(violations);
        }
        Self::with_error_details(code, message, details)
    }
}

fn listed(violations: &[FieldViolation]) -> String {
    let each =
        |violation: &FieldViolation| format!("{}: {}", violation.field, violation.description);
    violations.iter().map(each).collect::<Vec<_>>().join("; ")
}
