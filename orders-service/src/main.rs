//! `orders-service`: reads the command line and does what it says.

use std::process::ExitCode;

use clap::Parser as _;
use platform::program;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = orders_service::cli::Cli::parse();
    program::run(async {
        match cli.run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => program::fail("orders-service", 1, format!("{error:#}")),
        }
    })
}
