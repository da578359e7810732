//! One token that every loop of a process watches, cancelled by SIGTERM or
//! SIGINT. Work in flight is then given a bounded time to end.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The life of a process: what asks it to end, and what it waits for.
#[derive(Debug, Clone, Default)]
pub struct Lifetime {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Lifetime {
    /// A life that ends when [`Lifetime::stop`] is called.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A life that also ends at SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When the signal handlers can't be installed.
    pub fn until_signalled() -> std::io::Result<Self> {
        let lifetime = Self::new();
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = lifetime.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => tracing::info!("SIGTERM: draining"),
                _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
                () = stop.cancelled() => {}
            }
            stop.cancel();
        });
        Ok(lifetime)
    }

    /// Asks everything to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Resolves when the end is asked for.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// The token itself, for libraries that take one.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a background task that [`Lifetime::finish`] waits for. The task
    /// has to end by itself once the end is asked for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Waits for the background tasks, `limit` at most. Returns whether all
    /// of them ended.
    pub async fn finish(&self, limit: Duration) -> bool {
        self.stop();
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }
}
