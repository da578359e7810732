//! Failed checks of passwords, and the waits they bring.

use redis::RedisResult;

use super::script;
use crate::upstream::GuardedRedis;

/// Failures in a row after which a wait begins.
const FREE_FAILURES: u32 = 5;
/// The first wait; each further failure doubles it.
const FIRST_WAIT_MS: i64 = 1_000;
/// The longest wait.
const LONGEST_WAIT_MS: i64 = 15 * 60 * 1_000;

/// What a check of a password comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The password was right. The failures before are forgotten.
    Accepted,
    /// It was wrong, which has been counted.
    Refused,
    /// Refused whatever it was, because of the failures before.
    Blocked,
}

impl Outcome {
    /// As it is called in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
        }
    }
}

/// Decides a check. `owner` is a user's id, or the keyed hash of an identifier
/// that nobody has.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn settle(
    redis: &GuardedRedis,
    owner: &str,
    is_right: bool,
    now: i64,
) -> RedisResult<Outcome> {
    let outcome: String = script!("scripts/attempt_settle.lua")
        .key(key(redis, owner))
        .arg(now)
        .arg(u8::from(is_right))
        .arg(FREE_FAILURES)
        .arg(FIRST_WAIT_MS)
        .arg(LONGEST_WAIT_MS)
        .invoke_async(&mut redis.hot())
        .await?;
    Ok(match outcome.as_str() {
        "accepted" => Outcome::Accepted,
        "refused" => Outcome::Refused,
        _ => Outcome::Blocked,
    })
}

/// Forgets the failures: the password that was guessed at is no more.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn forget(redis: &GuardedRedis, owner: &str) -> RedisResult<()> {
    redis::cmd("DEL")
        .arg(key(redis, owner))
        .query_async(&mut redis.hot())
        .await
}

fn key(redis: &GuardedRedis, owner: &str) -> String {
    redis.key(&format!("sign-in:{owner}"))
}
