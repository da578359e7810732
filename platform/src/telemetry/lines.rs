//! Lines of the log on their way to standard error.
//!
//! `tracing-appender` does nearly this. It tells of no line that couldn't be written,
//! and at the end it may wait for whoever reads standard output.

use std::{
    io::{self, BufWriter, Write},
    iter,
    num::NonZeroU16,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::sleep};
use tracing_subscriber::fmt::MakeWriter;

/// What a pipe takes as a whole (`PIPE_BUF`, pipe(7)): lines of programs that share one
/// don't mix.
const AT_ONCE: usize = 4_096;
/// How often a full queue is tried again at the end.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// Takes lines, and never waits for whoever reads them: a thread of its own writes. What
/// finds no room, or can't be written, is dropped and counted.
#[derive(Debug, Clone)]
pub(super) struct Lines(SyncSender<Message>);

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// To be told when everything before it is written.
    Flush(oneshot::Sender<()>),
}

impl Lines {
    /// At most so many wait.
    pub(super) fn to_stderr(waiting: NonZeroU16) -> io::Result<Self> {
        let (sender, messages) = sync_channel(usize::from(waiting.get()));
        thread::Builder::new()
            .name("log".into())
            .spawn(move || write(&messages))?;
        Ok(Self(sender))
    }

    /// Waits until everything so far is written, for ever if nobody reads.
    pub(super) async fn flush(&self) {
        let (written, everything) = oneshot::channel();
        let mut flush = Message::Flush(written);
        while let Err(error) = self.0.try_send(flush) {
            flush = match error {
                std::sync::mpsc::TrySendError::Full(flush) => flush,
                std::sync::mpsc::TrySendError::Disconnected(_) => return,
            };
            sleep(TRY_AGAIN).await;
        }
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

fn write(messages: &Receiver<Message>) {
    let mut out = BufWriter::with_capacity(AT_ONCE, io::stderr());
    while let Ok(first) = messages.recv() {
        for message in iter::once(first).chain(messages.try_iter()) {
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
        }
        let _ = out.flush();
    }
}
