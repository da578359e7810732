use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use argon2::Block;
use crossbeam_channel::{Receiver, Sender};
use tokio::sync::{Semaphore, oneshot};

use super::Busy;

/// Threads that hash, and so many hashes that may wait for one. A thread takes the
/// next as soon as it is done, nobody has to be woken up for that, and each has
/// memory of its own. Cloning shares them; they end with the last clone.
#[derive(Clone)]
pub(super) struct Pool {
    work: Sender<Work>,
    /// What runs and what waits.
    admitted: Arc<Semaphore>,
}

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

impl Pool {
    pub(super) fn new(threads: usize, queue: usize) -> io::Result<Self> {
        // Bounded by what is admitted.
        let (work, waiting) = crossbeam_channel::unbounded();
        for _ in 0..threads {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name("passwords".to_owned())
                .spawn(move || run(&waiting))?;
        }
        Ok(Self {
            work,
            admitted: Arc::new(Semaphore::new(threads + queue)),
        })
    }

    /// Does work that takes a core. It isn't done when the caller is gone before it
    /// begins.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| {
            metrics::counter!("password_hashes_refused_total").increment(1);
            Busy
        })?;
        let (tell, told) = oneshot::channel();
        let work: Work = Box::new(move |memory| {
            let _admitted = admitted;
            if !tell.is_closed() {
                // Who left meanwhile doesn't hear it.
                let _ = tell.send(work(memory));
            }
        });
        self.work
            .send(work)
            .expect("the threads end with the last pool");
        // As if it had panicked here.
        Ok(told.await.expect("only a panic leaves it untold"))
    }
}

fn run(waiting: &Receiver<Work>) {
    let mut memory = Memory::default();
    for work in waiting {
        if catch_unwind(AssertUnwindSafe(|| work(&mut memory))).is_err() {
            tracing::error!("a password hash panicked");
        }
    }
}

/// The memory that Argon2 works in, kept from hash to hash: the kernel would
/// clear every page of a fresh one, which takes a fifth of the time of a hash.
///
/// It isn't cleared after a hash of two passes or more: since each after the first
/// mixes everything before into every block, what stays there tests a guess no
/// faster than the stored hash does.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// At least so many blocks.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        &mut self.0
    }
}
