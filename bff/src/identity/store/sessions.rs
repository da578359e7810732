//! Sessions, by id and by user, and those that ended lately.

use std::collections::HashMap;

use redis::RedisResult;
use uuid::Uuid;

use super::script;
use crate::{
    identity::session::{Mode, Session},
    upstream::GuardedRedis,
};

/// The key of a session.
pub(super) fn key(redis: &GuardedRedis, session: Uuid) -> String {
    redis.key(&format!("session:{session}"))
}

fn user_key(redis: &GuardedRedis, user: Uuid) -> String {
    redis.key(&format!("user-sessions:{user}"))
}

fn era_key(redis: &GuardedRedis, owner: &str) -> String {
    redis.key(&format!("session-era:{owner}"))
}

pub(super) fn revoked_key(redis: &GuardedRedis) -> String {
    redis.key("revoked")
}

/// How often all sessions of a user were ended lately. `owner` is a user's id,
/// or whatever stands for somebody who doesn't exist.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn era(redis: &GuardedRedis, owner: &str) -> RedisResult<u64> {
    let era: Option<u64> = redis::cmd("GET")
        .arg(era_key(redis, owner))
        .query_async(&mut redis.hot())
        .await?;
    Ok(era.unwrap_or_default())
}

/// Stores a session, and ends the user's oldest ones beyond `most`. `None` when
/// all of them were ended since `era`.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn create(
    redis: &GuardedRedis,
    session: &Session,
    secret: &[u8],
    most: usize,
    keep_revoked: i64,
    era: u64,
) -> RedisResult<Option<Vec<Uuid>>> {
    let created = session.created_at.timestamp_millis();
    let ids: Option<Vec<String>> = script!("scripts/session_create.lua")
        .key(key(redis, session.id))
        .key(user_key(redis, session.user_id))
        .key(revoked_key(redis))
        .key(era_key(redis, &session.user_id.to_string()))
        .arg(created)
        .arg(session.id.to_string())
        .arg(session.ends_at.timestamp_millis())
        .arg(most)
        .arg(redis.key("session:"))
        .arg(keep_revoked)
        .arg(era)
        .arg(&[
            ("user", session.user_id.to_string()),
            ("role", session.role.to_string()),
        ])
        .arg(&[
            ("mode", session.mode.as_str()),
            ("agent", &session.user_agent),
        ])
        .arg(&[("ip", session.ip.to_string())])
        .arg(&[("created", created), ("seen", created), ("fresh", created)])
        .arg(&[
            ("generation", 0),
            ("idle", session.idle_at.timestamp_millis()),
        ])
        .arg(&[("absolute", session.ends_at.timestamp_millis())])
        .arg(&[("secret", secret)])
        .invoke_async(&mut redis.hot())
        .await?;
    Ok(ids.map(|ids| uuids(&ids)))
}

/// Reads a cookie session and slides its idle time: `(user, role)`.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn touch(
    redis: &GuardedRedis,
    session: Uuid,
    secret: &[u8],
    now: i64,
    idle: i64,
) -> RedisResult<Option<(Uuid, String)>> {
    let answer: Vec<String> = script!("scripts/session_touch.lua")
        .key(key(redis, session))
        .arg(now)
        .arg(secret)
        .arg(idle)
        .invoke_async(&mut redis.hot())
        .await?;
    Ok(match &answer[..] {
        [user, role] => user.parse().ok().map(|user| (user, role.clone())),
        _ => None,
    })
}

/// Ends sessions of a user: those named, or with none named all but `spared`.
/// Returns those that were alive.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn end(
    redis: &GuardedRedis,
    user: Uuid,
    named: &[Uuid],
    spared: Option<Uuid>,
    now: i64,
    keep_revoked: i64,
) -> RedisResult<Vec<Uuid>> {
    let script = script!("scripts/session_end.lua");
    let mut call = script.key(user_key(redis, user));
    call.key(revoked_key(redis))
        .key(era_key(redis, &user.to_string()))
        .arg(now)
        .arg(redis.key("session:"))
        .arg(keep_revoked)
        .arg(spared.map(|id| id.to_string()).unwrap_or_default());
    for id in named {
        call.arg(id.to_string());
    }
    let ids: Vec<String> = call.invoke_async(&mut redis.hot()).await?;
    Ok(uuids(&ids))
}

/// The user's living sessions, newest first.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn list(redis: &GuardedRedis, user: Uuid, now: i64) -> RedisResult<Vec<Session>> {
    let mut connection = redis.hot();
    let ids: Vec<String> = redis::cmd("ZREVRANGE")
        .arg(user_key(redis, user))
        .arg(0)
        .arg(99)
        .query_async(&mut connection)
        .await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for id in &ids {
        pipe.hgetall(redis.key(&format!("session:{id}")));
    }
    let all: Vec<HashMap<String, Vec<u8>>> = pipe.query_async(&mut connection).await?;
    let sessions = ids
        .iter()
        .zip(all)
        .filter_map(|(id, fields)| session(id, user, &fields));
    Ok(sessions
        .filter(|session| session.idle_at.timestamp_millis() > now)
        .collect())
}

/// Sessions that ended since an instant, with when they did.
///
/// # Errors
/// When Redis doesn't answer.
pub async fn revoked_since(redis: &GuardedRedis, since: i64) -> RedisResult<Vec<(Uuid, i64)>> {
    let ended: Vec<(String, i64)> = redis::cmd("ZRANGEBYSCORE")
        .arg(revoked_key(redis))
        .arg(since)
        .arg("+inf")
        .arg("WITHSCORES")
        .query_async(&mut redis.hot())
        .await?;
    Ok(ended
        .into_iter()
        .filter_map(|(id, at)| Some((id.parse().ok()?, at)))
        .collect())
}

fn uuids(ids: &[String]) -> Vec<Uuid> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}

fn session(id: &str, user_id: Uuid, fields: &HashMap<String, Vec<u8>>) -> Option<Session> {
    let text = |name: &str| std::str::from_utf8(fields.get(name)?).ok();
    let instant = |name: &str| chrono::DateTime::from_timestamp_millis(text(name)?.parse().ok()?);
    Some(Session {
        id: id.parse().ok()?,
        user_id,
        role: text("role")?.parse().ok()?,
        mode: Mode::parse(text("mode")?)?,
        created_at: instant("created")?,
        last_seen_at: instant("seen")?,
        idle_at: instant("idle")?,
        ends_at: instant("absolute")?,
        ip: text("ip")?.parse().ok()?,
        user_agent: text("agent")?.to_owned(),
    })
}
