//! `orders-service`: reads the command line and does what it says.

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    orders_service::cli::Cli::parse().run().await
}
