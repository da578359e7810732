//! The service's settings, with their defaults.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use platform::{
    config::{Millis, Seconds, Secret, ServerUrl},
    currency::Currency,
    nats::NatsSettings,
    postgres::PostgresSettings,
    telemetry::TelemetrySettings,
};
use serde::{Deserialize, Serialize};

/// The prefix of every variable.
pub const PREFIX: &str = "ORDERS";

/// Every setting of the service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The gRPC listener.
    pub grpc: GrpcSettings,
    /// The operations listener.
    pub ops: OpsSettings,
    /// The orders database.
    pub postgres: PostgresSettings,
    /// Events.
    pub nats: NatsSettings,
    /// Whose tokens are believed.
    pub tokens: TokenSettings,
    /// Secrets that have no better place.
    pub secrets: SecretSettings,
    /// What is sold.
    pub catalogue: CatalogueSettings,
    /// Logs and traces.
    pub telemetry: TelemetrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        let orders = ServerUrl::literal("postgres://orders_app@127.0.0.1:5432/orders");
        Self {
            grpc: GrpcSettings::default(),
            ops: OpsSettings::default(),
            postgres: PostgresSettings {
                max_connections: 20,
                ..PostgresSettings::at(orders)
            },
            nats: NatsSettings::default(),
            tokens: TokenSettings::default(),
            secrets: SecretSettings::default(),
            catalogue: CatalogueSettings::default(),
            telemetry: TelemetrySettings::default(),
        }
    }
}

/// The gRPC listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct GrpcSettings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Calls that may be in work at once; more are refused as overload.
    pub max_in_flight: usize,
    /// Calls that one connection may have open at once; more wait at the caller.
    pub max_streams_per_connection: u32,
    /// The longest message, in bytes.
    pub max_message_bytes: usize,
    /// The longest deadline, in milliseconds; a longer one is cut to it.
    pub max_deadline_ms: Millis,
    /// After SIGTERM, how long what is in flight has to end, in milliseconds.
    pub drain_limit_ms: Millis,
}

impl Default for GrpcSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            max_in_flight: 512,
            max_streams_per_connection: 256,
            max_message_bytes: 64 * 1024,
            max_deadline_ms: Millis(10_000),
            drain_limit_ms: Millis(20_000),
        }
    }
}

/// The operations listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct OpsSettings {
    /// The address to listen on; never one that the public reaches.
    pub listen: SocketAddr,
}

impl Default for OpsSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9091)),
        }
    }
}

/// Whose tokens are believed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenSettings {
    /// The file that holds the edge's public keys, as it publishes them. It is
    /// read again when it changes, and may appear after the start.
    pub public_keys_file: PathBuf,
    /// How often the file is looked at, in milliseconds.
    pub look_every_ms: Millis,
    /// Tokens remembered as good, so that their signature is checked once.
    pub remembered: u64,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            public_keys_file: PathBuf::from(".local/keys/public.json"),
            look_every_ms: Millis(2_000),
            remembered: 10_000,
        }
    }
}

/// Secrets that have no better place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretSettings {
    /// At least 32 random bytes in base64 (`openssl rand -base64 32`); page
    /// tokens are authenticated with it. Empty: made anew at each start, which
    /// will do for one process on a developer's machine, where a list that is
    /// begun before a restart can't be continued after it.
    pub page_token_key: Secret,
}

impl SecretSettings {
    /// The key of the page tokens.
    ///
    /// # Errors
    /// When what was given is no key.
    pub fn page_token_key(&self) -> anyhow::Result<Vec<u8>> {
        let text = self.page_token_key.expose();
        if text.is_empty() {
            tracing::warn!(
                "ORDERS_SECRETS__PAGE_TOKEN_KEY isn't set: page tokens end with this process"
            );
            return Ok(rand::random::<[u8; 32]>().to_vec());
        }
        let key = STANDARD.decode(text).ok().filter(|key| key.len() >= 32);
        key.context("ORDERS_SECRETS__PAGE_TOKEN_KEY: expected at least 32 bytes in base64")
    }
}

/// What is sold.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct CatalogueSettings {
    /// The currency of prices when a call names none.
    pub default_currency: Currency,
    /// Bestsellers are what sold best within this many days.
    pub bestseller_days: u16,
    /// How often sales are counted anew, in seconds.
    pub count_sales_every_s: Seconds,
}

impl Default for CatalogueSettings {
    fn default() -> Self {
        Self {
            default_currency: Currency::Usd,
            bestseller_days: 30,
            count_sales_every_s: Seconds(60),
        }
    }
}
