use chrono::{DateTime, Utc};
use pasetors::{
    keys::{AsymmetricKeyPair, AsymmetricPublicKey, AsymmetricSecretKey, Generate as _},
    paserk::{FormatAsPaserk as _, Id},
    version4::{PublicToken, V4},
};

use super::{Claims, Footer, PublicKey};

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
