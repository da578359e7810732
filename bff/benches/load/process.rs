//! A process that is measured, and what the kernel knows of it.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

/// In which the kernel counts processor time (`USER_HZ`): 100 a second wherever
/// Linux runs today.
const TICK: Duration = Duration::from_millis(10);

/// How long a process may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    /// Where it listens to the load.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a process with nothing of this one's environment but `variables`.
    /// Its log is a file of its name in `directory`.
    pub(crate) fn start(
        name: &'static str,
        address: SocketAddr,
        mut command: Command,
        variables: &[(String, String)],
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let log = File::create(directory.join(name).with_extension("log"))?;
        let child = command
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{name}: {command:?}"))?;
        Ok(Self {
            name,
            child,
            address,
        })
    }

    /// Waits until it accepts connections.
    pub(crate) async fn ready(&mut self, directory: &Path) -> anyhow::Result<()> {
        let began = Instant::now();
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            let gone = self.child.try_wait()?.is_some();
            if gone || began.elapsed() > READY_LIMIT {
                let log = fs::read_to_string(directory.join(self.name).with_extension("log"))?;
                anyhow::bail!("{} isn't ready: {log}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time so far, of all its threads.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(self.id())
    }

    /// Memory now and at most so far, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
            kib.map(|kib| kib * 1024).context("/proc/PID/status")
        };
        Ok(Memory {
            now: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }

    /// Lets the memory "at most" be counted from now on (see `proc(5)`).
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5")?;
        Ok(())
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Resident memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

fn cpu(process: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program may hold anything, brackets too.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    ensure!(fields.len() > 12, "/proc/PID/stat");
    let ticks = fields[11].parse::<u32>()? + fields[12].parse::<u32>()?;
    Ok(TICK * ticks)
}

/// An address on loopback that nothing listens on now.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
