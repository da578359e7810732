use platform::config::Millis;
use serde::{Deserialize, Serialize};

/// Settings of screens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ScreenSettings {
    /// How long `/v1/screens/home` may take, in milliseconds.
    pub home_ms: Millis,
    /// How long a read that is no screen may take, in milliseconds.
    pub read_ms: Millis,
    /// What is kept back of a screen's time for putting it together, in milliseconds.
    pub merge_reserve_ms: Millis,
    /// For how long a merged screen is sent again as it is, in milliseconds:
    /// by so much the ages in it may be wrong.
    pub merged_ms: Millis,
    /// Memory for merged screens, in bytes.
    pub merged_bytes: u64,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self {
            home_ms: Millis(1_000),
            read_ms: Millis(1_000),
            merge_reserve_ms: Millis(50),
            merged_ms: Millis(100),
            merged_bytes: 16 * 1024 * 1024,
        }
    }
}
