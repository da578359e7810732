//! What is made of settings alone.

use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    config::{EnvironmentKind, Settings},
    identity::keys::{KeyFile, KeyState, MasterKey},
};

/// The configured keys. A developer who has none gets some of their own, with
/// the public ones beside them in `public.json`.
pub(crate) fn key_file(settings: &Settings, now: DateTime<Utc>) -> anyhow::Result<KeyFile> {
    const VARIABLE: &str = "BFF_TOKENS__KEYS_FILE";
    let file = &settings.tokens.keys_file;
    if settings.environment == EnvironmentKind::Development && !file.exists() {
        tracing::warn!(file = %file.display(), "no key file: making one");
        let mut keys = KeyFile::default();
        keys.generate(now, TimeDelta::days(365))?;
        keys.write(file, Some(&file.with_file_name("public.json")))?;
    }
    let keys = KeyFile::read(file).with_context(|| {
        format!("{VARIABLE}: no keys to sign tokens with; `bff keys generate` makes them")
    })?;
    let signs = keys
        .states(now, settings.tokens.lifetime_s.delta())
        .contains(&KeyState::Signs);
    anyhow::ensure!(
        signs,
        "{VARIABLE}: none of the keys in {} signs now; `bff keys rotate` makes one that does",
        file.display()
    );
    Ok(keys)
}

/// The configured master key. A developer who has none gets one that is the
/// same for all and protects nothing.
pub(crate) fn master_key(settings: &Settings) -> anyhow::Result<MasterKey> {
    const VARIABLE: &str = "BFF_SECRETS__MASTER_KEY";
    let secret = &settings.secrets.master_key;
    if secret.is_empty() && settings.environment == EnvironmentKind::Development {
        tracing::warn!("{VARIABLE} isn't set: using a key that everyone knows");
        return Ok(MasterKey::of_nobody());
    }
    MasterKey::from_base64(secret).context(VARIABLE)
}

/// The client of every outgoing call but those to the orders service.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that builds the client"
    )]
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(8)
        .build()?;
    Ok(client)
}
