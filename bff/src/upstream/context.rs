use http::HeaderValue;

use super::Deadline;

/// What ties a call to the request that caused it, in logs and traces.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// The request's id.
    pub request_id: Option<HeaderValue>,
    /// The client's W3C `traceparent`; used when no trace is recorded here.
    pub traceparent: Option<HeaderValue>,
}

/// For which request a call is made, and until when.
#[derive(Debug, Clone)]
pub struct Context {
    /// The answer is of no use after this.
    pub deadline: Deadline,
    /// The request that caused it.
    pub trail: Trail,
}
