//! The devices that users signed in from.

use platform::redis::Redis;
use redis::RedisResult;
use uuid::Uuid;

/// A user's devices that are remembered; the one not seen longest goes.
const MOST: isize = 50;
/// For how long they are, in seconds, after the user's last sign-in: 180 days.
const KEEP_S: i64 = 180 * 24 * 3600;

/// Remembers a device, by a keyed hash. Returns whether it is new.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn see(redis: &Redis, user: Uuid, device: &[u8], now: i64) -> RedisResult<bool> {
    let key = redis.key(&format!("devices:{user}"));
    let (added,): (u32,) = redis::pipe()
        .atomic()
        .zadd(&key, device, now)
        .zremrangebyrank(&key, 0, -MOST - 1)
        .ignore()
        .expire(&key, KEEP_S)
        .ignore()
        .query_async(&mut redis.hot())
        .await?;
    Ok(added == 1)
}
