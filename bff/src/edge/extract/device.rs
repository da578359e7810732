use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
};

use axum::extract::FromRequestParts;
use http::{header, request::Parts};

use crate::{
    app::AppState, edge::client_address::ClientAddress, identity::session::Device, notify::Language,
};

impl FromRequestParts<AppState> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        let ip = parts
            .extensions
            .get::<ClientAddress>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.0);
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
            ip,
            user_agent,
            language: Language::accepted(languages.unwrap_or_default()),
        })
    }
}
