use async_nats::{HeaderMap, header::NATS_MESSAGE_ID, jetstream::Message};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::nats::Nats;

/// One message, as a handler gets it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event's id: what the inbox is asked about.
    pub id: Uuid,
    /// Its place in the stream.
    pub place: u64,
    /// The CloudEvents type: the subject without prefix.
    pub event_type: String,
    /// The payload.
    pub data: Bytes,
    /// The W3C trace context of the work that caused the event.
    pub traceparent: Option<String>,
    /// What it happened to.
    pub aggregate_id: Uuid,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// How often it was delivered, this time included.
    pub deliveries: i64,
}

impl Delivery {
    /// `None` when the message isn't an event as the outbox writes them.
    pub(super) fn read(nats: &Nats, message: &Message, deliveries: i64) -> Option<Self> {
        let headers = message.headers.as_ref()?;
        let id = header(headers, "ce-id").or_else(|| header(headers, NATS_MESSAGE_ID))?;
        Some(Self {
            id: id.parse().ok()?,
            place: message.info().ok()?.stream_sequence,
            aggregate_id: header(headers, "ce-subject")?.parse().ok()?,
            occurred_at: header(headers, "ce-time")?.parse().ok()?,
            event_type: nats.event_type(&message.subject).to_owned(),
            data: message.payload.clone(),
            traceparent: header(headers, "traceparent").map(str::to_owned),
            deliveries,
        })
    }

    /// The payload as `T`.
    ///
    /// # Errors
    /// [`Failure::Dead`] when it is something else: that doesn't get better.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.data).map_err(|error| {
            Failure::Dead(format!("the payload doesn't fit ({:?})", error.classify()))
        })
    }
}

pub(super) fn header<N: async_nats::header::IntoHeaderName>(
    headers: &HeaderMap,
    name: N,
) -> Option<&str> {
    headers.get(name).map(|value| value.as_str())
}

/// Why a message wasn't handled. The reason is logged and kept with a dead
/// letter: it never holds a secret, a code or an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// May work later.
    #[error("{0}")]
    Retry(String),
    /// Won't work however often it is tried.
    #[error("{0}")]
    Dead(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Retry(format!("database: {error}"))
    }
}
