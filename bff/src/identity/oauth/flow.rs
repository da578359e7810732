use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{ProviderName, ReturnTo};
use crate::{
    identity::{
        keys::keyed_hash,
        secret::{self, Secret256, hex},
        session::{Era, Mode},
        store::once,
    },
    upstream::GuardedRedis,
};

/// What a person was sent to a provider for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// To sign in, or up.
    SignIn(Mode),
    /// To add the provider to the ways in which they can sign in.
    Link {
        /// Who they are.
        user_id: Uuid,
        /// The session in which they asked for it.
        session_id: Uuid,
    },
}

/// What is remembered of someone who was sent to a provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Flow {
    pub provider: ProviderName,
    pub aim: Aim,
    pub return_to: ReturnTo,
    /// When it is worth nothing any more, in milliseconds since the epoch.
    pub expires: i64,
}

/// What makes one flow different from every other.
///
/// The state goes through the provider, the browser's mark stays in its cookie.
/// Everything else is derived from both with a key that only the edge has, so
/// that none of it is stored, and a state is worth nothing in another browser.
#[derive(Debug)]
pub(super) struct Secrets {
    /// Comes back from the provider.
    pub state: String,
    /// The browser's mark.
    pub browser: String,
    /// Comes back within the id token (OpenID Connect Core, section 3.1.2.1).
    pub nonce: String,
    /// Proves that who began is who ends (RFC 7636).
    pub verifier: String,
}

impl Secrets {
    /// Those of a new flow, in a browser that may have others under way.
    pub(super) fn new(key: &Secret256, browser: Option<&str>) -> Self {
        let browser = browser.filter(|mark| is_secret(mark));
        let browser = browser.map_or_else(fresh, str::to_owned);
        Self::of(key, fresh(), browser)
    }

    /// Those of the flow that a person comes back from.
    pub(super) fn returning(key: &Secret256, state: &str, browser: &str) -> Option<Self> {
        (is_secret(state) && is_secret(browser))
            .then(|| Self::of(key, state.to_owned(), browser.to_owned()))
    }

    fn of(key: &Secret256, state: String, browser: String) -> Self {
        let derive = |what: &[u8]| {
            BASE64.encode(keyed_hash(
                key,
                &[what, state.as_bytes(), browser.as_bytes()],
            ))
        };
        Self {
            nonce: derive(b"nonce"),
            verifier: derive(b"verifier"),
            state,
            browser,
        }
    }

    fn key(&self, redis: &GuardedRedis) -> String {
        key(redis, "oauth-flow", &[&self.state, &self.browser])
    }

    pub(super) async fn remember(
        &self,
        redis: &GuardedRedis,
        flow: &Flow,
        lifetime_ms: i64,
    ) -> redis::RedisResult<()> {
        once::put(redis, &self.key(redis), flow, lifetime_ms).await
    }

    /// What is remembered, once.
    pub(super) async fn recall(
        &self,
        redis: &GuardedRedis,
        now: i64,
    ) -> redis::RedisResult<Option<Flow>> {
        let flow: Option<Flow> = once::take(redis, &self.key(redis)).await?;
        Ok(flow.filter(|flow| now < flow.expires))
    }
}

/// Stands for a person between the callback and the exchange, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub provider: ProviderName,
    pub user_id: Uuid,
    /// When all sessions of the user are ended before the exchange, so is this.
    pub era: Era,
    /// When it is worth nothing any more, in milliseconds since the epoch.
    pub expires: i64,
}

impl Ticket {
    /// Stores it. Returns what the client gets.
    pub(super) async fn issue(
        &self,
        redis: &GuardedRedis,
        lifetime_ms: i64,
    ) -> redis::RedisResult<String> {
        let text = fresh();
        let key = key(redis, "oauth-ticket", &[&text]);
        once::put(redis, &key, self, lifetime_ms).await?;
        Ok(text)
    }

    /// Takes it, once.
    pub(super) async fn take(
        redis: &GuardedRedis,
        text: &str,
        now: i64,
    ) -> redis::RedisResult<Option<Self>> {
        if !is_secret(text) {
            return Ok(None);
        }
        let ticket: Option<Self> = once::take(redis, &key(redis, "oauth-ticket", &[text])).await?;
        Ok(ticket.filter(|ticket| now < ticket.expires))
    }
}

/// Redis holds digests: who reads it can't take part in anyone's flow.
fn key(redis: &GuardedRedis, kind: &str, secrets: &[&str]) -> String {
    let digest = secrets
        .iter()
        .fold(Sha256::new(), |hash, secret| hash.chain_update(secret));
    redis.key(&format!("{kind}:{}", hex(&digest.finalize())))
}

fn fresh() -> String {
    BASE64.encode(secret::random())
}

/// Whether a text has the form of [`fresh`]: 32 bytes in base64.
fn is_secret(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}
