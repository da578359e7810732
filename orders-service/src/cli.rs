//! The command line.

use std::{io::Write as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use platform::{clock::SystemClock, config, ops, shutdown::Lifetime, telemetry};
use tokio::net::TcpListener;

use crate::config::{PREFIX, Settings};

/// Catalogue and orders over gRPC.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// A TOML file of settings; variables `ORDERS_…` win over it.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve calls; what is done when nothing else is asked for.
    Serve,
    /// Print the effective settings, secrets masked, or what is wrong with them.
    CheckConfig {
        /// Print the names of all variables instead.
        #[arg(long)]
        variables: bool,
    },
    /// Ask the running service's operations listener whether it is ready: the
    /// health check of an image that holds no other program.
    Ready,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// When it can't be done.
    pub async fn run(self) -> anyhow::Result<()> {
        if let Some(Command::CheckConfig { variables: true }) = self.command {
            let names = config::variable_names(PREFIX, &Settings::default())?;
            return print(&names.join("\n"));
        }
        let settings: Settings =
            config::load(PREFIX, self.config.as_deref(), &config::environment())?;
        match self.command {
            None | Some(Command::Serve) => serve(settings).await,
            Some(Command::CheckConfig { .. }) => print(&config::display(&settings)?),
            Some(Command::Ready) => {
                print(&ops::ask_ready(settings.ops.listen, Duration::from_secs(2)).await?)
            }
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let telemetry = telemetry::init("orders-service", &settings.telemetry)?;
    telemetry.during(serve_until_told(settings)).await
}

async fn serve_until_told(settings: Settings) -> anyhow::Result<()> {
    let lifetime = Lifetime::until_signalled()?;
    let address = settings.grpc.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("ORDERS_GRPC__LISTEN: can't bind {address}"))?;
    crate::serve(settings, Arc::new(SystemClock), lifetime, listener).await
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", text.trim_end())?;
    Ok(())
}
