//! Whom a call comes from: the edge's tokens, verified here with its public
//! keys alone.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use platform::{
    clock::SharedClock,
    paseto::{Claims, SKEW, VerifyingKeys},
};
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use crate::error::Error;

/// Who signs tokens.
const ISSUER: &str = "portico";

/// For whom they are meant here.
const AUDIENCE: &str = "orders";

/// A token is remembered this long at most; the edge's live a minute.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Verifies tokens. Cloning shares the keys and what is remembered.
#[derive(Debug, Clone)]
pub struct Tokens {
    keys: VerifyingKeys,
    /// Tokens whose signature was found good, with the keys' generation then.
    good: Cache<String, (u64, Arc<Claims>)>,
    clock: SharedClock,
}

impl Tokens {
    /// Knows no key yet; remembers `remembered` tokens.
    #[must_use]
    pub fn new(remembered: u64, clock: SharedClock) -> Self {
        let good = Cache::builder()
            .max_capacity(remembered)
            .time_to_live(REMEMBERED_FOR)
            .build();
        Self {
            keys: VerifyingKeys::default(),
            good,
            clock,
        }
    }

    /// Believes the keys of this document, a `PublicKeys` in JSON, instead of
    /// those before.
    ///
    /// # Errors
    /// When it can't be read; then nothing changes.
    pub fn believe(&self, document: &[u8]) -> anyhow::Result<()> {
        self.keys.replace(&serde_json::from_slice(document)?)
    }

    /// How many keys are believed.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The user whom the call's token names; none for a call that the edge
    /// makes on nobody's behalf.
    ///
    /// # Errors
    /// [`Error::TokenRefused`], and [`Error::Unavailable`] while no key is known.
    pub fn user(&self, metadata: &MetadataMap) -> Result<Option<Uuid>, Error> {
        if self.keys.is_empty() {
            return Err(Error::Unavailable);
        }
        let token = metadata
            .get("authorization")
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .ok_or(Error::TokenRefused)?;
        let claims = self.claims(token)?;
        Ok((!claims.sub.is_nil()).then_some(claims.sub))
    }

    fn claims(&self, token: &str) -> Result<Arc<Claims>, Error> {
        let now = self.clock.now();
        let generation = self.keys.generation();
        if let Some((of, claims)) = self.good.get(token)
            && of == generation
        {
            return if now < claims.exp + SKEW {
                Ok(claims)
            } else {
                Err(Error::TokenRefused)
            };
        }
        let claims = self
            .keys
            .verify(token, ISSUER, AUDIENCE, now)
            .map_err(|reason| {
                tracing::debug!(%reason, "token refused");
                Error::TokenRefused
            })?;
        let claims = Arc::new(claims);
        self.good
            .insert(token.to_owned(), (generation, claims.clone()));
        Ok(claims)
    }
}
