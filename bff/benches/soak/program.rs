//! A program of ours while it runs: what it tells of itself, and what the kernel
//! knows of it.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use super::process::Process;

#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    process: Process,
    metrics: String,
}

impl Program {
    /// Starts it, and waits until it listens at `address`. At `operations` it tells
    /// of itself.
    pub(crate) async fn start(
        name: &'static str,
        command: Command,
        variables: &[(String, String)],
        [address, operations]: [SocketAddr; 2],
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let mut process = Process::start(name, address, command, variables, directory)?;
        process.ready(directory).await?;
        Ok(Self {
            name,
            process,
            metrics: format!("http://{operations}/metrics"),
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// What it tells of itself.
    pub(crate) async fn metrics(&self, http: &reqwest::Client) -> anyhow::Result<String> {
        Ok(http.get(&self.metrics).send().await?.text().await?)
    }

    /// Resident memory now, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        Ok(self.process.memory()?.now)
    }

    /// Files and sockets that it has open.
    pub(crate) fn open_files(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.process.id()))?.count())
    }
}
