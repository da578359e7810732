//! The migrator's command line: `up`, `down`, `status`, `check`.

mod cli;
mod settings;

use std::process::ExitCode;

use clap::Parser as _;
use platform::{
    config,
    program::{self, fail},
    telemetry,
};
use settings::Settings;

const NAME: &str = "migrator";

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let settings: Settings =
        match config::load("MIGRATOR", cli.config.as_deref(), &config::environment()) {
            Ok(settings) => settings,
            Err(error) => return fail(NAME, 2, error),
        };
    program::run(async {
        let telemetry = match telemetry::init(NAME, &settings.telemetry) {
            Ok(telemetry) => telemetry,
            Err(error) => return fail(NAME, 2, error),
        };
        match telemetry.during(cli.run(&settings)).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(NAME, cli::exit_code(&error), error),
        }
    })
}
