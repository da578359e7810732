//! Messages to people, by mail and SMS: one-time codes, and notices of what
//! happened to their accounts.
//!
//! A message is sealed and written to the outbox, so that sending it never
//! shows in the time of an answer and nothing between here and the
//! [`Notifier`] can read it. The notifier sends it once, within its time, or
//! says why it wasn't sent.

mod file;
mod language;
mod mail;
mod message;
mod notifier;
mod seal;
pub mod settings;
mod sms;
mod store;
mod text;

use chrono::{DateTime, Utc};
use platform::{
    clock::Clock,
    outbox::{self, NewEvent},
    trace,
};
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;

pub use language::Language;
pub use mail::Mailer;
pub use message::{Channel, Message, Notice};
pub use notifier::Notifier;
pub use seal::Sealer;
pub use sms::SmsSender;

/// What the outbox and the queue hold of a message.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    /// PASETO v4.local.
    sealed: String,
    /// From here on the message is worth nothing.
    expires_at: DateTime<Utc>,
}

/// Hands a message over, in the transaction of what it tells of.
///
/// # Errors
/// When the database doesn't answer.
pub async fn enqueue(
    executor: impl PgExecutor<'_>,
    sealer: &Sealer,
    message: &Message,
    clock: &dyn Clock,
) -> sqlx::Result<()> {
    let id = clock.new_id();
    let job = Job {
        sealed: sealer.seal(id, message),
        expires_at: message.expires_at(),
    };
    let event = NewEvent {
        id,
        subject: message.channel().subject(),
        aggregate_id: id,
        aggregate_version: 0,
        data: serde_json::to_value(job).expect("a job is plain data"),
        occurred_at: clock.now(),
        traceparent: trace::current_traceparent(),
    };
    outbox::append(executor, &event).await
}
