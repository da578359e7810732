//! The devices that users signed in from.

use redis::RedisResult;
use uuid::Uuid;

use crate::upstream::GuardedRedis;

/// A user's devices that are remembered; the one not seen longest goes.
const MOST: isize = 50;
/// For how long they are, in seconds, after the user's last sign-in: 180 days.
const KEEP_S: i64 = 180 * 24 * 3600;

/// Whether a device, by its keyed hash, is a user's own. If so, it was seen now.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn knows(redis: &GuardedRedis, user: Uuid, device: &[u8], now: i64) -> RedisResult<bool> {
    let key = key(redis, user);
    let (seen,): (Option<f64>,) = redis::pipe()
        .atomic()
        .zscore(&key, device)
        .cmd("ZADD")
        .arg(&key)
        .arg("XX")
        .arg(now)
        .arg(device)
        .ignore()
        .expire(&key, KEEP_S)
        .ignore()
        .query_async(&mut redis.hot())
        .await?;
    Ok(seen.is_some())
}

/// Remembers a device, by its keyed hash, as a user's own.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn remember(
    redis: &GuardedRedis,
    user: Uuid,
    device: &[u8],
    now: i64,
) -> RedisResult<()> {
    let key = key(redis, user);
    redis::pipe()
        .atomic()
        .zadd(&key, device, now)
        .zremrangebyrank(&key, 0, -MOST - 1)
        .expire(&key, KEEP_S)
        .ignore()
        .exec_async(&mut redis.hot())
        .await
}

/// A user's devices by their keyed hashes, and when each was seen last.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn list(redis: &GuardedRedis, user: Uuid) -> RedisResult<Vec<(Vec<u8>, i64)>> {
    redis::cmd("ZRANGE")
        .arg(key(redis, user))
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .query_async(&mut redis.hot())
        .await
}

/// Forgets a user's devices.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn forget(redis: &GuardedRedis, user: Uuid) -> RedisResult<()> {
    redis::cmd("DEL")
        .arg(key(redis, user))
        .query_async(&mut redis.hot())
        .await
}

fn key(redis: &GuardedRedis, user: Uuid) -> String {
    redis.key(&format!("devices:{user}"))
}
