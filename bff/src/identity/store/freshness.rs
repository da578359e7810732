//! When the owner of a session last proved who they are.

use redis::RedisResult;
use uuid::Uuid;

use super::{script, sessions::key};
use crate::upstream::GuardedRedis;

/// When that was, in milliseconds since the epoch; `None` without such a session.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn proved_at(redis: &GuardedRedis, session: Uuid) -> RedisResult<Option<i64>> {
    let (user, at): (Option<String>, Option<i64>) = redis::cmd("HMGET")
        .arg(key(redis, session))
        .arg(&["user", "fresh"])
        .query_async(&mut redis.hot())
        .await?;
    // A session of a version that didn't keep it was never proved again.
    Ok(user.map(|_| at.unwrap_or_default()))
}

/// Writes down that they did so now. `false` without such a session.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn prove(redis: &GuardedRedis, session: Uuid, now: i64) -> RedisResult<bool> {
    script!("scripts/session_prove.lua")
        .key(key(redis, session))
        .arg(now)
        .invoke_async(&mut redis.hot())
        .await
}
