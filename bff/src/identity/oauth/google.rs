use chrono::TimeDelta;
use futures::future::BoxFuture;
use platform::clock::SharedClock;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use url::Url;

use super::{
    Failure, Grant,
    application::Application,
    flow::Secrets,
    http::get,
    id_token::{Expected, IdToken, KeySet, PublishedKeys},
    kept::Kept,
    provider::{Person, Provider},
};
use crate::upstream::Deadline;

/// What is fetched is believed for this long.
const GOOD_FOR: TimeDelta = TimeDelta::hours(1);
/// A key that isn't there may have been made since, but is looked for no more
/// often than this.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// Google, or whoever else speaks OpenID Connect.
#[derive(Debug)]
pub(super) struct Google {
    pub application: Application,
    /// Also the place below which the discovery document lies.
    pub issuer: String,
    pub discovery_url: Url,
    pub discovery: Kept<Discovery>,
    pub keys: Kept<KeySet>,
    pub clock: SharedClock,
}

/// What the provider says of itself (OpenID Connect Discovery, section 3).
#[derive(Debug, Deserialize)]
pub(super) struct Discovery {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
}

impl Discovery {
    /// Whether it is of this issuer, and leads nowhere less safe.
    fn is_of(&self, issuer: &str) -> bool {
        let endpoints = [
            &self.authorization_endpoint,
            &self.token_endpoint,
            &self.jwks_uri,
        ];
        self.issuer == issuer
            && (!issuer.starts_with("https:")
                || endpoints.iter().all(|url| url.scheme() == "https"))
    }
}

impl Google {
    async fn discovery(&self, deadline: Deadline) -> Result<Arc<Discovery>, Failure> {
        let fetch = async {
            let request = get(&self.discovery_url);
            let found: Discovery = self.application.http.json(request, deadline).await?;
            let is_ours = found.is_of(&self.issuer);
            is_ours
                .then_some(found)
                .ok_or(Failure::Answer("a discovery document of another"))
        };
        self.discovery
            .get(deadline, |_, age| age < GOOD_FOR, fetch)
            .await
    }

    async fn keys(&self, url: &Url, kid: &str, deadline: Deadline) -> Result<Arc<KeySet>, Failure> {
        let fetch = async {
            let published: PublishedKeys = self.application.http.json(get(url), deadline).await?;
            KeySet::try_from(published)
        };
        let is_good = |keys: &KeySet, age| age < GOOD_FOR && (keys.has(kid) || age < LOOK_AGAIN);
        self.keys.get(deadline, is_good, fetch).await
    }
}

impl Provider for Google {
    fn page<'a>(
        &'a self,
        secrets: &'a Secrets,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Url, Failure>> {
        Box::pin(async move {
            let discovery = self.discovery(deadline).await?;
            let nonce = [("nonce", secrets.nonce.as_str())];
            Ok(self
                .application
                .page(&discovery.authorization_endpoint, secrets, &nonce))
        })
    }

    fn person<'a>(
        &'a self,
        secrets: &'a Secrets,
        grant: &'a Grant,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Person, Failure>> {
        Box::pin(async move {
            let discovery = self.discovery(deadline).await?;
            let tokens = self
                .application
                .exchange(&discovery.token_endpoint, secrets, grant, &[], deadline)
                .await?;
            let text = tokens.extra_fields().id_token.as_deref();
            let token = IdToken::parse(text.ok_or(Failure::Answer("no id token"))?)?;
            let keys = self.keys(&discovery.jwks_uri, &token.kid, deadline).await?;
            let expected = Expected {
                issuer: &self.issuer,
                audience: &self.application.id,
                nonce: &secrets.nonce,
                now: self.clock.now(),
            };
            let claims = token.check(&keys, &expected)?;
            let (email, name) = (claims.email.as_deref(), claims.name.as_deref());
            let person = Person::new(claims.sub, email, name)?;
            let vouched = claims.email_verified == Value::Bool(true);
            Ok(Person { vouched, ..person })
        })
    }
}
