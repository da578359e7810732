use futures::future::BoxFuture;
use oauth2::TokenResponse as _;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use url::Url;

use super::{
    Failure, Grant,
    application::Application,
    flow::Secrets,
    http::post,
    provider::{Person, Provider},
};
use crate::upstream::Deadline;

/// VK ID. Its exchange wants the device that the callback named and echoes the
/// state; its address of a person is no proof.
#[derive(Debug)]
pub(super) struct Vk {
    pub application: Application,
    pub authorize: Url,
    pub token: Url,
    pub user_info: Url,
}

#[derive(Deserialize)]
struct UserInfo {
    user: User,
}

#[derive(Deserialize)]
struct User {
    user_id: UserId,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
}

/// A number, written as one or as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum UserId {
    Number(u64),
    Text(String),
}

impl Provider for Vk {
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
            let device = grant.device_id.as_deref();
            let device = device.ok_or(Failure::Answer("a callback without device_id"))?;
            let extra = [("device_id", device), ("state", secrets.state.as_str())];
            let tokens = application
                .exchange(&self.token, secrets, grant, &extra, deadline)
                .await?;
            let echo = tokens.extra_fields().state.as_deref().unwrap_or_default();
            if !bool::from(echo.as_bytes().ct_eq(secrets.state.as_bytes())) {
                return Err(Failure::Answer("the exchange echoes another state"));
            }
            let token = tokens.access_token().secret();
            let form = [
                ("client_id", application.id.as_str()),
                ("access_token", token),
            ];
            let request = post(&self.user_info, &form);
            let UserInfo { user } = application.http.json(request, deadline).await?;
            let subject = match user.user_id {
                UserId::Number(number) => number.to_string(),
                UserId::Text(text) => text,
            };
            let names: Vec<String> = [user.first_name, user.last_name]
                .into_iter()
                .flatten()
                .collect();
            Person::new(subject, user.email.as_deref(), Some(&names.join(" ")))
        })
    }
}
