//! The settings of signing in through other providers.

use platform::config::{Millis, Seconds, Secret, ServerUrl};
use serde::{Deserialize, Serialize};

use crate::upstream::BreakerSettings;

/// Signing in through other providers. A provider is off until it has a
/// `client_id`; the defaults are the providers' own addresses.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct OAuthSettings {
    /// Where browsers reach the edge, such as `https://api.example.com`: providers
    /// send people back to `/v1/auth/oauth/{provider}/callback` there.
    pub public_url: Option<ServerUrl>,
    /// How long someone may take to sign in at the provider, in seconds.
    pub state_lifetime_s: Seconds,
    /// How long a ticket can be exchanged for a session, in seconds.
    pub ticket_lifetime_s: Seconds,
    /// How long all calls to a provider for one request may take, in milliseconds.
    pub timeout_ms: Millis,
    /// Calls to one provider that may be in flight at once.
    pub concurrency: usize,
    /// When calls to a provider stop for a while.
    pub breaker: BreakerSettings,
    /// Google.
    pub google: GoogleSettings,
    /// Facebook.
    pub facebook: FacebookSettings,
    /// VK ID.
    pub vk: VkSettings,
    /// Yandex.
    pub yandex: YandexSettings,
}

impl Default for OAuthSettings {
    fn default() -> Self {
        Self {
            public_url: None,
            state_lifetime_s: Seconds(600),
            ticket_lifetime_s: Seconds(60),
            timeout_ms: Millis(5_000),
            concurrency: 32,
            breaker: BreakerSettings::default(),
            google: GoogleSettings::default(),
            facebook: FacebookSettings::default(),
            vk: VkSettings::default(),
            yandex: YandexSettings::default(),
        }
    }
}

/// Google, by OpenID Connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct GoogleSettings {
    /// The application's id; none turns Google off.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The issuer, below which its discovery document lies.
    pub url: ServerUrl,
}

impl Default for GoogleSettings {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: Secret::default(),
            url: ServerUrl::literal("https://accounts.google.com"),
        }
    }
}

/// Facebook, by its Graph API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct FacebookSettings {
    /// The application's id; none turns Facebook off.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Where people are sent.
    pub url: ServerUrl,
    /// The Graph API.
    pub graph_url: ServerUrl,
    /// The version of both.
    pub version: String,
}

impl Default for FacebookSettings {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: Secret::default(),
            url: ServerUrl::literal("https://www.facebook.com"),
            graph_url: ServerUrl::literal("https://graph.facebook.com"),
            version: "v26.0".into(),
        }
    }
}

/// VK ID.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct VkSettings {
    /// The application's id; none turns VK off.
    pub client_id: String,
    /// Its secret, if it has one: VK ID goes by PKCE.
    pub client_secret: Secret,
    /// Where people are sent, and the API.
    pub url: ServerUrl,
}

impl Default for VkSettings {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: Secret::default(),
            url: ServerUrl::literal("https://id.vk.ru"),
        }
    }
}

/// Yandex ID.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct YandexSettings {
    /// The application's id; none turns Yandex off.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Where people are sent, and where codes are exchanged.
    pub url: ServerUrl,
    /// Where a person's data is asked for.
    pub info_url: ServerUrl,
}

impl Default for YandexSettings {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: Secret::default(),
            url: ServerUrl::literal("https://oauth.yandex.ru"),
            info_url: ServerUrl::literal("https://login.yandex.ru"),
        }
    }
}
