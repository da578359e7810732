//! PASETO v4.public tokens: signed by the edge, verified wherever they arrive.
//!
//! Several keys are good at once, each for its own time; a token names its key
//! in the footer (`{"kid":"k4.pid.…"}`). A verifier holds public keys alone.

mod signing;
mod verifying;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{signing::SigningKey, verifying::VerifyingKeys};

/// How far two machines' clocks may be apart.
pub const SKEW: TimeDelta = TimeDelta::seconds(30);

/// A token longer than this isn't looked at.
pub const MAX_TOKEN_LENGTH: usize = 1024;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user.
    pub sub: Uuid,
    /// The session.
    pub sid: Uuid,
    /// The user's role.
    pub role: String,
    /// When it was made.
    pub iat: DateTime<Utc>,
    /// From when on it is good.
    pub nbf: DateTime<Utc>,
    /// Until when it is good.
    pub exp: DateTime<Utc>,
    /// Its own id.
    pub jti: Uuid,
}

/// Why a token was refused. Never shown to the caller, who gets one answer for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a v4.public token with a footer that names a key.
    #[error("malformed")]
    Malformed,
    /// No key of that name, or not at this time.
    #[error("unknown key")]
    UnknownKey,
    /// Changed, or signed with another key.
    #[error("bad signature")]
    Signature,
    /// Signed by a known key, but not for this use.
    #[error("wrong issuer or audience")]
    Audience,
    /// Too early or too late.
    #[error("not valid now")]
    Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Footer {
    kid: String,
}

/// The public half of a key, as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// PASERK key id: `k4.pid.…`
    pub kid: String,
    /// PASERK: `k4.public.…`
    pub paserk: String,
    /// Tokens of this key aren't accepted before.
    pub not_before: DateTime<Utc>,
    /// Tokens of this key aren't accepted after.
    pub not_after: DateTime<Utc>,
}

/// A document of public keys, as served at `/.well-known/paseto-keys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeys {
    /// Every key that verifies tokens now or soon.
    pub keys: Vec<PublicKey>,
}
