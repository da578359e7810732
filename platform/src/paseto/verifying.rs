use std::{collections::HashMap, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use pasetors::{
    Public,
    keys::AsymmetricPublicKey,
    paserk::{FormatAsPaserk as _, Id},
    token::UntrustedToken,
    version4::{PublicToken, V4},
};

use super::{Claims, Footer, MAX_TOKEN_LENGTH, PublicKeys, SKEW, TokenError};

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
