//! The numbers of identity.

use platform::config::{List, Seconds};
use serde::{Deserialize, Serialize};

use super::{identifier::Region, password::Cost};

/// Sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionSettings {
    /// A token session ends when it wasn't refreshed for so long, in seconds.
    pub token_idle_s: Seconds,
    /// A cookie session ends when it wasn't used for so long, in seconds.
    pub cookie_idle_s: Seconds,
    /// Every session ends after this, in seconds, however it is used.
    pub absolute_s: Seconds,
    /// Sessions that a user may have; the oldest goes when there is one more.
    pub max_per_user: usize,
    /// How long a displaced refresh token still returns its successor, in
    /// seconds: for answers that got lost and for tabs that refresh at once.
    pub refresh_grace_s: Seconds,
    /// How long after a sign-in or step-up a session may do what needs one, in seconds.
    pub fresh_s: Seconds,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            token_idle_s: Seconds(14 * 24 * 3600),
            cookie_idle_s: Seconds(12 * 3600),
            absolute_s: Seconds(30 * 24 * 3600),
            max_per_user: 10,
            refresh_grace_s: Seconds(30),
            fresh_s: Seconds(600),
        }
    }
}

/// One-time codes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct CodeSettings {
    /// How long a code is good, in seconds.
    pub lifetime_s: Seconds,
    /// Wrong guesses after which a code is void.
    pub attempts: u32,
    /// Wrong guesses for one identifier within an hour, over all its codes.
    pub attempts_per_hour: u32,
    /// Codes that an identifier may be sent at once.
    pub send_burst: u32,
    /// Seconds after which it may be sent one more, once the burst is spent.
    pub send_interval_s: Seconds,
    /// Seconds between two codes for one identifier.
    pub resend_after_s: Seconds,
    /// Countries that SMS goes to, such as `US,GB,DE`; empty for all, which
    /// production doesn't take where SMS can be sent.
    pub sms_countries: List<Region>,
    /// SMS a day to one country.
    pub sms_per_country_per_day: u32,
    /// SMS a day in all.
    pub sms_per_day: u32,
    /// The region whose form a phone number without `+` has, such as `US`.
    pub default_region: String,
}

impl Default for CodeSettings {
    fn default() -> Self {
        Self {
            lifetime_s: Seconds(300),
            attempts: 5,
            attempts_per_hour: 15,
            send_burst: 3,
            send_interval_s: Seconds(3600),
            resend_after_s: Seconds(60),
            sms_countries: List::default(),
            sms_per_country_per_day: 1_000,
            sms_per_day: 5_000,
            default_region: "US".into(),
        }
    }
}

/// Passwords: OWASP's password storage and authentication cheat sheets, NIST
/// SP 800-63B-4 section 3.1.1.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct PasswordSettings {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes of one hash.
    pub iterations: u32,
    /// Lanes of one hash.
    pub parallelism: u32,
    /// The costs that stored hashes have beside that one, such as `12288/3/1`:
    /// each check of a password hashes once at each, so that time doesn't tell
    /// whose hash is of which.
    pub other_costs: List<Cost>,
    /// Hashes that are computed at once; 0 stands for the number of cores.
    pub concurrency: usize,
    /// Requests that may wait for a hash; more are answered `503 overloaded`.
    pub queue: usize,
    /// The lowest zxcvbn score that is accepted, 0 to 4.
    pub min_score: u8,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            other_costs: List::default(),
            concurrency: 0,
            queue: 64,
            min_score: 2,
        }
    }
}

/// The life of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LifeSettings {
    /// How long a deactivated user may come back by signing in, and how long
    /// after its deletion a user is erased, in seconds.
    pub retention_s: Seconds,
}

impl Default for LifeSettings {
    fn default() -> Self {
        Self {
            retention_s: Seconds(30 * 24 * 3600),
        }
    }
}
