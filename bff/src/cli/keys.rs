use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use chrono::TimeDelta;
use clap::Subcommand;
use platform::clock::Clock;

use super::check::print;
use crate::identity::keys::KeyFile;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key file with one key. A file that exists stays as it is.
    Generate {
        /// The file for the edge alone; it holds the secrets.
        #[arg(long)]
        file: PathBuf,
        /// The file for everyone who verifies tokens.
        #[arg(long)]
        public_file: Option<PathBuf>,
        /// For how many days the key signs.
        #[arg(long, default_value_t = 90)]
        days: i64,
    },
    /// List the keys of a file, without their secrets.
    List {
        /// The key file.
        #[arg(long)]
        file: PathBuf,
    },
}

pub(super) fn run(command: Command, clock: &dyn Clock) -> anyhow::Result<()> {
    match command {
        Command::Generate {
            file,
            public_file,
            days,
        } => {
            let keys = if file.exists() {
                KeyFile::read(&file)?
            } else {
                let mut keys = KeyFile::default();
                keys.generate(clock.now(), TimeDelta::days(days))?;
                write(&file, 0o600, &serde_json::to_vec_pretty(&keys)?)?;
                keys
            };
            match public_file {
                Some(public) => write(
                    &public,
                    0o644,
                    &serde_json::to_vec_pretty(&keys.public_keys()?)?,
                ),
                None => Ok(()),
            }
        }
        Command::List { file } => print(&serde_json::to_string_pretty(
            &KeyFile::read(&file)?.public_keys()?,
        )?),
    }
}

/// Writes beside the file and renames, so that a reader never sees half of it.
fn write(path: &Path, mode: u32, content: &[u8]) -> anyhow::Result<()> {
    let draft = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&draft)
        .with_context(|| draft.display().to_string())?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path).with_context(|| path.display().to_string())
}
