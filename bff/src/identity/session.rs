//! Sessions: opened at sign-in, proved by each request, ended by many things.

mod end;
mod fresh;
mod model;

use std::sync::Arc;

use chrono::TimeDelta;
use platform::{clock::SharedClock, nats::Nats, paseto::SKEW};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::{
    caller::Caller,
    error::Error,
    keys::MasterKey,
    revocation::Revocations,
    secret::{self, CookieValue, RefreshToken, Secret256},
    settings::SessionSettings,
    store::{
        renewal::{self, Refreshed, Rotation},
        sessions,
    },
    token::Tokens,
};
use crate::upstream::GuardedRedis;
pub use model::{Device, Era, Mode, Proof, Session, TokenPair};

/// Everything that is done with sessions. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Sessions {
    redis: GuardedRedis,
    nats: Nats,
    clock: SharedClock,
    settings: SessionSettings,
    tokens: Tokens,
    revocations: Revocations,
    key: Secret256,
    /// Cookie sessions seen within the last second, by the cookie's digest.
    seen: Arc<Cache<[u8; 32], (Caller, i64)>>,
}

/// A cookie session that was read isn't read again for this long.
const SEEN_FOR_MS: i64 = 1_000;

impl Sessions {
    /// Ended sessions are told of through `nats`.
    #[must_use]
    pub fn new(
        redis: GuardedRedis,
        nats: Nats,
        clock: SharedClock,
        settings: SessionSettings,
        tokens: Tokens,
        master: &MasterKey,
    ) -> Self {
        let keep = (tokens.lifetime() + SKEW + SKEW).num_milliseconds();
        Self {
            redis,
            nats,
            clock,
            settings,
            tokens,
            revocations: Revocations::new(keep),
            key: master.derive("refresh tokens"),
            seen: Cache::new(100_000).into(),
        }
    }

    /// The sessions that ended lately.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// The era in which a sign-in begins. `owner` is the user's id, or whatever
    /// stands for a user who doesn't exist. A user who was made just now is in
    /// the first, which is the default.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn era(&self, owner: &str) -> Result<Era, Error> {
        Ok(Era(sessions::era(&self.redis, owner).await?))
    }

    /// Opens the session that `caller` names, for someone whose proof was checked
    /// after `era` was read.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when all of the user's sessions were ended
    /// meanwhile: what was proved may not be good any more;
    /// when Redis doesn't answer or nothing can be signed.
    pub async fn open(
        &self,
        caller: &Caller,
        mode: Mode,
        device: Device,
        era: Era,
    ) -> Result<Proof, Error> {
        let now = self.clock.now();
        let id = caller.session_id;
        let idle = match mode {
            Mode::Token => self.settings.token_idle_s,
            Mode::Cookie => self.settings.cookie_idle_s,
        };
        let ends_at = now + self.settings.absolute_s.delta();
        let session = Session {
            id,
            user_id: caller.user_id,
            role: caller.role,
            mode,
            created_at: now,
            last_seen_at: now,
            idle_at: ends_at.min(now + idle.delta()),
            ends_at,
            ip: device.ip,
            user_agent: device.user_agent,
        };
        let (digest, proof) = match mode {
            Mode::Token => {
                let token = RefreshToken::first(id);
                let pair = self.pair(caller, &token, session.idle_at - now, ends_at - now)?;
                (token.digest(), Proof::Tokens(pair))
            }
            Mode::Cookie => {
                let value = CookieValue {
                    session_id: id,
                    secret: secret::random(),
                };
                let proof = Proof::Cookie(value.encode(), ends_at - now);
                (secret::digest(&value.secret), proof)
            }
        };
        let most = self.settings.max_per_user;
        let keep = self.revocations.keep();
        let displaced = sessions::create(&self.redis, &session, &digest, most, keep, era.0)
            .await?
            .ok_or(Error::InvalidCredentials)?;
        self.tell(caller.user_id, &displaced, now).await;
        metrics::counter!("sessions_opened_total", "mode" => mode.as_str()).increment(1);
        Ok(proof)
    }

    /// Exchanges a refresh token for a new pair.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the token is worth nothing,
    /// [`Error::Stolen`] when it was displaced long ago;
    /// when Redis doesn't answer.
    pub async fn refresh(&self, token: &str) -> Result<TokenPair, Error> {
        let now = self.clock.now();
        let presented = RefreshToken::decode(token, &self.key).ok_or(Error::Unauthenticated)?;
        let successor = presented.successor(&self.key);
        let rotation = Rotation {
            session_id: presented.session_id,
            generation: presented.generation,
            presented: &presented.digest(),
            successor: &successor.digest(),
        };
        let refreshed = renewal::refresh(
            &self.redis,
            &rotation,
            now.timestamp_millis(),
            self.settings.token_idle_s.millis(),
            self.settings.refresh_grace_s.millis(),
            self.revocations.keep(),
        )
        .await?;
        match refreshed {
            Refreshed::Unknown => Err(Error::Unauthenticated),
            Refreshed::Stolen(user_id) => {
                metrics::counter!("sessions_stolen_total").increment(1);
                self.tell(user_id, &[presented.session_id], now).await;
                Err(Error::Stolen {
                    user_id,
                    session_id: presented.session_id,
                })
            }
            Refreshed::Current(standing) => {
                let role = standing.role.parse().map_err(|_| Error::Unauthenticated)?;
                let session_id = presented.session_id;
                let caller = Caller {
                    user_id: standing.user_id,
                    session_id,
                    role,
                };
                let until = |at| TimeDelta::milliseconds(at - now.timestamp_millis());
                let (idle, ends) = (until(standing.idle), until(standing.ends));
                self.pair(&caller, &successor, idle, ends)
            }
        }
    }

    /// The theft of a session was written down.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn theft_is_told(&self, session_id: Uuid) -> Result<(), Error> {
        Ok(renewal::forget_theft(&self.redis, session_id).await?)
    }

    /// Whom an access token proves, if its session has not ended.
    #[must_use]
    pub fn by_token(&self, token: &[u8]) -> Option<Caller> {
        let verified = self.tokens.verify(token).ok()?;
        let caller = verified.caller;
        (!self.revocations.contains(caller.session_id)).then_some(caller)
    }

    /// Whom a cookie proves. Reads Redis once a second at most.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn by_cookie(&self, cookie: &str) -> Result<Option<Caller>, Error> {
        let Some(value) = CookieValue::decode(cookie) else {
            return Ok(None);
        };
        if self.revocations.contains(value.session_id) {
            return Ok(None);
        }
        let digest = secret::digest(&value.secret);
        let now = self.clock.now_ms();
        if let Some((caller, until)) = self.seen.get(&digest)
            && now < until
            && caller.session_id == value.session_id
        {
            return Ok(Some(caller));
        }
        let idle = self.settings.cookie_idle_s.millis();
        // Boxed, so that requests that ask nothing carry no room for it.
        let found = sessions::touch(&self.redis, value.session_id, &digest, now, idle);
        let found = Box::pin(found).await?;
        let Some((user_id, role)) = found else {
            return Ok(None);
        };
        let Ok(role) = role.parse() else {
            return Ok(None);
        };
        let caller = Caller {
            user_id,
            session_id: value.session_id,
            role,
        };
        self.seen.insert(digest, (caller, now + SEEN_FOR_MS));
        Ok(Some(caller))
    }

    /// The user's living sessions, newest first.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn list(&self, user_id: Uuid) -> Result<Vec<Session>, Error> {
        Ok(sessions::list(&self.redis, user_id, self.clock.now_ms()).await?)
    }

    /// An access token doesn't outlive its session, which ends in `ends_in`.
    fn pair(
        &self,
        caller: &Caller,
        refresh: &RefreshToken,
        refresh_expires_in: TimeDelta,
        ends_in: TimeDelta,
    ) -> Result<TokenPair, Error> {
        let expires_in = self.tokens.lifetime().min(ends_in);
        Ok(TokenPair {
            session_id: caller.session_id,
            access_token: self.tokens.for_client(caller, expires_in)?,
            expires_in,
            refresh_token: refresh.encode(&self.key),
            refresh_expires_in,
        })
    }
}
