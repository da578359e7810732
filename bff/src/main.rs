//! The edge's program: `bff serve`, `bff worker`, and what operators need.

use std::process::ExitCode;

use clap::Parser as _;
use platform::program;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = bff::cli::Cli::parse();
    program::run(async {
        match cli.run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => program::fail("bff", 1, format!("{error:#}")),
        }
    })
}
