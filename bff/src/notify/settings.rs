//! Where messages go.

use std::time::Duration;

use platform::config::{Millis, Secret, ServerUrl};
use serde::{Deserialize, Serialize};

/// The longest that sending may take. The transaction that makes it happen once
/// stays open meanwhile, and PostgreSQL ends one that idles for ten seconds.
pub(super) const SEND_LIMIT: Duration = Duration::from_secs(8);

/// A time limit for sending, if it is within that.
pub(super) fn send_limit(limit: Millis) -> anyhow::Result<Duration> {
    let limit = limit.duration();
    anyhow::ensure!(limit <= SEND_LIMIT, "expected 8000 at most");
    Ok(limit)
}

/// Mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct MailSettings {
    /// `smtp://[user:password@]host[:port]`, with `?tls=required` for STARTTLS;
    /// `smtps://…` for TLS from the first byte; `file:///directory` to write
    /// `.eml` files instead of sending.
    pub url: ServerUrl,
    /// Whom messages come from: `Portico <no-reply@example.com>`.
    pub from: String,
    /// How long sending one mail may take, in milliseconds: 8000 at most.
    pub timeout_ms: Millis,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            url: ServerUrl::literal("smtp://127.0.0.1:1025"),
            from: "Portico <no-reply@localhost>".into(),
            timeout_ms: Millis(5_000),
        }
    }
}

/// SMS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct SmsSettings {
    /// `https://…` to POST `{"to":"+14155550123","text":"…"}` to;
    /// `file:///directory` to write `.txt` files instead of sending. Without
    /// one no SMS is sent, which the log says of each.
    pub url: Option<ServerUrl>,
    /// Sent to the hook as `Authorization: Bearer …`, if given.
    pub secret: Secret,
    /// How long the hook may take, in milliseconds: 8000 at most.
    pub timeout_ms: Millis,
}

impl Default for SmsSettings {
    fn default() -> Self {
        Self {
            url: None,
            secret: Secret::default(),
            timeout_ms: Millis(5_000),
        }
    }
}
