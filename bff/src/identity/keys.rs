//! The keys that tokens are signed with, and the secrets derived from the
//! master key.

use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use platform::{
    config::Secret,
    paseto::{PublicKeys, SKEW, SigningKey, VerifyingKeys},
};
use sha2::Sha256;

use super::key_file::signer;
pub use super::key_file::{KeyFile, KeyState, Rotation, StoredKey};

/// The keys in use. Cloning shares them; [`KeyRing::replace`] changes them for
/// everyone.
#[derive(Debug, Clone)]
pub struct KeyRing {
    signing: Arc<ArcSwap<Vec<SigningKey>>>,
    verifying: VerifyingKeys,
}

impl KeyRing {
    /// The keys of a file.
    ///
    /// # Errors
    /// When one of them is no key.
    pub fn new(file: &KeyFile) -> anyhow::Result<Self> {
        let ring = Self {
            signing: Arc::new(ArcSwap::from_pointee(Vec::new())),
            verifying: VerifyingKeys::default(),
        };
        ring.replace(file)?;
        Ok(ring)
    }

    /// Takes the keys of a file instead of the ones before.
    ///
    /// # Errors
    /// When one of them is no key; then nothing changes.
    pub fn replace(&self, file: &KeyFile) -> anyhow::Result<()> {
        let (keys, public) = (file.signing_keys()?, file.public_keys()?);
        // In this order: whoever sees the new generation signs with a new key.
        self.signing.store(Arc::new(keys));
        self.verifying.replace(&public)
    }

    /// The key to sign with: the youngest that is good for the whole life of
    /// a token made now.
    #[must_use]
    pub fn signing_key(&self, now: DateTime<Utc>, token_lifetime: TimeDelta) -> Option<SigningKey> {
        let keys = self.signing.load();
        let times = keys.iter().map(SigningKey::public);
        let times = times.map(|key| (key.not_before, key.not_after));
        signer(times, now, token_lifetime).map(|place| keys[place].clone())
    }

    /// The keys that verify.
    #[must_use]
    pub fn verifying(&self) -> &VerifyingKeys {
        &self.verifying
    }

    /// The public keys that matter now or later.
    #[must_use]
    pub fn published(&self, now: DateTime<Utc>) -> PublicKeys {
        let keys = self.signing.load();
        let current = keys
            .iter()
            .map(|key| key.public())
            .filter(|key| now <= key.not_after + SKEW);
        PublicKeys {
            keys: current.cloned().collect(),
        }
    }
}

/// The secret that every keyed hash and sealed message of the edge comes from.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

impl MasterKey {
    /// Reads 32 bytes in base64.
    ///
    /// # Errors
    /// When it isn't that.
    pub fn from_base64(text: &Secret) -> anyhow::Result<Self> {
        let bytes = STANDARD.decode(text.expose()).context("expected base64")?;
        let bytes = bytes
            .try_into()
            .map_err(|_| anyhow::anyhow!("expected 32 bytes in base64"))?;
        Ok(Self(bytes))
    }

    /// The key of a developer who has none.
    #[must_use]
    pub const fn of_nobody() -> Self {
        Self([0; 32])
    }

    /// A key for one purpose: HMAC-SHA-256 of the purpose's name (NIST SP
    /// 800-108 with one block).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        keyed_hash(&self.0, &[purpose.as_bytes()])
    }
}

/// HMAC-SHA-256 over the parts, each preceded by its length, so that no two
/// lists of parts have the same input.
#[must_use]
pub fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
