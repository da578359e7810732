use std::time::Duration;

use anyhow::Context as _;
use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{
        Message,
        stream::{LastRawMessageErrorKind, Stream as RemoteStream},
    },
};
use chrono::SecondsFormat;

use super::{Consumer, delivery::header};
use crate::nats::{Nats, Stream};

const REASON: &str = "dlq-reason";
const SUBJECT: &str = "dlq-subject";
const CONSUMER: &str = "dlq-consumer";
const DELIVERIES: &str = "dlq-deliveries";
const AT: &str = "dlq-at";

/// How long listing or replaying may take for one letter.
const LIMIT: Duration = Duration::from_secs(5);

/// A message that a consumer gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number among the dead letters: what replays it.
    pub sequence: u64,
    /// The event's id, when it had one.
    pub event_id: Option<String>,
    /// The subject that it came on, without prefix.
    pub event_type: String,
    /// Who gave it up.
    pub consumer: String,
    /// Why.
    pub reason: String,
    /// How often it had been delivered.
    pub deliveries: String,
    /// When it was given up, RFC 3339.
    pub at: String,
}

/// The messages that consumers gave up, kept until they are replayed or too old.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    nats: Nats,
}

impl DeadLetters {
    /// The dead letters on this server.
    #[must_use]
    pub fn new(nats: Nats) -> Self {
        Self { nats }
    }

    pub(super) async fn add(
        &self,
        consumer: &Consumer,
        message: &Message,
        deliveries: i64,
        reason: &str,
    ) -> anyhow::Result<()> {
        let mut headers = message.headers.clone().unwrap_or_default();
        // The same letter may be written twice when the acknowledgement got
        // lost; the message's place in its stream tells.
        let place = message.info().map(|info| info.stream_sequence).unwrap_or(0);
        let stream = self.nats.stream_name(consumer.stream);
        let id = format!("dlq:{stream}:{place}:{}", consumer.name);
        let at = consumer
            .clock
            .now()
            .to_rfc3339_opts(SecondsFormat::Millis, true);
        headers.insert(NATS_MESSAGE_ID, id);
        headers.insert(REASON, one_line(reason));
        headers.insert(SUBJECT, message.subject.as_str());
        headers.insert(CONSUMER, consumer.name);
        headers.insert(DELIVERIES, deliveries.to_string());
        headers.insert(AT, at);
        let subject = self.nats.subject(&format!("dlq.{}", consumer.name));
        self.nats
            .jetstream()
            .publish_with_headers(subject, headers, message.payload.clone())
            .await?
            .await?;
        Ok(())
    }

    /// The oldest `limit` letters.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn list(&self, limit: usize) -> anyhow::Result<Vec<DeadLetter>> {
        let stream = self.stream().await?;
        let state = &stream.cached_info().state;
        let mut letters = Vec::new();
        // Numbers start at 1; a stream that never held anything says 0.
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            if letters.len() == limit {
                break;
            }
            if let Some((letter, ..)) = self.read(&stream, sequence).await? {
                letters.push(letter);
            }
        }
        Ok(letters)
    }

    /// Puts one letter back where it came from, and removes it here. Every
    /// consumer of that stream meets it again; those that had handled it know
    /// it by their inbox. Returns `None` when there is no such letter.
    ///
    /// # Errors
    /// When NATS is away, or the stream doesn't take it.
    pub async fn replay(&self, sequence: u64) -> anyhow::Result<Option<DeadLetter>> {
        let stream = self.stream().await?;
        let Some((letter, mut headers, payload)) = self.read(&stream, sequence).await? else {
            return Ok(None);
        };
        let subject = self.nats.subject(&letter.event_type);
        // Another id than the first time, or JetStream takes it for a repeat;
        // the event's own id stays in `ce-id`.
        headers.insert(NATS_MESSAGE_ID, format!("replay:{sequence}:{}", letter.at));
        for name in [REASON, SUBJECT, CONSUMER, DELIVERIES, AT] {
            headers.insert(name, "");
        }
        let published = self
            .nats
            .jetstream()
            .publish_with_headers(subject, headers, payload)
            .await?;
        published.await?;
        stream.delete_message(sequence).await?;
        Ok(Some(letter))
    }

    async fn stream(&self) -> anyhow::Result<RemoteStream> {
        self.nats.ensure_streams().await?;
        let name = self.nats.stream_name(Stream::Dead);
        Ok(self.nats.jetstream().get_stream(name).await?)
    }

    async fn read(
        &self,
        stream: &RemoteStream,
        sequence: u64,
    ) -> anyhow::Result<Option<(DeadLetter, HeaderMap, bytes::Bytes)>> {
        let message = tokio::time::timeout(LIMIT, stream.get_raw_message(sequence))
            .await
            .context("no answer in time")?;
        let message = match message {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let text = |name: &'static str| header(&message.headers, name).unwrap_or("").to_owned();
        let subject = text(SUBJECT);
        let letter = DeadLetter {
            sequence,
            event_id: header(&message.headers, "ce-id").map(str::to_owned),
            event_type: self.nats.event_type(&subject).to_owned(),
            consumer: text(CONSUMER),
            reason: text(REASON),
            deliveries: text(DELIVERIES),
            at: text(AT),
        };
        Ok(Some((letter, message.headers, message.payload)))
    }
}

/// A header can't hold a line break.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(256)
        .collect()
}
