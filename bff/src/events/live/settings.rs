use platform::config::Seconds;
use serde::{Deserialize, Serialize};

/// Streams of a user's own changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSettings {
    /// Streams that one replica has open at once.
    pub max: usize,
    /// Streams that one user has open at once on a replica.
    pub max_per_user: usize,
    /// Events that wait for a client to read them before its stream is ended.
    pub waiting: usize,
    /// How often a quiet stream shows that it is there, in seconds.
    pub heartbeat_s: Seconds,
    /// After how long a stream ends, so that its client proves again who it
    /// is, in seconds, give or take a tenth.
    pub max_age_s: Seconds,
    /// Events that a replica remembers, for clients that come back.
    pub remembered: usize,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            max: 5_000,
            max_per_user: 8,
            waiting: 32,
            heartbeat_s: Seconds(15),
            max_age_s: Seconds(300),
            remembered: 20_000,
        }
    }
}
