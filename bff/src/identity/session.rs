//! Sessions: opened at sign-in, proved by each request, ended by many things.

mod fresh;

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use platform::{
    clock::SharedClock,
    nats::Nats,
    outbox::{self, NewEvent},
    paseto::SKEW,
    redis::Redis,
};
use proto::events::{Event as _, SessionRevoked};
use uuid::Uuid;

use super::{
    caller::{Caller, Role},
    error::Error,
    keys::MasterKey,
    revocation::Revocations,
    secret::{self, CookieValue, RefreshToken, Secret256},
    settings::SessionSettings,
    store::sessions::{self, Refreshed, Rotation},
    token::Tokens,
};
use crate::notify::Language;

/// How a client holds its session.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    utoipa::ToSchema,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// An access token and a refresh token.
    #[default]
    Token,
    /// A cookie that script can't read.
    Cookie,
}

impl Mode {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Cookie => "cookie",
        }
    }

    /// Reads what is stored or sent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Token, Self::Cookie]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }
}

/// The client that a session is opened for, as its owner will see it in a list.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its address.
    pub ip: IpAddr,
    /// What it calls itself, 256 characters at most.
    pub user_agent: String,
    /// The language that its user reads.
    pub language: Language,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What the user may do in it.
    pub role: Role,
    /// How the client holds it.
    pub mode: Mode,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends if it isn't used.
    pub idle_at: DateTime<Utc>,
    /// When it ends however it is used.
    pub ends_at: DateTime<Utc>,
    /// The address that it was opened from.
    pub ip: IpAddr,
    /// What the client called itself.
    pub user_agent: String,
}

/// How often all sessions of a user were ended: read before a proof is checked,
/// so that a sign-in can't outrun the change that made its proof worthless.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub struct Era(u64);

/// What the client is given to hold.
#[derive(Debug)]
pub enum Proof {
    /// In token mode.
    Tokens(TokenPair),
    /// In cookie mode: the cookie's value, and how long it may be kept.
    Cookie(String, TimeDelta),
}

/// An access token and the refresh token that renews it.
#[derive(Debug)]
pub struct TokenPair {
    /// The session.
    pub session_id: Uuid,
    /// PASETO v4.public.
    pub access_token: String,
    /// How long the access token is good.
    pub expires_in: TimeDelta,
    /// Opaque.
    pub refresh_token: String,
    /// How long the refresh token is good.
    pub refresh_expires_in: TimeDelta,
}

/// Everything that is done with sessions. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Sessions {
    redis: Redis,
    nats: Nats,
    clock: SharedClock,
    settings: SessionSettings,
    tokens: Tokens,
    revocations: Revocations,
    key: Secret256,
    /// Cookie sessions seen within the last second, by the cookie's digest.
    seen: Cache<[u8; 32], (Caller, i64)>,
}

/// A cookie session that was read isn't read again for this long.
const SEEN_FOR_MS: i64 = 1_000;

impl Sessions {
    /// Ended sessions are told of through `nats`.
    #[must_use]
    pub fn new(
        redis: Redis,
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
            seen: Cache::new(100_000),
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

    /// Opens a session for someone whose proof was checked after `era` was read.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when all of the user's sessions were ended
    /// meanwhile: what was proved may not be good any more;
    /// when Redis doesn't answer or nothing can be signed.
    pub async fn open(
        &self,
        user_id: Uuid,
        role: Role,
        mode: Mode,
        device: Device,
        era: Era,
    ) -> Result<(Uuid, Proof), Error> {
        let now = self.clock.now();
        // The id tells nothing about the one before, and isn't a secret.
        let id = self.clock.new_id();
        let idle = match mode {
            Mode::Token => self.settings.token_idle_s,
            Mode::Cookie => self.settings.cookie_idle_s,
        };
        let ends_at = now + self.settings.absolute_s.delta();
        let session = Session {
            id,
            user_id,
            role,
            mode,
            created_at: now,
            last_seen_at: now,
            idle_at: ends_at.min(now + idle.delta()),
            ends_at,
            ip: device.ip,
            user_agent: device.user_agent,
        };
        let caller = Caller {
            user_id,
            session_id: id,
            role,
        };
        let (digest, proof) = match mode {
            Mode::Token => {
                let token = RefreshToken::first(id);
                let pair = self.pair(&caller, &token, session.idle_at - now)?;
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
        self.tell(user_id, &displaced, now).await;
        metrics::counter!("sessions_opened_total", "mode" => mode.as_str()).increment(1);
        Ok((id, proof))
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
        let refreshed = sessions::refresh(
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
                let left = TimeDelta::milliseconds(standing.idle - now.timestamp_millis());
                self.pair(&caller, &successor, left)
            }
        }
    }

    /// Whom an access token proves, if its session has not ended.
    #[must_use]
    pub fn by_token(&self, token: &str) -> Option<Caller> {
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
        let found = sessions::touch(&self.redis, value.session_id, &digest, now, idle).await?;
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

    /// Ends one session of a user.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user has none of that id;
    /// when Redis doesn't answer.
    pub async fn end(&self, user_id: Uuid, session_id: Uuid) -> Result<(), Error> {
        match self.end_those(user_id, &[session_id], None).await? {
            0 => Err(Error::NotFound),
            _ => Ok(()),
        }
    }

    /// Ends every session of a user but one.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn end_all(&self, user_id: Uuid, spared: Option<Uuid>) -> Result<(), Error> {
        self.end_those(user_id, &[], spared).await.map(drop)
    }

    async fn end_those(
        &self,
        user_id: Uuid,
        named: &[Uuid],
        spared: Option<Uuid>,
    ) -> Result<usize, Error> {
        let now = self.clock.now();
        let keep = self.revocations.keep();
        let at = now.timestamp_millis();
        let ended = sessions::end(&self.redis, user_id, named, spared, at, keep).await?;
        self.tell(user_id, &ended, now).await;
        Ok(ended.len())
    }

    /// Makes ended sessions known: here at once, elsewhere through NATS. What
    /// NATS doesn't carry, every replica reads from Redis.
    async fn tell(&self, user_id: Uuid, ended: &[Uuid], at: DateTime<Utc>) {
        if ended.is_empty() {
            return;
        }
        self.revocations
            .add(ended.iter().map(|id| (*id, at.timestamp_millis())));
        metrics::counter!("sessions_revoked_total").increment(ended.len() as u64);
        for &session_id in ended {
            let event = SessionRevoked {
                session_id,
                user_id,
                revoked_at: at,
            };
            let event = NewEvent::new(SessionRevoked::SUBJECT, session_id, 0, &event, &*self.clock);
            outbox::announce(&self.nats, crate::events::SOURCE, &event).await;
        }
    }

    fn pair(
        &self,
        caller: &Caller,
        refresh: &RefreshToken,
        refresh_expires_in: TimeDelta,
    ) -> Result<TokenPair, Error> {
        Ok(TokenPair {
            session_id: caller.session_id,
            access_token: self.tokens.for_client(caller)?,
            expires_in: self.tokens.lifetime(),
            refresh_token: refresh.encode(&self.key),
            refresh_expires_in,
        })
    }
}
