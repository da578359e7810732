//! Failed sign-ins, and the waits they bring.

use platform::redis::Redis;
use redis::RedisResult;

use super::script;

/// Failures in a row after which a wait begins.
const FREE_FAILURES: u32 = 5;
/// The first wait; each further failure doubles it.
const FIRST_WAIT_MS: i64 = 1_000;
/// The longest wait.
const LONGEST_WAIT_MS: i64 = 15 * 60 * 1_000;

/// Whether sign-ins of this owner are refused just now. `owner` is a user's id,
/// or the keyed hash of an identifier that nobody has.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn is_blocked(redis: &Redis, owner: &str, now: i64) -> RedisResult<bool> {
    let until: Option<i64> = redis::cmd("HGET")
        .arg(key(redis, owner))
        .arg("until")
        .query_async(&mut redis.hot())
        .await?;
    Ok(until.is_some_and(|until| now < until))
}

/// Counts a failed sign-in.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn failed(redis: &Redis, owner: &str, now: i64) -> RedisResult<u32> {
    script!("scripts/attempt_failed.lua")
        .key(key(redis, owner))
        .arg(now)
        .arg(FREE_FAILURES)
        .arg(FIRST_WAIT_MS)
        .arg(LONGEST_WAIT_MS)
        .invoke_async(&mut redis.hot())
        .await
}

/// Forgets the failures, after a sign-in.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn succeeded(redis: &Redis, owner: &str) -> RedisResult<()> {
    redis::cmd("DEL")
        .arg(key(redis, owner))
        .query_async(&mut redis.hot())
        .await
}

fn key(redis: &Redis, owner: &str) -> String {
    redis.key(&format!("sign-in:{owner}"))
}
