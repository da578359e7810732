//! A process that is measured, and what the kernel knows of it.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// In which the kernel counts processor time (`USER_HZ`): 100 a second wherever
/// Linux runs today.
const TICK: Duration = Duration::from_millis(10);

/// How long a process may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A program: a process, and the workers that it may have started.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    command: Command,
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
        command
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("{name}: {command:?}"))?;
        Ok(Self {
            name,
            command,
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

    /// What it was told with this variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.command.get_envs();
        let (_, value) = variables.find(|(other, _)| *other == name)?;
        value?.to_str()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time so far, of all its threads and workers.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        self.all().into_iter().map(cpu).sum()
    }

    /// Memory now and at most so far, in bytes. What workers share counts for
    /// each of them.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let (mut now, mut peak) = (0, 0);
        for process in self.all() {
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
                kib.map(|kib| kib * 1024).context("/proc/PID/status")
            };
            now += field("VmRSS:")?;
            peak += field("VmHWM:")?;
        }
        Ok(Memory { now, peak })
    }

    /// Its own process and its workers'.
    fn all(&self) -> Vec<u32> {
        let id = self.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(id).chain(children).collect()
    }

    /// Lets the memory "at most" be counted from now on (see `proc(5)`).
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5")?;
        Ok(())
    }

    /// Hangs it (SIGSTOP): it accepts connections and answers nothing.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a hung one go on.
    pub(crate) fn cont(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        for process in self.all() {
            kill_process(pid(process)?, signal)?;
        }
        Ok(())
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        let workers = self.all().split_off(1);
        self.child.kill()?;
        self.child.wait()?;
        for worker in workers {
            // It may have ended with whoever started it.
            let _ = kill_process(pid(worker)?, Signal::KILL);
        }
        Ok(())
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = self.command.spawn()?;
        Ok(())
    }
}

fn pid(process: u32) -> anyhow::Result<Pid> {
    Pid::from_raw(process.try_into()?).context("a process id")
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
