use std::{io::Write as _, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use migrator::{MigrateError, State, Store};

use crate::settings::{HELP, Settings, StoreSettings};

/// Keeps both databases' schemas, roles and grants in step with this program.
#[derive(Debug, Parser)]
#[command(version, after_help = HELP)]
pub(crate) struct Cli {
    /// A TOML file with settings; variables win over it
    #[arg(long, global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply what is pending; set roles and grants
    Up(Which),
    /// Undo migrations, newest first. Loses what their tables hold
    Down {
        /// The database to take down
        #[arg(long)]
        store: Store,
        /// The version that stays; 0 undoes everything
        #[arg(long)]
        to: i64,
    },
    /// List every migration and where it stands
    Status(Which),
    /// Say by the exit code whether the databases are in step
    Check(Which),
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct Which {
    /// The database
    #[arg(long, default_value = "all")]
    store: Stores,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stores {
    Accounts,
    Orders,
    All,
}

impl Which {
    fn stores(self) -> &'static [Store] {
        match self.store {
            Stores::Accounts => &[Store::Accounts],
            Stores::Orders => &[Store::Orders],
            Stores::All => &Store::ALL,
        }
    }
}

impl Cli {
    /// Does what was asked for.
    pub(crate) async fn run(&self, settings: &Settings) -> Result<(), MigrateError> {
        match &self.command {
            Command::Up(which) => {
                for &store in which.stores() {
                    let StoreSettings { url, app_password } = of(settings, store);
                    migrator::up(store, url).await?;
                    if !app_password.is_empty() {
                        migrator::set_app_password(store, url, app_password).await?;
                    }
                }
            }
            Command::Down { store, to } => {
                migrator::down(*store, &of(settings, *store).url, *to).await?;
            }
            Command::Status(which) => {
                for &store in which.stores() {
                    print(
                        store,
                        &migrator::status(store, &of(settings, store).url).await?,
                    );
                }
            }
            Command::Check(which) => {
                for &store in which.stores() {
                    let steps = migrator::status(store, &of(settings, store).url).await?;
                    migrator::in_step(store, &steps)?;
                }
            }
        }
        Ok(())
    }
}

/// The exit code that tells a script why it failed; `--help` lists them.
pub(crate) fn exit_code(error: &MigrateError) -> u8 {
    match error {
        MigrateError::Pending { .. } => 3,
        MigrateError::Changed { .. } => 4,
        MigrateError::Unreachable { .. } => 5,
        MigrateError::Ahead { .. } => 6,
        MigrateError::Busy { .. } => 7,
        MigrateError::NoSuchVersion { .. } => 2,
        MigrateError::Migration { .. } | MigrateError::Database(_) => 1,
    }
}

fn of(settings: &Settings, store: Store) -> &StoreSettings {
    match store {
        Store::Accounts => &settings.accounts,
        Store::Orders => &settings.orders,
    }
}

fn print(store: Store, steps: &[migrator::Step]) {
    let mut out = std::io::stdout().lock();
    for step in steps {
        let state = match step.state {
            State::Applied => "applied",
            State::Pending => "pending",
            State::Changed => "changed",
            State::Unknown => "unknown",
        };
        // Whoever closed the pipe has read enough.
        let _ = writeln!(
            out,
            "{store} {:04} {state:8} {}",
            step.version, step.description
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_explains_the_code_of_a_migrator_that_gave_up_waiting() {
        let busy = MigrateError::Busy {
            url: "postgres://localhost/accounts".parse().unwrap(),
            waited: std::time::Duration::from_secs(60),
        };
        let explained = HELP.lines().find(|line| line.contains("another migrator"));
        let code = explained.unwrap().split_whitespace().next().unwrap();
        assert_eq!(code, exit_code(&busy).to_string());
    }
}
