//! The variables that the edge and the orders service are started with.

use std::{net::SocketAddr, path::Path};

use platform::{config::ServerUrl, testing::Database};

use super::process::free_address;

/// What both need to know of where things are.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) accounts: &'a Database,
    pub(crate) orders: &'a Database,
    pub(crate) redis: ServerUrl,
    pub(crate) nats: ServerUrl,
    pub(crate) orders_address: SocketAddr,
    pub(crate) keys: &'a Path,
    pub(crate) public_keys: &'a Path,
    pub(crate) directory: &'a Path,
}

type Variables = Vec<(String, String)>;

impl Surroundings<'_> {
    pub(crate) fn of_orders(&self) -> anyhow::Result<Variables> {
        Ok(pairs([
            ("ORDERS_GRPC__LISTEN", self.orders_address.to_string()),
            ("ORDERS_OPS__LISTEN", free_address()?.to_string()),
            (
                "ORDERS_POSTGRES__URL",
                exposed(&self.orders.url_as("orders_app")),
            ),
            ("ORDERS_NATS__URL", exposed(&self.nats)),
            (
                "ORDERS_TOKENS__PUBLIC_KEYS_FILE",
                self.public_keys.display().to_string(),
            ),
            ("ORDERS_SECRETS__PAGE_TOKEN_KEY", MASTER_KEY.into()),
            ("ORDERS_TELEMETRY__LOG_FILTER", "warn".into()),
        ]))
    }

    /// As in production, but that limits are out of the way and tokens outlive
    /// the run.
    pub(crate) fn of_edge(&self, address: SocketAddr, cached: bool) -> anyhow::Result<Variables> {
        let mut variables = pairs([
            ("BFF_HTTP__LISTEN", address.to_string()),
            ("BFF_OPS__LISTEN", free_address()?.to_string()),
            (
                "BFF_POSTGRES__URL",
                exposed(&self.accounts.url_as("accounts_app")),
            ),
            ("BFF_REDIS__URL", exposed(&self.redis)),
            ("BFF_NATS__URL", exposed(&self.nats)),
            ("BFF_ORDERS__URL", format!("http://{}", self.orders_address)),
            ("BFF_TOKENS__KEYS_FILE", self.keys.display().to_string()),
            ("BFF_TOKENS__LIFETIME_S", "86400".into()),
            ("BFF_SECRETS__MASTER_KEY", MASTER_KEY.into()),
            (
                "BFF_MAIL__URL",
                format!("file://{}/mail", self.directory.display()),
            ),
            (
                "BFF_SMS__URL",
                format!("file://{}/sms", self.directory.display()),
            ),
            ("BFF_ENVIRONMENT", "development".into()),
            ("BFF_TELEMETRY__LOG_FILTER", "warn".into()),
            ("BFF_CACHE__ENABLED", cached.to_string()),
            ("BFF_STREAMS__MAX_PER_USER", "1000".into()),
        ]);
        variables.extend(limits()?);
        Ok(variables)
    }
}

/// 32 bytes that keep no secret.
pub(crate) const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Every limit on requests, as high as it goes: nobody is to be refused here,
/// but everybody is counted.
fn limits() -> anyhow::Result<Variables> {
    let names = platform::config::variable_names("BFF", &bff::config::Settings::default())?;
    let is_limit = |name: &String| {
        name.starts_with("BFF_LIMITS__")
            && ["__PER_MINUTE", "__PER_HOUR", "__BURST"]
                .iter()
                .any(|unit| name.ends_with(unit))
    };
    let names = names.into_iter().filter(is_limit);
    Ok(names.map(|name| (name, "1000000".into())).collect())
}

fn pairs<const N: usize>(variables: [(&str, String); N]) -> Variables {
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn exposed(url: &ServerUrl) -> String {
    url.expose().to_string()
}
