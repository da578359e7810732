use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use oauth2::TokenResponse as _;
use serde::Deserialize;
use sha2::Sha256;
use url::Url;

use super::{
    Failure, Grant,
    application::Application,
    flow::Secrets,
    http::get,
    provider::{Person, Provider},
};
use crate::{identity::secret::hex, upstream::Deadline};

/// Facebook. Its address of a person may be missing, and proves nothing.
#[derive(Debug)]
pub(super) struct Facebook {
    pub application: Application,
    pub dialog: Url,
    pub token: Url,
    pub me: Url,
}

#[derive(Deserialize)]
struct Me {
    id: String,
    name: Option<String>,
    email: Option<String>,
}

impl Facebook {
    /// Shows that the token is used by whoever knows the application's secret:
    /// one that leaked is worth nothing elsewhere.
    fn proof(&self, token: &str) -> String {
        let secret = self.application.secret.expose().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key");
        mac.update(token.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

impl Provider for Facebook {
    fn page<'a>(
        &'a self,
        secrets: &'a Secrets,
        _: Deadline,
    ) -> BoxFuture<'a, Result<Url, Failure>> {
        let page = self.application.page(&self.dialog, secrets, &[]);
        Box::pin(std::future::ready(Ok(page)))
    }

    fn person<'a>(
        &'a self,
        secrets: &'a Secrets,
        grant: &'a Grant,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Person, Failure>> {
        Box::pin(async move {
            let application = &self.application;
            let tokens = application
                .exchange(&self.token, secrets, grant, &[], deadline)
                .await?;
            let token = tokens.access_token().secret();
            let mut url = self.me.clone();
            url.query_pairs_mut()
                .append_pair("fields", "id,name,email")
                .append_pair("access_token", token)
                .append_pair("appsecret_proof", &self.proof(token));
            let me: Me = application.http.json(get(&url)?, deadline).await?;
            Person::new(me.id, me.email.as_deref(), me.name.as_deref())
        })
    }
}
