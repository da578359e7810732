//! The seeder's command line.

mod cli;
mod settings;

use std::process::ExitCode;

use clap::Parser as _;
use platform::config;
use settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let settings: Settings =
        match config::load("SEEDER", cli.config.as_deref(), &config::environment()) {
            Ok(settings) => settings,
            Err(error) => return fail(2, &error),
        };
    match cli.run(&settings).await {
        Ok(said) => say(&said),
        Err(error) => fail(cli::exit_code(&error), &error),
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a command line")]
fn say(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::SUCCESS
}

#[expect(
    clippy::print_stderr,
    reason = "where a command line says why it failed"
)]
fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("seeder: {error}");
    ExitCode::from(code)
}
