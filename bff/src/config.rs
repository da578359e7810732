//! The edge's settings, with their defaults.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use platform::{
    config::{List, Millis, Seconds, Secret, ServerUrl},
    nats::NatsSettings,
    postgres::PostgresSettings,
    redis::RedisSettings,
    telemetry::TelemetrySettings,
};
use serde::{Deserialize, Serialize};

use crate::{
    cache::CacheSettings,
    events::{ledger::LedgerSettings, live::StreamSettings, settings::EventSettings},
    identity::{
        oauth::settings::OAuthSettings,
        settings::{CodeSettings, LifeSettings, PasswordSettings, SessionSettings},
    },
    limits::LimitSettings,
    notify::settings::{MailSettings, SmsSettings},
    screens::ScreenSettings,
    upstream::{AccountsSettings, OrdersSettings},
};

/// The prefix of every variable.
pub const PREFIX: &str = "BFF";

/// What the program may take for granted about where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentKind {
    /// A developer's machine: secrets may be missing, cookies may travel unencrypted.
    Development,
    /// Everywhere else.
    Production,
}

/// Every setting of the edge.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `development` or `production`.
    pub environment: EnvironmentKind,
    /// The public listener.
    pub http: HttpSettings,
    /// The operations listener of `serve`.
    pub ops: OpsSettings,
    /// The operations listener of `worker`.
    pub worker: WorkerSettings,
    /// What is believed about clients.
    pub client: ClientSettings,
    /// The accounts store.
    pub postgres: PostgresSettings,
    /// Reads of the accounts store for screens, lists and pages.
    pub reads: AccountsSettings,
    /// Sessions, codes, limits and the shared cache.
    pub redis: RedisSettings,
    /// Events and messages.
    pub nats: NatsSettings,
    /// The orders service.
    pub orders: OrdersSettings,
    /// Screens.
    pub screens: ScreenSettings,
    /// The cache.
    pub cache: CacheSettings,
    /// Access tokens.
    pub tokens: TokenSettings,
    /// Secrets that have no better place.
    pub secrets: SecretSettings,
    /// Sessions.
    pub sessions: SessionSettings,
    /// One-time codes.
    pub codes: CodeSettings,
    /// Passwords.
    pub passwords: PasswordSettings,
    /// The life of a user.
    pub life: LifeSettings,
    /// Signing in through other providers.
    pub oauth: OAuthSettings,
    /// Limits on requests.
    pub limits: LimitSettings,
    /// Mail.
    pub mail: MailSettings,
    /// SMS.
    pub sms: SmsSettings,
    /// Looking after money.
    pub ledger: LedgerSettings,
    /// How long events are remembered.
    pub events: EventSettings,
    /// Streams of a user's own changes.
    pub streams: StreamSettings,
    /// Logs and traces.
    pub telemetry: TelemetrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        let accounts = ServerUrl::literal("postgres://accounts_app@127.0.0.1:5432/accounts");
        Self {
            environment: EnvironmentKind::Production,
            http: HttpSettings::default(),
            ops: OpsSettings::default(),
            worker: WorkerSettings::default(),
            client: ClientSettings::default(),
            postgres: PostgresSettings {
                max_connections: 20,
                ..PostgresSettings::at(accounts)
            },
            reads: AccountsSettings::default(),
            redis: RedisSettings::default(),
            nats: NatsSettings::default(),
            orders: OrdersSettings::default(),
            screens: ScreenSettings::default(),
            cache: CacheSettings::default(),
            tokens: TokenSettings::default(),
            secrets: SecretSettings::default(),
            sessions: SessionSettings::default(),
            codes: CodeSettings::default(),
            passwords: PasswordSettings::default(),
            life: LifeSettings::default(),
            oauth: OAuthSettings::default(),
            limits: LimitSettings::default(),
            mail: MailSettings::default(),
            sms: SmsSettings::default(),
            ledger: LedgerSettings::default(),
            events: EventSettings::default(),
            streams: StreamSettings::default(),
            telemetry: TelemetrySettings::default(),
        }
    }
}

impl Settings {
    /// Looks for what no setting tells by itself.
    ///
    /// # Errors
    /// What is wrong, and with which variable.
    pub fn check(&self) -> anyhow::Result<()> {
        let sms = self.sms.url.as_ref().map(|url| url.expose().scheme());
        let costs_money = sms.is_some_and(|scheme| scheme != "file");
        anyhow::ensure!(
            self.environment == EnvironmentKind::Development
                || !costs_money
                || !self.codes.sms_countries.0.is_empty(),
            "BFF_CODES__SMS_COUNTRIES: expected the countries that SMS may go to, such as US,GB: \
             anyone can have one sent, and some numbers earn their owners money"
        );
        Ok(())
    }
}

/// The public listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpSettings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Origins of pages that may call the API from a browser, such as `https://app.example.com`.
    pub allowed_origins: List<String>,
    /// Whether clients reach the edge by HTTPS, so that HSTS is sent.
    pub tls: bool,
    /// The longest body, in bytes.
    pub max_body_bytes: usize,
    /// Connections that may be open at once; more are closed at once.
    pub max_connections: usize,
    /// Requests that may be in flight at once, or fewer while that makes them
    /// slower; more are answered `503 overloaded`.
    pub max_in_flight: usize,
    /// How long a client may take to send a request's head, in milliseconds. Over
    /// HTTP/2, it is sent a ping after twice as long and has as long to answer.
    pub header_timeout_ms: Millis,
    /// How long a client may take to send a request's body, in milliseconds.
    pub body_timeout_ms: Millis,
    /// How long a client may take to read a part of an answer, in milliseconds.
    pub write_timeout_ms: Millis,
    /// How long a request may take in all, in milliseconds.
    pub request_timeout_ms: Millis,
    /// After SIGTERM, how long new connections are still taken, in milliseconds:
    /// as long as the balancer in front needs to notice.
    pub drain_delay_ms: Millis,
    /// How long what is in flight then has to end, in milliseconds.
    pub drain_limit_ms: Millis,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allowed_origins: List::default(),
            tls: false,
            max_body_bytes: 256 * 1024,
            max_connections: 10_000,
            max_in_flight: 2_000,
            header_timeout_ms: Millis(10_000),
            body_timeout_ms: Millis(5_000),
            write_timeout_ms: Millis(30_000),
            request_timeout_ms: Millis(15_000),
            drain_delay_ms: Millis(2_000),
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
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
        }
    }
}

/// The worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerSettings {
    /// The address of its operations listener.
    pub listen: SocketAddr,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9092)),
        }
    }
}

/// What is believed about clients.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientSettings {
    /// Networks of the proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: List<IpNet>,
}

/// Access tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenSettings {
    /// The file that holds the signing keys, as `bff keys generate` writes it.
    /// It is read again when it changes.
    pub keys_file: PathBuf,
    /// How long an access token is good, in seconds.
    pub lifetime_s: Seconds,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            keys_file: PathBuf::from(".local/keys/signing.json"),
            lifetime_s: Seconds(300),
        }
    }
}

/// Secrets that have no better place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretSettings {
    /// 32 random bytes in base64 (`openssl rand -base64 32`). Codes, refresh
    /// tokens, cursors and queued messages are keyed with what is derived from it.
    pub master_key: Secret,
}
