//! `orders-service`: reads the settings, opens the listener, serves until it is
//! told to stop.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::Parser;
use orders_service::config::{PREFIX, Settings};
use platform::{clock::SystemClock, config, shutdown::Lifetime, telemetry};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Catalogue and orders over gRPC.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file of settings; variables `ORDERS_…` win over it.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let environment = config::environment();
    let settings: Settings = config::load(PREFIX, arguments.config.as_deref(), &environment)?;
    let telemetry = telemetry::init("orders-service", &settings.telemetry)?;
    let lifetime = Lifetime::until_signalled()?;
    let address = settings.grpc.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("ORDERS_GRPC__LISTEN: can't bind {address}"))?;
    let served = orders_service::serve(settings, Arc::new(SystemClock), lifetime, listener).await;
    telemetry.shutdown().await;
    served
}
