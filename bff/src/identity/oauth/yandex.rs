use futures::future::BoxFuture;
use http::{HeaderValue, header};
use oauth2::TokenResponse as _;
use serde::Deserialize;
use url::Url;

use super::{
    Failure, Grant,
    application::Application,
    flow::Secrets,
    http::get,
    provider::{Person, Provider},
};
use crate::upstream::Deadline;

/// Yandex ID. It says for which application a token was made; that a person's
/// address is theirs it doesn't say.
#[derive(Debug)]
pub(super) struct Yandex {
    pub application: Application,
    pub authorize: Url,
    pub token: Url,
    pub info: Url,
}

#[derive(Deserialize)]
struct Info {
    id: String,
    client_id: String,
    default_email: Option<String>,
    real_name: Option<String>,
}

impl Provider for Yandex {
    fn page<'a>(
        &'a self,
        secrets: &'a Secrets,
        _: Deadline,
    ) -> BoxFuture<'a, Result<Url, Failure>> {
        let page = self.application.page(&self.authorize, secrets, &[]);
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
            let authorization = format!("OAuth {}", tokens.access_token().secret());
            let mut authorization = HeaderValue::try_from(authorization)
                .map_err(|_| Failure::Answer("an access token that no header holds"))?;
            authorization.set_sensitive(true);
            let mut request = get(&self.info);
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, authorization);
            let info: Info = application.http.json(request, deadline).await?;
            if info.client_id != application.id {
                return Err(Failure::Answer("a token for another application"));
            }
            Person::new(
                info.id,
                info.default_email.as_deref(),
                info.real_name.as_deref(),
            )
        })
    }
}
