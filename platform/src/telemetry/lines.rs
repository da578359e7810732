//! Lines of the log on their way to standard error.
//!
//! `tracing-appender` does nearly this. It tells of no line that couldn't be written,
//! and at the end it may wait for whoever reads standard output.

use std::{
    io::{self, BufWriter, Write},
    num::NonZeroU16,
    thread,
};

use tokio::sync::{mpsc, oneshot};
use tracing_subscriber::fmt::MakeWriter;

/// What a pipe takes as a whole (`PIPE_BUF`, pipe(7)): lines of programs that share one
/// don't mix.
const AT_ONCE: usize = 4_096;

/// Takes lines, and never waits for whoever reads them: a thread of its own writes. What
/// finds no room, or can't be written, is dropped and counted.
#[derive(Debug, Clone)]
pub(super) struct Lines(mpsc::Sender<Message>);

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// To be told when everything before it is written.
    Flush(oneshot::Sender<()>),
}

impl Lines {
    /// At most so many wait.
    pub(super) fn to_stderr(waiting: NonZeroU16) -> io::Result<Self> {
        let (sender, messages) = mpsc::channel(usize::from(waiting.get()));
        thread::Builder::new()
            .name("log".into())
            .spawn(|| write(messages))?;
        Ok(Self(sender))
    }

    /// Waits until everything so far is written, for ever if nobody reads.
    pub(super) async fn flush(&self) {
        let (written, everything) = oneshot::channel();
        let _ = self.0.send(Message::Flush(written)).await;
        let _ = everything.await;
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Message::Line(line.to_vec())).is_err() {
            count_dropped(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Counts lines that were dropped. None, to show that none were.
pub(super) fn count_dropped(lines: u64) {
    metrics::counter!("log_lines_dropped_total").increment(lines);
}

fn write(mut messages: mpsc::Receiver<Message>) {
    let mut out = BufWriter::with_capacity(AT_ONCE, io::stderr());
    while let Some(message) = messages.blocking_recv() {
        match message {
            Message::Line(line) => {
                if out.write_all(&line).is_err() {
                    count_dropped(1);
                }
            }
            Message::Flush(written) => {
                let _ = out.flush();
                let _ = written.send(());
            }
        }
        if messages.is_empty() {
            let _ = out.flush();
        }
    }
}
