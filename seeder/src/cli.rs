use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use seeder::{DEMO_EMAIL, DEMO_PASSWORD, Outcome, Parameters, Progress, SeedError};

use crate::settings::{Environment, HELP, Settings};

/// Fills both databases with made-up people, books, carts, orders and money. The same
/// numbers make the same data; a second run changes nothing.
#[derive(Debug, Parser)]
#[command(version, after_help = HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    parameters: Parameters,
    /// Whether to make the demo user, whose password everyone knows
    #[arg(long, value_enum, default_value = "auto")]
    demo_user: DemoUser,
    /// A TOML file with settings; variables win over it
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DemoUser {
    /// Except in production
    Auto,
    /// Wherever this is
    Yes,
    /// Not here
    No,
}

impl Cli {
    /// Fills the databases and says what is there now.
    pub(crate) async fn run(mut self, settings: &Settings) -> Result<String, SeedError> {
        self.parameters.demo_user = match self.demo_user {
            DemoUser::Auto => settings.environment != Environment::Production,
            DemoUser::Yes => true,
            DemoUser::No => false,
        };
        let parameters = &self.parameters;
        let (accounts, orders) = (&settings.accounts.url, &settings.orders.url);
        let progress = Progress::detect();
        let said = match seeder::seed(parameters, accounts, orders, &progress).await? {
            Outcome::Filled => format!("filled: {parameters}"),
            Outcome::AlreadyThere => format!("already there, nothing changed: {parameters}"),
        };
        Ok(if parameters.demo_user {
            format!("{said}\ndemo user: {DEMO_EMAIL} / {DEMO_PASSWORD}")
        } else {
            said
        })
    }
}

/// The exit code that tells a script why it failed; `--help` lists them.
pub(crate) fn exit_code(error: &SeedError) -> u8 {
    match error {
        SeedError::SeededOtherwise { .. } => 3,
        _ => 1,
    }
}
