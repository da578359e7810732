//! One connection through a proxy.

use std::{
    io,
    sync::{Arc, OnceLock, atomic::Ordering::SeqCst},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{Fault, Loss, State, Way};

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// Chunks that are on their way at once; the kernel's buffers come on top.
const CHUNKS: usize = 64;

/// A limited bandwidth is used up in steps of this length.
const STEP: Duration = Duration::from_millis(20);

impl Way {
    pub(super) async fn carry(self: Arc<Self>, client: TcpStream, number: u64) {
        let _open = Open::new(&self);
        let born = *self.state.borrow();
        let ends = |state: &State| state.cut != born.cut || state.fault == Fault::Refuse;
        let abandoned = |state: &State| state.abandoned != born.abandoned;
        let (mut client, mut server) = (client, None);
        tokio::select! {
            biased;
            () = self.until(ends) => {}
            // Kept open, and nobody is told.
            () = self.until(abandoned) => self.until(ends).await,
            done = self.pass(&mut client, &mut server, number) => {
                if done.is_ok() {
                    return;
                }
            }
        }
        // Whoever is still there learns it at once.
        for stream in [Some(client), server].into_iter().flatten() {
            let _ = stream.set_zero_linger();
        }
    }

    async fn until(&self, what: impl FnMut(&State) -> bool) {
        let _ = self.state.subscribe().wait_for(what).await;
    }

    async fn pass(
        &self,
        client: &mut TcpStream,
        server: &mut Option<TcpStream>,
        number: u64,
    ) -> io::Result<()> {
        let mut state = self.state.subscribe();
        passable(&mut state).await;
        let server = server.insert(TcpStream::connect(self.server).await?);
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let loss = OnceLock::new();
        tokio::try_join!(
            self.requests(from_client, to_server, state.clone(), &loss),
            self.answers(from_server, to_client, state, &loss, number),
        )?;
        Ok(())
    }

    async fn requests(
        &self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        mut state: watch::Receiver<State>,
        loss: &OnceLock<Loss>,
    ) -> io::Result<()> {
        let mut chunk = BytesMut::new();
        let mut tail = Vec::new();
        loop {
            chunk.clear();
            chunk.reserve(CHUNK);
            if from.read_buf(&mut chunk).await? == 0 {
                passable(&mut state).await;
                return to.shutdown().await;
            }
            passable(&mut state).await;
            // Before the server has it, so that the answer isn't faster.
            self.look_for_loss(&mut tail, &chunk, loss);
            to.write_all(&chunk).await?;
        }
    }

    /// Decides whether the answer to this request is the one to be lost.
    fn look_for_loss(&self, tail: &mut Vec<u8>, chunk: &[u8], loss: &OnceLock<Loss>) {
        let Fault::LoseAnswer(wanted) = self.state.borrow().fault else {
            tail.clear();
            return;
        };
        if !shows_up(tail, chunk, wanted.request) {
            return;
        }
        self.state.send_if_modified(|state| {
            // Another connection may have been first.
            let first = state.fault == Fault::LoseAnswer(wanted);
            if first {
                state.fault = Fault::None;
                let _ = loss.set(wanted);
            }
            first
        });
    }

    async fn answers(
        &self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        mut state: watch::Receiver<State>,
        loss: &OnceLock<Loss>,
        number: u64,
    ) -> io::Result<()> {
        let (sender, mut receiver) = mpsc::channel::<(Instant, Bytes)>(CHUNKS);
        let mut random = StdRng::seed_from_u64(self.seed ^ number.rotate_left(32));
        let reading = async {
            let sender = sender;
            loop {
                let mut chunk = BytesMut::with_capacity(CHUNK);
                if from.read_buf(&mut chunk).await? == 0 {
                    return io::Result::Ok(());
                }
                let due = Instant::now() + self.latency(&mut random);
                if sender.send((due, chunk.freeze())).await.is_err() {
                    return Ok(());
                }
            }
        };
        let writing = async {
            let (mut tail, mut kept) = (Vec::new(), 0);
            while let Some((due, chunk)) = receiver.recv().await {
                sleep_until(due).await;
                passable(&mut state).await;
                let Some(loss) = loss.get() else {
                    self.send(&mut to, &chunk).await?;
                    continue;
                };
                let arrives = &chunk[..chunk.len().min(loss.kept - kept)];
                kept += arrives.len();
                to.write_all(arrives).await?;
                if shows_up(&mut tail, &chunk, loss.answer) {
                    self.lost.fetch_add(1, SeqCst);
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
            passable(&mut state).await;
            to.shutdown().await
        };
        tokio::try_join!(reading, writing)?;
        Ok(())
    }

    fn latency(&self, random: &mut StdRng) -> Duration {
        match self.state.borrow().fault {
            Fault::Latency { delay, jitter } => {
                delay + jitter.mul_f64(random.random_range(0.0..=1.0))
            }
            _ => Duration::ZERO,
        }
    }

    async fn send(&self, to: &mut WriteHalf<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let fault = self.state.borrow().fault;
            let Fault::Bandwidth(rate) = fault else {
                return to.write_all(bytes).await;
            };
            let most = (f64::from(rate) * STEP.as_secs_f64()).ceil() as usize;
            let (now, later) = bytes.split_at(bytes.len().min(most.max(1)));
            to.write_all(now).await?;
            sleep(STEP.mul_f64(now.len() as f64 / most.max(1) as f64)).await;
            bytes = later;
        }
        Ok(())
    }
}

/// Waits while nothing passes.
async fn passable(state: &mut watch::Receiver<State>) {
    let _ = state
        .wait_for(|state| state.fault != Fault::BlackHole)
        .await;
}

/// Whether what was looked for is in the bytes so far. `tail` keeps what may be
/// its beginning.
fn shows_up(tail: &mut Vec<u8>, bytes: &[u8], wanted: &[u8]) -> bool {
    tail.extend_from_slice(bytes);
    let found = wanted.is_empty() || tail.windows(wanted.len()).any(|window| window == wanted);
    let keep = wanted.len().saturating_sub(1);
    tail.drain(..tail.len().saturating_sub(keep));
    found
}

/// Counts a connection while it is there.
struct Open<'a>(&'a Way);

impl<'a> Open<'a> {
    fn new(way: &'a Way) -> Self {
        way.open.fetch_add(1, SeqCst);
        Self(way)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}
