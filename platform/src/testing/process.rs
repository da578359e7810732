use std::fs;

use rustix::process::Pid;

/// A process's children. PostgreSQL's have sessions of their own, so a signal to
/// the server's group would miss them.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
    fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent.as_raw_pid()))
        .collect()
}

/// A process that has ended but that nobody has asked about isn't alive.
pub(super) fn is_alive(pid: &Pid) -> bool {
    stat(*pid).is_some_and(|(state, _)| state != "Z")
}

/// A process's state and its parent.
fn stat(pid: Pid) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    // The name before it is in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
