//! The migrator's command line: `up`, `down`, `status`, `check`.

mod cli;
mod settings;

use std::process::ExitCode;

use clap::Parser as _;
use platform::{config, telemetry};
use settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let settings: Settings =
        match config::load("MIGRATOR", cli.config.as_deref(), &config::environment()) {
            Ok(settings) => settings,
            Err(error) => return fail(2, &error),
        };
    let telemetry = match telemetry::init("migrator", &settings.telemetry) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(2, &*error),
    };
    let outcome = cli.run(&settings).await;
    telemetry.shutdown().await;
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(cli::exit_code(&error), &error),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "where a command line says why it failed"
)]
fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("migrator: {error}");
    ExitCode::from(code)
}
