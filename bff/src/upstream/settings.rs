use platform::config::{Millis, ServerUrl};
use serde::{Deserialize, Serialize};

use super::BreakerSettings;

/// Settings of the orders service's client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct OrdersSettings {
    /// `http://host:port`
    pub url: ServerUrl,
    /// How long connecting may take, in milliseconds.
    pub connect_timeout_ms: Millis,
    /// Calls of one method that may be in flight at once.
    pub concurrency: usize,
    /// How long a call may wait for its turn, in milliseconds.
    pub wait_ms: Millis,
    /// Tries after the first when the service is unavailable.
    pub retries: u32,
    /// Whether slow reads are asked for a second time.
    pub hedge: bool,
    /// When calls stop for a while.
    pub breaker: BreakerSettings,
}

impl Default for OrdersSettings {
    fn default() -> Self {
        Self {
            url: ServerUrl::literal("http://127.0.0.1:50051"),
            connect_timeout_ms: Millis(500),
            concurrency: 256,
            wait_ms: Millis(100),
            retries: 2,
            hedge: true,
            breaker: BreakerSettings::default(),
        }
    }
}

/// Settings of reading from the accounts store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountsSettings {
    /// A streaming replica to read from; none: everything is read from the
    /// primary. It may lag: nothing about money is decided by it.
    pub replica_url: Option<ServerUrl>,
    /// For how long after a change a user reads from the primary, in
    /// milliseconds: longer than the replica usually lags.
    pub primary_after_write_ms: Millis,
    /// Connections for reads, beside those of `postgres` for everything else. Reads of
    /// profiles and of money have half of them each.
    pub max_connections: u32,
    /// How long a read waits for a free connection, in milliseconds.
    pub wait_ms: Millis,
    /// The server ends a read that runs longer, in milliseconds; no less than
    /// the longest time that a screen gives it.
    pub statement_timeout_ms: Millis,
    /// When one kind of read stops for a while.
    pub breaker: BreakerSettings,
}

impl Default for AccountsSettings {
    fn default() -> Self {
        Self {
            replica_url: None,
            primary_after_write_ms: Millis(5_000),
            max_connections: 16,
            wait_ms: Millis(200),
            statement_timeout_ms: Millis(1_000),
            breaker: BreakerSettings::default(),
        }
    }
}
