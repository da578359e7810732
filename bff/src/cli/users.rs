use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use platform::{clock::SharedClock, nats::Nats, redis::Redis};

use super::check::print;
use crate::{
    accounts::credentials,
    app::master_key,
    config::Settings,
    identity::{
        Role,
        administration::{Actor, Administration, Change},
        identifier::Identifier,
        keys::{KeyFile, KeyRing},
        session::Sessions,
        token::Tokens,
    },
};

/// How long what is told to the replicas may take to leave.
const FLUSH: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a user a role: how the first administrator is made. The user's
    /// sessions end; the next sign-in has the role.
    Promote {
        /// The user's e-mail address, phone number or user name.
        identifier: String,
        /// `customer`, `support` or `admin`; a lower one too.
        #[arg(long, default_value_t = Role::Admin)]
        role: Role,
    },
}

pub(super) async fn run(
    command: Command,
    settings: &Settings,
    clock: SharedClock,
) -> anyhow::Result<()> {
    // Another command of this process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Command::Promote { identifier, role } = command;
    let region = &settings.codes.default_region;
    let region = region.parse().context("BFF_CODES__DEFAULT_REGION")?;
    let identifier = Identifier::parse(&identifier, region)?;
    let pool = settings.postgres.pool("bff-users")?;
    let user = credentials::find(&pool, &identifier)
        .await?
        .context("nobody can sign in with this")?;

    let nats = Nats::connect(&settings.nats, "bff-users").await?;
    // Sessions are ended here, and no token is signed: without any key.
    let keys = KeyRing::new(&KeyFile::default())?;
    let sessions = Sessions::new(
        Redis::new(&settings.redis)?,
        nats.clone(),
        clock.clone(),
        settings.sessions.clone(),
        Tokens::new(keys, clock.clone(), settings.tokens.lifetime_s.delta()),
        &master_key(settings)?,
    );
    let change = Change {
        role: Some(role),
        status: None,
    };
    Administration::new(pool, clock, sessions)
        .change(Actor::Operator, user.user_id, change)
        .await?;
    // What doesn't leave in time, every replica reads from Redis.
    let _ = tokio::time::timeout(FLUSH, nats.client().flush()).await;
    print(&format!("{} is {role}", user.user_id))
}
