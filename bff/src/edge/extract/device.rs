use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::{header, request::Parts};

use crate::{
    app::AppState, edge::client_address::ClientAddress, identity::session::Device, notify::Language,
};

impl FromRequestParts<AppState> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        let user_agent = agent.unwrap_or_default().chars().take(256).collect();
        let languages = parts
            .headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        Ok(Self {
            ip: ClientAddress::of(parts, &state.settings.client).0,
            user_agent,
            language: Language::accepted(languages.unwrap_or_default()),
        })
    }
}
