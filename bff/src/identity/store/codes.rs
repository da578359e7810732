//! One-time codes, and how often they were sent and guessed.

use std::time::Duration;

use chrono::TimeDelta;
use redis::RedisResult;
use uuid::Uuid;

use super::script;
use crate::{identity::settings::CodeSettings, upstream::GuardedRedis};

/// Wrong guesses are counted over this time.
const WINDOW_MS: i64 = 3_600_000;

/// A code that was taken, so that it can be put back.
#[derive(Debug, Clone)]
pub struct Taken {
    /// When it ends, in milliseconds since the epoch.
    pub expires: i64,
    /// Guesses it had left.
    pub attempts: u32,
}

/// The keys of one identifier and purpose. `owner` is a keyed hash of the
/// identifier: Redis holds no address.
#[derive(Debug)]
pub struct CodeKeys {
    code: String,
    sends: String,
    failures: String,
}

impl CodeKeys {
    /// The keys for codes of this purpose.
    #[must_use]
    pub fn new(redis: &GuardedRedis, purpose: &str, owner: &str) -> Self {
        Self {
            code: redis.key(&format!("code:{purpose}:{owner}")),
            sends: redis.key(&format!("code-sends:{owner}")),
            failures: redis.key(&format!("code-failures:{owner}")),
        }
    }
}

/// What became of a code that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issued {
    /// It may be sent.
    Code {
        /// When the next one may be.
        next: TimeDelta,
    },
    /// It may not.
    TooOften {
        /// For how long.
        wait: Duration,
    },
}

/// Stores a new code in place of any before, unless one was sent just now or too
/// many were.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn issue(
    redis: &GuardedRedis,
    keys: &CodeKeys,
    mac: &[u8],
    now: i64,
    settings: &CodeSettings,
) -> RedisResult<Issued> {
    let (issued, wait): (bool, u64) = script!("scripts/code_issue.lua")
        .key(&keys.code)
        .key(&keys.sends)
        .arg(now)
        .arg(mac)
        .arg(settings.lifetime_s.millis())
        .arg(settings.attempts)
        .arg(settings.resend_after_s.millis())
        .arg(settings.send_interval_s.millis())
        .arg(settings.send_burst)
        .invoke_async(&mut redis.hot())
        .await?;
    let wait = Duration::from_millis(wait);
    Ok(match issued {
        true => Issued::Code {
            next: TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX),
        },
        false => Issued::TooOften { wait },
    })
}

/// Takes the code if `mac` is its own.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn redeem(
    redis: &GuardedRedis,
    keys: &CodeKeys,
    mac: &[u8],
    now: i64,
    settings: &CodeSettings,
) -> RedisResult<Option<Taken>> {
    let taken: Vec<i64> = script!("scripts/code_redeem.lua")
        .key(&keys.code)
        .key(&keys.failures)
        .arg(now)
        .arg(mac)
        .arg(settings.attempts_per_hour)
        .arg(WINDOW_MS)
        .invoke_async(&mut redis.hot())
        .await?;
    Ok(match taken[..] {
        [expires, attempts] => Some(Taken {
            expires,
            attempts: attempts.try_into().unwrap_or_default(),
        }),
        _ => None,
    })
}

/// Puts a code back.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn restore(
    redis: &GuardedRedis,
    keys: &CodeKeys,
    mac: &[u8],
    taken: &Taken,
    now: i64,
) -> RedisResult<()> {
    script!("scripts/code_restore.lua")
        .key(&keys.code)
        .arg(now)
        .arg(mac)
        .arg(taken.expires)
        .arg(taken.attempts)
        .invoke_async(&mut redis.hot())
        .await
}

/// Voids codes.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn void(redis: &GuardedRedis, all: &[CodeKeys]) -> RedisResult<()> {
    let codes: Vec<&str> = all.iter().map(|keys| keys.code.as_str()).collect();
    if codes.is_empty() {
        return Ok(());
    }
    redis::cmd("DEL")
        .arg(codes)
        .query_async(&mut redis.hot())
        .await
}

/// Remembers the kind of address that a code to step up went to.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn note_step_up(
    redis: &GuardedRedis,
    user: Uuid,
    kind: &str,
    lifetime_ms: i64,
) -> RedisResult<()> {
    redis::cmd("SET")
        .arg(step_up_key(redis, user))
        .arg(kind)
        .arg("PX")
        .arg(lifetime_ms)
        .query_async(&mut redis.hot())
        .await
}

/// The kind of address that the last code to step up went to.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn step_up_address(redis: &GuardedRedis, user: Uuid) -> RedisResult<Option<String>> {
    redis::cmd("GET")
        .arg(step_up_key(redis, user))
        .query_async(&mut redis.hot())
        .await
}

fn step_up_key(redis: &GuardedRedis, user: Uuid) -> String {
    redis.key(&format!("step-up:{user}"))
}

/// Counts one message towards a day's budget. Returns the count so far.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn count_message(redis: &GuardedRedis, budget: &str, day: &str) -> RedisResult<u32> {
    let key = redis.key(&format!("messages:{budget}:{day}"));
    let (count,): (u32,) = redis::pipe()
        .atomic()
        .incr(&key, 1)
        .expire(&key, 2 * 24 * 3600)
        .ignore()
        .query_async(&mut redis.hot())
        .await?;
    Ok(count)
}
