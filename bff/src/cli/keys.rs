use std::{fmt::Write as _, path::PathBuf};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::{Args, Subcommand};
use platform::{clock::Clock, config::ConfigError};

use super::check::print;
use crate::{
    config::Settings,
    identity::keys::{KeyFile, Rotation},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key file with one key. A file that exists stays as it is.
    Generate {
        #[command(flatten)]
        files: Files,
        /// For how many days the key signs.
        #[arg(long, default_value_t = 90)]
        days: u16,
    },
    /// Add the next key, and let those before it run out.
    Rotate {
        #[command(flatten)]
        files: Files,
        /// For how many days the next key signs.
        #[arg(long, default_value_t = 90)]
        days: u16,
        /// For how many seconds it is published before it signs: as long as
        /// whoever verifies tokens may take to notice. 0 when a key leaked.
        #[arg(long, default_value_t = 60)]
        lead_s: u32,
        /// For how many seconds after that the keys before are still believed:
        /// the life of a token and half a minute at least.
        #[arg(long, default_value_t = 600)]
        overlap_s: u32,
    },
    /// List the keys of a file, without their secrets.
    List {
        /// The key file.
        #[arg(long)]
        file: PathBuf,
    },
    /// Take a key away: its tokens are refused at once.
    Retire {
        #[command(flatten)]
        files: Files,
        /// Which: its id in the list.
        #[arg(long)]
        kid: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Files {
    /// The file for the edge alone; it holds the secrets.
    #[arg(long)]
    file: PathBuf,
    /// The file for everyone who verifies tokens.
    #[arg(long)]
    public_file: Option<PathBuf>,
}

impl Files {
    fn read(&self) -> anyhow::Result<KeyFile> {
        KeyFile::read(&self.file)
    }

    fn write(&self, keys: &KeyFile) -> anyhow::Result<()> {
        keys.write(&self.file, self.public_file.as_deref())
    }
}

pub(super) fn run(
    command: Command,
    clock: &dyn Clock,
    settings: impl FnOnce() -> Result<Settings, ConfigError>,
) -> anyhow::Result<()> {
    let now = clock.now();
    let token_lifetime = || anyhow::Ok(settings()?.tokens.lifetime_s.delta());
    match command {
        Command::Generate { files, days } => {
            let mut keys = KeyFile::default();
            if files.file.exists() {
                keys = files.read()?;
            } else {
                keys.generate(now, TimeDelta::days(days.into()))?;
            }
            files.write(&keys)
        }
        Command::Rotate {
            files,
            days,
            lead_s,
            overlap_s,
        } => {
            let mut keys = files.read()?;
            let plan = Rotation {
                lead: TimeDelta::seconds(lead_s.into()),
                overlap: TimeDelta::seconds(overlap_s.into()),
                lifetime: TimeDelta::days(days.into()),
                token_lifetime: token_lifetime()?,
            };
            keys.rotate(now, plan)?;
            files.write(&keys)?;
            print(&table(&keys, now, plan.token_lifetime))
        }
        Command::List { file } => {
            let keys = KeyFile::read(&file)?;
            print(&table(&keys, now, token_lifetime()?))
        }
        Command::Retire { files, kid } => {
            let (mut keys, token_lifetime) = (files.read()?, token_lifetime()?);
            keys.retire(&kid, now, token_lifetime)?;
            files.write(&keys)?;
            print(&table(&keys, now, token_lifetime))
        }
    }
}

fn table(keys: &KeyFile, now: DateTime<Utc>, token_lifetime: TimeDelta) -> String {
    let mut text = String::from("STATE     NOT BEFORE            NOT AFTER             KID\n");
    let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    for (key, state) in keys.keys.iter().zip(keys.states(now, token_lifetime)) {
        let (from, until) = (instant(key.not_before), instant(key.not_after));
        let line = writeln!(text, "{:8}  {from}  {until}  {}", state.as_str(), key.kid);
        line.expect("a text can be written to");
    }
    text
}
