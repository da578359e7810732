//! The command line.

mod check;
mod dead_letters;
mod keys;
mod serve;
mod users;

use std::{path::PathBuf, sync::Arc};

use clap::{Parser, Subcommand};
use platform::clock::{SharedClock, SystemClock};

pub use serve::worker;

use crate::config::{PREFIX, Settings};

/// The edge of Portico.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// A TOML file with settings; environment variables win over it.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API.
    Serve,
    /// Publish events, send messages, look after money, sweep what is over.
    Worker {
        #[command(subcommand)]
        task: Option<Task>,
    },
    /// Make, change, list and take away the keys that sign tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Change users without the API.
    #[command(subcommand)]
    Users(users::Command),
    /// Look at the messages that no consumer could handle.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Print the OpenAPI document.
    Openapi,
    /// Print the effective settings, secrets masked, or what is wrong with them.
    CheckConfig {
        /// Print the names of all variables instead.
        #[arg(long)]
        variables: bool,
    },
    /// Ask a running process's operations listener whether it is ready: the
    /// health check of images that hold no other program.
    Ready {
        /// `serve`, or `worker`.
        #[arg(default_value = "serve")]
        of: check::Process,
    },
}

/// What a worker can be asked to do once.
#[derive(Debug, Subcommand)]
enum Task {
    /// Check the books: fails, and says where, when they don't balance.
    Reconcile,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// When it can't be done.
    pub async fn run(self) -> anyhow::Result<()> {
        let clock: SharedClock = Arc::new(SystemClock);
        let file = self.config;
        let settings = || {
            platform::config::load::<Settings>(
                PREFIX,
                file.as_deref(),
                &platform::config::environment(),
            )
        };
        match self.command {
            Command::Serve => Box::pin(serve::serve(settings()?, clock)).await,
            Command::Worker { task: None } => serve::work(settings()?, clock).await,
            Command::Worker {
                task: Some(Task::Reconcile),
            } => serve::reconcile(&settings()?, clock).await,
            Command::Keys(command) => keys::run(command, &*clock, settings),
            Command::Users(command) => users::run(command, &settings()?, clock).await,
            Command::DeadLetters(command) => dead_letters::run(command, &settings()?).await,
            Command::Openapi => check::print(&crate::edge::router::openapi()?),
            Command::CheckConfig { variables: true } => check::variables(),
            Command::CheckConfig { variables: false } => check::settings(&settings()?),
            Command::Ready { of } => check::ready(&settings()?, of).await,
        }
    }
}
