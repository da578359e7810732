//! What a session is, and what a client holds of it.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{identity::caller::Role, notify::Language};

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
pub struct Era(pub(super) u64);

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
