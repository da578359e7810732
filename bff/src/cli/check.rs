use std::{io::Write as _, time::Duration};

use clap::ValueEnum;

use crate::config::{PREFIX, Settings};

/// Which process is asked.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Process {
    /// `bff serve`
    Serve,
    /// `bff worker`
    Worker,
}

pub(super) fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", text.trim_end())?;
    Ok(())
}

pub(super) fn variables() -> anyhow::Result<()> {
    print(&platform::config::variable_names(PREFIX, &Settings::default())?.join("\n"))
}

pub(super) fn settings(settings: &Settings) -> anyhow::Result<()> {
    settings.check()?;
    print(&platform::config::display(settings)?)
}

pub(super) async fn ready(settings: &Settings, of: Process) -> anyhow::Result<()> {
    let address = match of {
        Process::Serve => settings.ops.listen,
        Process::Worker => settings.worker.listen,
    };
    let answer = platform::ops::ask_ready(address, Duration::from_secs(2)).await?;
    print(&answer)
}
