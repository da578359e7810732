//! How long what is over is kept.

use platform::config::Seconds;
use serde::{Deserialize, Serialize};

/// How long what is over is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct EventSettings {
    /// Published events in the outbox, to look at, in seconds.
    pub outbox_retention_s: Seconds,
    /// What the inbox remembers of handled events, in seconds: longer than
    /// streams keep events, or one that is delivered late is handled twice.
    pub inbox_retention_s: Seconds,
    /// First answers of requests with an `Idempotency-Key`, in seconds.
    pub idempotency_retention_s: Seconds,
    /// The audit trail, in seconds; the database keeps 30 days whatever is set.
    pub audit_retention_s: Seconds,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            outbox_retention_s: Seconds(24 * 3600),
            inbox_retention_s: Seconds(14 * 24 * 3600),
            idempotency_retention_s: Seconds(24 * 3600),
            audit_retention_s: Seconds(365 * 24 * 3600),
        }
    }
}
