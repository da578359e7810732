//! How a program runs and ends.

use std::{fmt::Display, process::ExitCode, sync::mpsc, thread, time::Duration};

use tokio::runtime::Runtime;

/// For the last words to be taken by whoever reads standard error.
const LIMIT: Duration = Duration::from_secs(1);

/// Runs a program to its end. Threads that wait for something outside, a name server or
/// a disk that hangs, aren't waited for.
///
/// # Panics
/// When there is nothing to run it on: no threads, or no way to wait for sockets.
pub fn run(program: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = Runtime::new().expect("a process may have threads");
    let code = runtime.block_on(program);
    runtime.shutdown_background();
    code
}

/// Says on standard error why a program can't go on, and doesn't insist on being read.
#[must_use]
pub fn fail(name: &str, code: u8, error: impl Display) -> ExitCode {
    let words = format!("{name}: {error}");
    let (said, is_said) = mpsc::channel();
    thread::spawn(move || {
        #[expect(clippy::print_stderr, reason = "where a program says why it failed")]
        {
            eprintln!("{words}");
        }
        let _ = said.send(());
    });
    let _ = is_said.recv_timeout(LIMIT);
    ExitCode::from(code)
}
