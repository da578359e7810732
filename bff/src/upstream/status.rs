//! What a gRPC status means to the edge.

use std::error::Error as _;

use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

use super::{CallError, Violation};

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        match status.code() {
            Code::Unavailable => Self::Unavailable {
                retry_after,
                detail: status.message().into(),
            },
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            // So ends a call at the channel's own time limit, and a call whose
            // connection broke.
            Code::Cancelled if !is_late(&status) && status.source().is_some() => {
                Self::unavailable(&status)
            }
            Code::Cancelled => Self::DeadlineExceeded,
            Code::ResourceExhausted => Self::Overloaded { retry_after },
            Code::NotFound => Self::NotFound,
            Code::PermissionDenied => Self::Denied,
            Code::InvalidArgument if details.bad_request().is_some() => {
                let violations = details.bad_request().map(|bad| &bad.field_violations[..]);
                let violation = |one: &tonic_types::FieldViolation| Violation {
                    field: field(&one.field).to_owned(),
                    reason: one.description.clone(),
                };
                Self::Invalid(
                    violations
                        .unwrap_or_default()
                        .iter()
                        .map(violation)
                        .collect(),
                )
            }
            // No answer of the service's: the connection broke.
            _ if status.source().is_some() => Self::unavailable(&status),
            code => {
                let reason = details.error_info().map_or("", |info| &info.reason);
                let detail = format!("{code:?} {reason}: {}", status.message()).into();
                if is_misuse(code) {
                    Self::Misused(detail)
                } else {
                    Self::Internal(detail)
                }
            }
        }
    }
}

/// Whether a callee that is well says so of what it was asked. The token is the edge's,
/// not the client's, so that it isn't good (UNAUTHENTICATED) is the edge's fault, too.
const fn is_misuse(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::AlreadyExists
            | Code::Aborted
            | Code::Unauthenticated
    )
}

fn is_late(status: &Status) -> bool {
    std::iter::successors(status.source(), |&error| error.source())
        .any(|error| error.is::<TimeoutExpired>())
}

/// The name under which the edge's clients know a field of the contract.
fn field(name: &str) -> &str {
    match name {
        "page_token" => "cursor",
        "page_size" => "limit",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    #[test]
    fn details_of_a_status_reach_the_client_in_its_own_words() {
        let retry = ErrorDetails::with_retry_info(Some(Duration::from_secs(3)));
        let error: CallError =
            Status::with_error_details(Code::Unavailable, "db host 10.0.0.1", retry).into();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        assert_eq!((error.code(), error.retryable()), ("unavailable", true));

        let bad = vec![FieldViolation::new(
            "page_token",
            "expected one of this query",
        )];
        let bad = ErrorDetails::with_bad_request(bad);
        let error: CallError = Status::with_error_details(Code::InvalidArgument, "", bad).into();
        let CallError::Invalid(violations) = error else {
            panic!("{error}")
        };
        assert_eq!(violations[0].field, "cursor");
    }

    #[test]
    fn what_isnt_the_clients_fault_isnt_shown_as_one() {
        for code in [
            Code::Unauthenticated,
            Code::InvalidArgument,
            Code::Unknown,
            Code::DataLoss,
        ] {
            let error: CallError = Status::new(code, "text").into();
            assert_eq!(error.code(), "internal", "{code:?}");
        }
    }
}
