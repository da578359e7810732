use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// What the kernel says of a process.
struct Stat {
    state: String,
    parent: i32,
    /// In clock ticks since the machine began.
    started_at: String,
}

fn stat(pid: Pid) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    // The name before it is in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        state: (*fields.first()?).to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        started_at: (*fields.get(19)?).to_owned(),
    })
}

/// A process's children. PostgreSQL's have sessions of their own, so a signal to
/// the server's group would miss them.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
    fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent.as_raw_pid()))
        .collect()
}

/// A process that has ended but that nobody has asked about isn't alive.
pub(super) fn is_alive(pid: &Pid) -> bool {
    stat(*pid).is_some_and(|stat| stat.state != "Z")
}

/// Asks a program that a test started to end (SIGTERM).
///
/// # Panics
/// When there is no such process, or it isn't ours.
pub fn terminate(process_id: u32) {
    let pid = i32::try_from(process_id).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process id"), Signal::TERM).expect("it runs");
}

/// Notes in `directory` which process is at work there, as `deploy/local` reads
/// it: `make test` ends the servers of tests that crashed.
pub(super) fn record(pid: Pid, directory: &Path) {
    if let Some(stat) = stat(pid) {
        let note = format!("{} {}\n", pid.as_raw_pid(), stat.started_at);
        fs::write(directory.join("pid"), note).expect("the directory can be written to");
    }
}
