//! The connection to NATS.

use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use serde::{Deserialize, Serialize};

use crate::config::ServerUrl;

/// Settings of NATS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct NatsSettings {
    /// `nats://[user:password@]host:port`
    pub url: ServerUrl,
    /// Copies of each stream: 1 in development, 3 in production.
    pub replicas: usize,
    /// Stands before every stream, subject and consumer name, so that several
    /// systems can share a server; empty for none.
    pub prefix: String,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            url: ServerUrl::literal("nats://127.0.0.1:4222"),
            replicas: 1,
            prefix: String::new(),
        }
    }
}

/// Connects, and goes on trying in the background when the server is away, so
/// that the program starts without it.
///
/// # Errors
/// When the URL can't be used.
pub async fn connect(settings: &NatsSettings, name: &str) -> anyhow::Result<Client> {
    let url = settings.url.expose();
    let mut options = ConnectOptions::new()
        .name(name)
        .retry_on_initial_connect()
        .connection_timeout(Duration::from_secs(2))
        .request_timeout(Some(Duration::from_secs(2)))
        .reconnect_delay_callback(|attempts| {
            Duration::from_millis(50 << attempts.min(5)).min(Duration::from_secs(1))
        })
        .event_callback(|event| async move { tracing::info!(%event, "nats") });
    if let Some(password) = url.password() {
        options = options.user_and_password(url.username().to_owned(), password.to_owned());
    }
    Ok(options.connect(url.as_str()).await?)
}

/// Whether the connection stands.
///
/// # Errors
/// When it doesn't.
pub fn check(client: &Client) -> Result<(), String> {
    match client.connection_state() {
        async_nats::connection::State::Connected => Ok(()),
        state => Err(state.to_string()),
    }
}
