//! Access tokens for clients, and tokens for the services behind the edge.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use platform::{
    clock::SharedClock,
    paseto::{Claims, TokenError},
    shutdown::Lifetime,
};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::{
    caller::{Caller, Role},
    keys::{KeyFile, KeyRing},
};

/// Who signs.
pub const ISSUER: &str = "portico";
/// The audience of what clients hold.
pub const CLIENTS: &str = "portico";
/// The audience of what the edge shows to the orders service.
pub const ORDERS: &str = "orders";

/// How long a token for a service is good.
const SERVICE_TOKEN_LIFETIME: TimeDelta = TimeDelta::seconds(60);
/// A cached token for a service is used while it is good for at least this.
const SERVICE_TOKEN_RESERVE: TimeDelta = TimeDelta::seconds(30);
/// How often the key file is looked at.
const KEY_FILE_POLL: Duration = Duration::from_secs(1);
/// Tokens remembered of each kind.
const REMEMBERED: usize = 100_000;

/// No key is good now: the edge can neither sign nor be believed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no signing key is valid now")]
pub struct NoSigningKey;

/// A token that was verified, and until when that holds.
#[derive(Debug, Clone, Copy)]
pub struct Verified {
    /// Whom it proves.
    pub caller: Caller,
    /// In milliseconds since the epoch.
    until: i64,
    /// Of the keys that it was verified with.
    generation: u64,
}

/// A token for a service, until when it is good, and the keys' generation.
type Minted = (Arc<str>, DateTime<Utc>, u64);

/// Signs and verifies tokens, and remembers both.
#[derive(Debug, Clone)]
pub struct Tokens {
    keys: KeyRing,
    clock: SharedClock,
    lifetime: TimeDelta,
    verified: Arc<Cache<Box<[u8]>, Verified>>,
    for_services: Arc<Cache<Option<Caller>, Minted>>,
}

impl Tokens {
    /// Tokens for clients live for `lifetime`.
    #[must_use]
    pub fn new(keys: KeyRing, clock: SharedClock, lifetime: TimeDelta) -> Self {
        Self {
            keys,
            clock,
            lifetime,
            verified: Cache::new(REMEMBERED).into(),
            for_services: Cache::new(REMEMBERED).into(),
        }
    }

    /// How long a client's token is good.
    #[must_use]
    pub fn lifetime(&self) -> TimeDelta {
        self.lifetime
    }

    /// The keys in use.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// A token that a client shows to the edge for `lifetime`, which is that of
    /// every client's token or shorter.
    ///
    /// # Errors
    /// [`NoSigningKey`].
    pub fn for_client(&self, caller: &Caller, lifetime: TimeDelta) -> Result<String, NoSigningKey> {
        self.sign(Some(caller), CLIENTS, lifetime)
    }

    /// The token that the edge shows to the orders service on behalf of a
    /// caller, or of nobody. The caller's own token never travels on.
    ///
    /// # Errors
    /// [`NoSigningKey`].
    pub fn for_orders(&self, caller: Option<&Caller>) -> Result<Arc<str>, NoSigningKey> {
        let now = self.clock.now();
        let generation = self.keys.verifying().generation();
        let key = caller.copied();
        if let Some((token, expires_at, of)) = self.for_services.get(&key)
            && now + SERVICE_TOKEN_RESERVE < expires_at
            && of == generation
        {
            return Ok(token);
        }
        let token: Arc<str> = self.sign(caller, ORDERS, SERVICE_TOKEN_LIFETIME)?.into();
        let minted = (token.clone(), now + SERVICE_TOKEN_LIFETIME, generation);
        self.for_services.insert(key, minted);
        Ok(token)
    }

    /// Checks a client's token. One that was seen before costs a look-up.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &[u8]) -> Result<Verified, TokenError> {
        let generation = self.keys.verifying().generation();
        if let Some(verified) = self.verified.get(token) {
            if self.clock.now_ms() < verified.until && verified.generation == generation {
                return Ok(verified);
            }
            self.verified.remove(token);
        }
        let now = self.clock.now();
        let text = str::from_utf8(token).map_err(|_| TokenError::Malformed)?;
        let claims = self.keys.verifying().verify(text, ISSUER, CLIENTS, now)?;
        let role = claims
            .role
            .parse::<Role>()
            .map_err(|_| TokenError::Malformed)?;
        let caller = Caller {
            user_id: claims.sub,
            session_id: claims.sid,
            role,
        };
        let verified = Verified {
            caller,
            until: claims.exp.timestamp_millis(),
            generation,
        };
        if now < claims.exp {
            self.verified.insert(token.into(), verified);
        }
        Ok(verified)
    }

    /// Takes the keys from the file whenever it changes, until the lifetime ends.
    pub async fn follow(self, file: PathBuf, lifetime: Lifetime) {
        let mut tick = tokio::time::interval(KEY_FILE_POLL);
        let mut last = None;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = lifetime.stopping() => return,
            }
            let text = tokio::fs::read(&file)
                .await
                .map_err(|error| error.to_string());
            if last.as_ref() == Some(&text) {
                continue;
            }
            let read = text.clone().map_err(anyhow::Error::msg);
            let taken = read.and_then(|text| self.keys.replace(&KeyFile::parse(&text)?));
            match taken {
                Ok(()) => tracing::info!(
                    keys = self.keys.verifying().len(),
                    "the signing keys were read"
                ),
                Err(error) => {
                    tracing::error!(%error, "the key file can't be used; going on with the keys before");
                }
            }
            last = Some(text);
        }
    }

    fn sign(
        &self,
        caller: Option<&Caller>,
        audience: &str,
        lifetime: TimeDelta,
    ) -> Result<String, NoSigningKey> {
        let now = self.clock.now();
        let key = self.keys.signing_key(now, lifetime).ok_or(NoSigningKey)?;
        let (sub, sid, role) = match caller {
            Some(caller) => (caller.user_id, caller.session_id, caller.role.as_str()),
            None => (Uuid::nil(), Uuid::nil(), "anonymous"),
        };
        Ok(key.sign(&Claims {
            iss: ISSUER.into(),
            aud: audience.into(),
            sub,
            sid,
            role: role.into(),
            iat: now,
            nbf: now,
            exp: now + lifetime,
            jti: self.clock.new_id(),
        }))
    }
}
