//! The id that ties an answer to its log lines.

use http::{HeaderMap, HeaderName, HeaderValue};
use platform::clock::Clock;

/// The header in which the id comes and goes.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the client's, when it is 1–64 of `[A-Za-z0-9._-]`, or
/// one made here.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap, clock: &dyn Clock) -> Self {
        let mut given = headers.get_all(HEADER).iter();
        match (given.next(), given.next()) {
            (Some(id), None) if is_acceptable(id.as_bytes()) => Self(id.clone()),
            _ => {
                let mut buffer = uuid::Uuid::encode_buffer();
                let id = clock.new_id().as_simple().encode_lower(&mut buffer);
                Self(HeaderValue::from_str(id).expect("hexadecimal digits are visible ASCII"))
            }
        }
    }

    /// As a header's value.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// As a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

fn is_acceptable(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}
