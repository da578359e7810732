//! PASETO v4.public tokens: signed by the edge, verified wherever they arrive.
//!
//! Several keys are good at once, each for its own time; a token names its key
//! in the footer (`{"kid":"k4.pid.…"}`). A verifier holds public keys alone.

use std::{collections::HashMap, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use pasetors::{
    Public,
    keys::{AsymmetricKeyPair, AsymmetricPublicKey, AsymmetricSecretKey, Generate as _},
    paserk::{FormatAsPaserk as _, Id},
    token::UntrustedToken,
    version4::{PublicToken, V4},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

/// A key that signs. Only the edge has one.
#[derive(Clone)]
pub struct SigningKey {
    secret: AsymmetricSecretKey<V4>,
    public: PublicKey,
    footer: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public.kid).finish()
    }
}

impl SigningKey {
    /// Makes a key that is good between two instants.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> anyhow::Result<Self> {
        let pair = AsymmetricKeyPair::<V4>::generate()?;
        Self::new(pair.secret, not_before, not_after)
    }

    /// Reads a key from its PASERK (`k4.secret.…`).
    ///
    /// # Errors
    /// When it is none.
    pub fn from_paserk(
        paserk: &str,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        Self::new(
            AsymmetricSecretKey::try_from(paserk)?,
            not_before,
            not_after,
        )
    }

    fn new(
        secret: AsymmetricSecretKey<V4>,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let public = AsymmetricPublicKey::<V4>::try_from(&secret)?;
        let (mut kid, mut paserk) = (String::new(), String::new());
        Id::from(&public).fmt(&mut kid)?;
        public.fmt(&mut paserk)?;
        let footer = serde_json::to_string(&Footer { kid: kid.clone() })?;
        Ok(Self {
            secret,
            public: PublicKey {
                kid,
                paserk,
                not_before,
                not_after,
            },
            footer,
        })
    }

    /// The secret, for the key file.
    ///
    /// # Errors
    /// Never for a key that was made here.
    pub fn to_paserk(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        self.secret.fmt(&mut text)?;
        Ok(text)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a token.
    ///
    /// # Panics
    /// Never: the key was checked when it was made and claims always serialise.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let message = serde_json::to_vec(claims).expect("claims serialise");
        PublicToken::sign(&self.secret, &message, Some(self.footer.as_bytes()), None)
            .expect("the key is well-formed and the message isn't empty")
    }
}

#[derive(Clone)]
struct VerifyingKey {
    key: AsymmetricPublicKey<V4>,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

/// The public keys that a verifier accepts. Cloning shares them.
#[derive(Clone, Default)]
pub struct VerifyingKeys(Arc<ArcSwap<Accepted>>);

#[derive(Default)]
struct Accepted {
    generation: u64,
    by_id: HashMap<String, VerifyingKey>,
}

impl std::fmt::Debug for VerifyingKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.load().by_id.keys()).finish()
    }
}

impl VerifyingKeys {
    /// Accepts these keys.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn new(keys: &PublicKeys) -> anyhow::Result<Self> {
        let all = Self::default();
        all.replace(keys)?;
        Ok(all)
    }

    /// Accepts these keys instead of the ones before.
    ///
    /// # Errors
    /// When one of them can't be read; then nothing changes.
    pub fn replace(&self, keys: &PublicKeys) -> anyhow::Result<()> {
        let mut by_id = HashMap::with_capacity(keys.keys.len());
        for public in &keys.keys {
            let key = AsymmetricPublicKey::<V4>::try_from(public.paserk.as_str())?;
            let mut kid = String::new();
            Id::from(&key).fmt(&mut kid)?;
            anyhow::ensure!(
                kid == public.kid,
                "{}: the key has another id: {kid}",
                public.kid
            );
            let (not_before, not_after) = (public.not_before, public.not_after);
            by_id.insert(
                kid,
                VerifyingKey {
                    key,
                    not_before,
                    not_after,
                },
            );
        }
        self.0.rcu(|before| Accepted {
            generation: before.generation + 1,
            by_id: by_id.clone(),
        });
        Ok(())
    }

    /// Grows whenever the keys are replaced. Whoever remembers that a token was
    /// good remembers the generation from before it was verified, and believes
    /// neither once it is another.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.load().generation
    }

    /// Reads the keys from a file that holds a [`PublicKeys`] document.
    ///
    /// # Errors
    /// When it can't be read; then nothing changes.
    pub async fn read(&self, file: &Path) -> anyhow::Result<()> {
        let text = tokio::fs::read(file).await?;
        self.replace(&serde_json::from_slice(&text)?)
    }

    /// How many keys are accepted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.load().by_id.len()
    }

    /// Whether no token can be verified at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks a token for one issuer and one audience, and returns what it says.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(
        &self,
        token: &str,
        issuer: &str,
        audience: &str,
        now: DateTime<Utc>,
    ) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(TokenError::Malformed);
        }
        let untrusted =
            UntrustedToken::<Public, V4>::try_from(token).map_err(|_| TokenError::Malformed)?;
        // serde reads the footer: pasetors' own parser compiles a regular
        // expression at each call, which costs more than the signature.
        let footer: Footer = serde_json::from_slice(untrusted.untrusted_footer())
            .map_err(|_| TokenError::Malformed)?;
        let keys = self.0.load();
        let key = keys.by_id.get(&footer.kid).ok_or(TokenError::UnknownKey)?;
        if now + SKEW < key.not_before || key.not_after + SKEW < now {
            return Err(TokenError::UnknownKey);
        }
        let trusted = PublicToken::verify(&key.key, &untrusted, None, None)
            .map_err(|_| TokenError::Signature)?;
        let claims: Claims =
            serde_json::from_str(trusted.payload()).map_err(|_| TokenError::Malformed)?;
        if claims.iss != issuer || claims.aud != audience {
            return Err(TokenError::Audience);
        }
        if now + SKEW < claims.nbf || now + SKEW < claims.iat || claims.exp + SKEW <= now {
            return Err(TokenError::Time);
        }
        Ok(claims)
    }
}
