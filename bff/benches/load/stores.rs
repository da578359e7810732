//! Filled databases, and keys to sign with.

use std::{fs, path::PathBuf};

use bff::identity::keys::KeyFile;
use chrono::TimeDelta;
use migrator::Store;
use platform::{
    clock::{Clock as _, SystemClock},
    testing::{Database, Server},
};
use tempfile::TempDir;

/// The file of the keys that tokens are signed with.
pub(crate) const KEYS: &str = "keys.json";

/// The databases of the edge and of the orders service, seeded.
pub(crate) async fn filled(server: &Server) -> anyhow::Result<[Database; 2]> {
    let accounts = database(server, Store::Accounts).await;
    let orders = database(server, Store::Orders).await;
    let parameters = seeder::Parameters {
        seed: 42,
        users: 200,
        items: 2_000,
        orders: 5_000,
        as_of: SystemClock.now(),
        demo_user: true,
    };
    let urls = [accounts.superuser_url(), orders.superuser_url()];
    seeder::seed(&parameters, &urls[0], &urls[1], &seeder::Progress::none()).await?;
    Ok([accounts, orders])
}

async fn database(server: &Server, store: Store) -> Database {
    let template = format!("{store:?}_template").to_lowercase();
    let migrate = async |url| {
        migrator::up(store, &url).await.expect("the migrations run");
    };
    Database::create_on(server.url(), &template, migrate).await
}

/// Writes the keys: those to sign with, and those to verify with.
pub(crate) fn key_files(directory: &TempDir) -> anyhow::Result<(PathBuf, PathBuf)> {
    let mut keys = KeyFile::default();
    keys.generate(SystemClock.now() - TimeDelta::hours(1), TimeDelta::days(90))?;
    let secret = directory.path().join(KEYS);
    fs::write(&secret, serde_json::to_vec(&keys)?)?;
    let public = directory.path().join("public.json");
    fs::write(&public, serde_json::to_vec(&keys.public_keys()?)?)?;
    Ok((secret, public))
}
