use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use platform::{clock::SharedClock, nats::Nats, redis::Redis};
use uuid::Uuid;

use super::check::print;
use crate::{
    accounts::{
        administration,
        credentials::{self, UserStatus},
    },
    app::master_key,
    config::Settings,
    identity::{
        Error, Role,
        administration::{Actor, Administration, UserChange},
        identifier::Identifier,
        keys::{KeyFile, KeyRing},
        session::Sessions,
        store,
        token::Tokens,
    },
    upstream::{Guards, Primary},
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
    /// Bring back a user who was deleted, as long as they aren't erased. They sign
    /// in as before; their accounts stay closed.
    Restore {
        /// The user's id, or the e-mail address, phone number or user name that
        /// they had.
        user: String,
    },
}

pub(super) async fn run(
    command: Command,
    settings: &Settings,
    clock: SharedClock,
) -> anyhow::Result<()> {
    // Another command of this process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let guards = Guards::new(clock.clone());
    let pool = Primary::new(&settings.postgres, "bff-users", &guards)?;
    let nats = Nats::connect(&settings.nats, "bff-users").await?;
    // Sessions are ended here, and no token is signed: without any key.
    let keys = KeyRing::new(&KeyFile::default())?;
    let sessions = Sessions::new(
        store::guarded(Redis::new(&settings.redis)?, &guards),
        nats.clone(),
        clock.clone(),
        settings.sessions.clone(),
        Tokens::new(keys, clock.clone(), settings.tokens.lifetime_s.delta()),
        &master_key(settings)?,
    );
    let users = Administration::new(pool.clone(), clock, sessions);
    let said = match command {
        Command::Promote { identifier, role } => {
            let identifier = parsed(&identifier, settings)?;
            let found = credentials::find(&pool, &identifier).await?;
            let user = found.context("nobody can sign in with this")?.user_id;
            let change = UserChange {
                role: Some(role),
                status: None,
            };
            users.change(Actor::Operator, user, change).await?;
            format!("{user} is {role}")
        }
        Command::Restore { user } => {
            let user = match user.parse() {
                Ok(id) => id,
                Err(_) => deleted(&pool, &parsed(&user, settings)?).await?,
            };
            restore(&users, user).await?
        }
    };
    // What doesn't leave in time, every replica reads from Redis.
    let _ = tokio::time::timeout(FLUSH, nats.client().flush()).await;
    print(&said)
}

fn parsed(identifier: &str, settings: &Settings) -> anyhow::Result<Identifier> {
    let region = &settings.codes.default_region;
    let region = region.parse().context("BFF_CODES__DEFAULT_REGION")?;
    Ok(Identifier::parse(identifier, region)?)
}

/// The one deleted user who had this.
async fn deleted(pool: &Primary, identifier: &Identifier) -> anyhow::Result<Uuid> {
    match administration::deleted(pool, identifier).await?[..] {
        [user] => Ok(user),
        [] => bail!("nobody who had this is deleted and not erased yet"),
        ref several => bail!("several users had this; name one by its id: {several:?}"),
    }
}

async fn restore(users: &Administration, user: Uuid) -> anyhow::Result<String> {
    match users.restore(user).await {
        Ok(UserStatus::Deleted) => Ok(format!("{user} is back")),
        Ok(UserStatus::Erased) => bail!("{user} was erased: nothing is left to bring back"),
        Ok(_) => bail!("{user} isn't deleted"),
        Err(Error::NotFound) => bail!("there is no user {user}"),
        Err(Error::Taken(_)) => {
            bail!("someone else has the address, number or name of {user} by now")
        }
        Err(error) => Err(error.into()),
    }
}
