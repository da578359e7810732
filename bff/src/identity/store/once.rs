//! What may be used once, within a time.

use redis::RedisResult;
use serde::{Serialize, de::DeserializeOwned};

use crate::upstream::GuardedRedis;

/// Stores a value under a key that nobody else uses.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn put(
    redis: &GuardedRedis,
    key: &str,
    value: &impl Serialize,
    lifetime_ms: i64,
) -> RedisResult<()> {
    let json = serde_json::to_string(value).expect("what is kept has nothing but texts as keys");
    redis::cmd("SET")
        .arg(key)
        .arg(json)
        .arg("PX")
        .arg(lifetime_ms.max(1))
        .query_async(&mut redis.hot())
        .await
}

/// Takes the value: of any number of callers at once, one gets it.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn take<T: DeserializeOwned>(redis: &GuardedRedis, key: &str) -> RedisResult<Option<T>> {
    let json: Option<String> = redis::cmd("GETDEL")
        .arg(key)
        .query_async(&mut redis.hot())
        .await?;
    Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
}
