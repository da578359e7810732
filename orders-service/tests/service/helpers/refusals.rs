//! How calls are refused.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What a failed call must say: a code, a reason in our domain.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(
    answer: Result<T, Status>,
    code: Code,
    reason: &str,
) -> ErrorDetails {
    let status = answer.expect_err("the call fails");
    let details = status.get_error_details();
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(
        (status.code(), info.reason.as_str()),
        (code, reason),
        "{status:?}"
    );
    assert_eq!(info.domain, "orders.portico");
    details
}

/// The fields that a refused call names.
#[track_caller]
pub fn invalid_fields<T: std::fmt::Debug>(answer: Result<T, Status>) -> Vec<String> {
    let details = assert_refused(answer, Code::InvalidArgument, "FIELD_INVALID");
    let bad = details.bad_request().expect("the fields are named");
    bad.field_violations
        .iter()
        .map(|violation| violation.field.clone())
        .collect()
}
