//! The transactional outbox: an event is a row, written in the transaction of
//! the work that it tells of, and published afterwards by a [`Relay`]. So a
//! change and its event happen together or not at all, with NATS or without.

mod announce;
mod relay;
mod store;

use async_nats::HeaderMap;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{clock::Clock, trace};

pub use announce::announce;
pub use relay::Relay;
pub use store::append;

/// Something that happened, on its way to the outbox.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The event's own id: consumers and JetStream know a repeat by it.
    pub id: Uuid,
    /// The NATS subject without prefix, which is also the CloudEvents type.
    pub subject: &'static str,
    /// What it happened to. Events of one aggregate are published in the order
    /// in which they were written.
    pub aggregate_id: Uuid,
    /// The aggregate's version after the change; 0 where there are no versions.
    pub aggregate_version: i64,
    /// The payload, a JSON object of 64 KiB at most. No personal data.
    pub data: serde_json::Value,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The W3C trace context of the work, when traces are on.
    pub traceparent: Option<String>,
}

impl NewEvent {
    /// An event of now, in the current trace.
    ///
    /// Write it after the aggregate's row was changed in the same transaction:
    /// the lock on that row is what keeps an aggregate's events in order.
    ///
    /// # Panics
    /// When `data` can't be JSON, which a type that derives `Serialize` can.
    #[must_use]
    pub fn new(
        subject: &'static str,
        aggregate_id: Uuid,
        aggregate_version: i64,
        data: &impl Serialize,
        clock: &dyn Clock,
    ) -> Self {
        Self {
            id: clock.new_id(),
            subject,
            aggregate_id,
            aggregate_version,
            data: serde_json::to_value(data).expect("an event's payload is plain data"),
            occurred_at: clock.now(),
            traceparent: trace::current_traceparent(),
        }
    }
}

/// CloudEvents 1.0 in binary mode: attributes are headers, the body is the data.
fn headers(
    id: Uuid,
    subject: &str,
    aggregate_id: Uuid,
    occurred_at: DateTime<Utc>,
    source: &str,
    traceparent: Option<&str>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", id.to_string());
    headers.insert("ce-source", source);
    headers.insert("ce-type", subject);
    headers.insert("ce-subject", aggregate_id.to_string());
    headers.insert(
        "ce-time",
        occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true),
    );
    headers.insert("ce-datacontenttype", "application/json");
    if let Some(traceparent) = traceparent {
        headers.insert("traceparent", traceparent);
    }
    headers
}
