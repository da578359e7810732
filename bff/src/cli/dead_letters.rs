use clap::Subcommand;
use platform::nats::Nats;

use super::check::print;
use crate::{config::Settings, events::dead_letters};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List them, the oldest first, with the reason of each.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Publish one again, as it was.
    Replay {
        /// Its number in the list.
        number: u64,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<()> {
    let nats = Nats::connect(&settings.nats, "bff-dead-letters").await?;
    let said = match command {
        Command::List { limit } => dead_letters::list(&nats, limit).await?,
        Command::Replay { number } => dead_letters::replay(&nats, number).await?,
    };
    print(&said)
}
