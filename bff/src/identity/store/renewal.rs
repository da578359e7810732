//! Renewing sessions, and noticing that one was stolen.

use redis::RedisResult;
use uuid::Uuid;

use super::{
    script,
    sessions::{key, revoked_key},
};
use crate::upstream::GuardedRedis;

/// What a refresh came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// No such session, or not its token.
    Unknown,
    /// The successor was stored just now, or within the grace time before.
    Current(Standing),
    /// A token that was displaced long ago: the session has ended, and nobody
    /// was told yet.
    Stolen(Uuid),
}

/// A session as a token is made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is.
    pub user_id: Uuid,
    /// The role, as stored.
    pub role: String,
    /// When it ends if it isn't refreshed, in milliseconds since the epoch.
    pub idle: i64,
    /// When it ends in any case.
    pub ends: i64,
}

/// What one refresh presents and what is to take its place.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// The session.
    pub session_id: Uuid,
    /// The place of the presented token in its chain.
    pub generation: u32,
    /// SHA-256 of the presented secret.
    pub presented: &'a [u8],
    /// SHA-256 of the successor's secret.
    pub successor: &'a [u8],
}

/// Rotates a refresh token.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn refresh(
    redis: &GuardedRedis,
    rotation: &Rotation<'_>,
    now: i64,
    idle: i64,
    grace: i64,
    keep_revoked: i64,
) -> RedisResult<Refreshed> {
    let answer: Vec<String> = script!("scripts/session_refresh.lua")
        .key(key(redis, rotation.session_id))
        .key(revoked_key(redis))
        .key(theft_key(redis, rotation.session_id))
        .arg(now)
        .arg(rotation.session_id.to_string())
        .arg(rotation.generation)
        .arg(rotation.presented)
        .arg(rotation.successor)
        .arg(idle)
        .arg(grace)
        .arg(keep_revoked)
        .arg(redis.key("user-sessions:"))
        .invoke_async(&mut redis.hot())
        .await?;
    let [status, user, role, idle, ends] = &answer[..] else {
        return Ok(Refreshed::Unknown);
    };
    let Ok(user_id) = user.parse() else {
        return Ok(Refreshed::Unknown);
    };
    if status == "stolen" {
        return Ok(Refreshed::Stolen(user_id));
    }
    Ok(Refreshed::Current(Standing {
        user_id,
        role: role.clone(),
        idle: idle.parse().unwrap_or(now),
        ends: ends.parse().unwrap_or(now),
    }))
}

/// Forgets that nobody was told of a session's theft.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn forget_theft(redis: &GuardedRedis, session: Uuid) -> RedisResult<()> {
    redis::cmd("DEL")
        .arg(theft_key(redis, session))
        .query_async(&mut redis.hot())
        .await
}

/// Marks a session of whose theft nobody was told yet.
fn theft_key(redis: &GuardedRedis, session: Uuid) -> String {
    redis.key(&format!("stolen:{session}"))
}
