//! The seeder's command line.

mod cli;
mod settings;

use std::process::ExitCode;

use clap::Parser as _;
use platform::{
    config,
    program::{self, fail},
};
use settings::Settings;

const NAME: &str = "seeder";

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let settings: Settings =
        match config::load("SEEDER", cli.config.as_deref(), &config::environment()) {
            Ok(settings) => settings,
            Err(error) => return fail(NAME, 2, error),
        };
    program::run(async {
        match cli.run(&settings).await {
            Ok(said) => say(&said),
            Err(error) => fail(NAME, cli::exit_code(&error), error),
        }
    })
}

#[expect(clippy::print_stdout, reason = "the answer of a command line")]
fn say(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::SUCCESS
}
