//! The connection to NATS, and the names that everything has there.

mod streams;

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event,
    connection::State,
    jetstream::{Context, context::ContextBuilder},
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::config::{Seconds, ServerUrl};

pub use streams::Stream;

/// How long JetStream may take to answer one request, an acknowledgement included.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Settings of NATS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct NatsSettings {
    /// `nats://[user:password@]host:port`
    pub url: ServerUrl,
    /// Copies of each stream: 1 in development, 3 in production.
    pub replicas: usize,
    /// Stands before every stream and subject name, so that several systems
    /// can share a server: lower-case letters and digits; empty for none.
    pub prefix: String,
    /// How long events are kept, in seconds.
    pub events_max_age_s: Seconds,
    /// How long a message to a person waits to be sent, in seconds. Nothing in
    /// it is good for longer than a one-time code is.
    pub notify_max_age_s: Seconds,
    /// How long messages that nobody could handle are kept, in seconds.
    pub dead_max_age_s: Seconds,
    /// For how long JetStream recognises a message that it has already, in seconds.
    pub duplicate_window_s: Seconds,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            url: ServerUrl::literal("nats://127.0.0.1:4222"),
            replicas: 1,
            prefix: String::new(),
            events_max_age_s: Seconds(7 * 24 * 3600),
            notify_max_age_s: Seconds(300),
            dead_max_age_s: Seconds(30 * 24 * 3600),
            duplicate_window_s: Seconds(120),
        }
    }
}

/// NATS, as the program uses it. Cloning shares the connection.
#[derive(Clone)]
pub struct Nats {
    client: Client,
    jetstream: Context,
    connections: watch::Receiver<u64>,
    settings: Arc<NatsSettings>,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Nats {
    /// Connects, and goes on trying in the background while the server is away,
    /// so that the program starts without it.
    ///
    /// # Errors
    /// When the URL or the prefix can't be used.
    pub async fn connect(settings: &NatsSettings, name: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(
            settings
                .prefix
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "NATS__PREFIX: expected lower-case letters and digits"
        );
        let (connected, connections) = watch::channel(0);
        let connected = Arc::new(connected);
        let url = settings.url.expose();
        let mut options = ConnectOptions::new()
            .name(name)
            .retry_on_initial_connect()
            .connection_timeout(Duration::from_secs(2))
            .request_timeout(Some(Duration::from_secs(2)))
            // A peer that hangs without closing is noticed after two of them.
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(50 << attempts.min(5)).min(Duration::from_secs(1))
            })
            .event_callback(move |event| {
                if matches!(event, Event::Connected) {
                    connected.send_modify(|count| *count += 1);
                }
                async move { tracing::info!(%event, "nats") }
            });
        if let Some(password) = url.password() {
            options = options.user_and_password(url.username().to_owned(), password.to_owned());
        }
        let client = options.connect(url.as_str()).await?;
        Ok(Self {
            jetstream: ContextBuilder::new()
                .timeout(ANSWER_LIMIT)
                .build(client.clone()),
            client,
            connections,
            settings: Arc::new(settings.clone()),
        })
    }

    /// The connection itself.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// JetStream on this connection. Every answer is waited for a bounded time.
    #[must_use]
    pub fn jetstream(&self) -> &Context {
        &self.jetstream
    }

    /// Whether the connection stands.
    ///
    /// # Errors
    /// When it doesn't.
    pub fn check(&self) -> Result<(), String> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            state => Err(state.to_string()),
        }
    }

    /// Fails when there is no connection, before work is prepared for it.
    pub(crate) fn require(&self) -> anyhow::Result<()> {
        self.check()
            .map_err(|state| anyhow::anyhow!("NATS is away ({state})"))
    }

    /// Counts the times that the connection was made; changes with each.
    pub(crate) fn connections(&self) -> watch::Receiver<u64> {
        self.connections.clone()
    }

    /// `subject` as it is called on the server: behind the prefix.
    #[must_use]
    pub fn subject(&self, subject: &str) -> String {
        match self.settings.prefix.as_str() {
            "" => subject.to_owned(),
            prefix => format!("{prefix}.{subject}"),
        }
    }

    /// A subject of the server without the prefix: the CloudEvents type.
    #[must_use]
    pub fn event_type<'a>(&self, subject: &'a str) -> &'a str {
        subject
            .strip_prefix(self.settings.prefix.as_str())
            .and_then(|rest| rest.strip_prefix('.'))
            .unwrap_or(subject)
    }
}
