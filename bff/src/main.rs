//! The edge's program: `bff serve`, `bff worker`, and what operators need.

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match bff::cli::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the last word of a program that can't go on"
            )]
            {
                eprintln!("bff: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
