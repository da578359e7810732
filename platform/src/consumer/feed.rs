use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use futures::StreamExt as _;
use tokio::sync::Mutex;

use super::Delivery;
use crate::{
    nats::{Nats, Stream},
    retry::keep_going,
    shutdown::Lifetime,
};

/// The server shows this often that it is there; missed twice, it isn't.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How long the server keeps the consumer of a process that went away.
const FORGET: Duration = Duration::from_secs(60);

/// What a [`Feed`] tells.
#[derive(Debug, Clone)]
pub enum Signal {
    /// Events may have been missed: whatever was concluded from them is to be
    /// dropped. Comes first, and after every lost connection that left a gap.
    Reset {
        /// The events that follow have places in the stream above this one.
        after: u64,
        /// Those up to this place had happened before.
        latest: u64,
    },
    /// Something happened.
    Event(Delivery),
}

/// Shows every event of a stream to this very process, from now on, without
/// acknowledgement.
#[derive(Debug, Clone)]
pub struct Feed {
    nats: Nats,
    stream: Stream,
    filter: &'static str,
    /// How many events of the past may be caught up with.
    past: u64,
    following: Arc<AtomicBool>,
}

impl Feed {
    /// Everything in a stream.
    #[must_use]
    pub fn new(nats: Nats, stream: Stream) -> Self {
        Self::of(nats, stream, stream.subjects())
    }

    /// One subject of a stream, without the prefix, wildcards allowed.
    #[must_use]
    pub fn of(nats: Nats, stream: Stream, filter: &'static str) -> Self {
        Self {
            nats,
            stream,
            filter,
            past: 0,
            following: Arc::default(),
        }
    }

    /// Begins with the stream's last `past` events, and catches up with as many
    /// after a lost connection. A feed without a past starts anew each time,
    /// which is what a cache would rather do.
    #[must_use]
    pub fn with_past(mut self, past: u64) -> Self {
        self.past = past;
        self
    }

    /// Whether what happens now is told, as far as is known here: a lost connection
    /// shows itself after two missed heartbeats.
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.following.load(Relaxed)
    }

    /// Calls `handler` until the process ends. It must be quick: it holds up
    /// the next event.
    pub async fn run<H>(&self, lifetime: &Lifetime, handler: H)
    where
        H: FnMut(Signal) + Send,
    {
        let name = self.filter;
        let state = Mutex::new((handler, None));
        keep_going(name, lifetime, || async {
            let (handler, place) = &mut *state.lock().await;
            let outcome = self.follow_while_up(lifetime, handler, place).await;
            self.following.store(false, Relaxed);
            outcome
        })
        .await;
    }

    /// `place` is that of the last event that was seen.
    async fn follow_while_up<H>(
        &self,
        lifetime: &Lifetime,
        handler: &mut H,
        place: &mut Option<u64>,
    ) -> anyhow::Result<()>
    where
        H: FnMut(Signal) + Send,
    {
        let mut connections = self.nats.connections();
        connections.mark_unchanged();
        self.nats.require()?;
        self.nats.ensure_streams().await?;
        let (after, latest) = self.start(*place).await?;
        let consumer = self.consumer(after + 1).await?;
        let mut messages = consumer.stream().heartbeat(HEARTBEAT).messages().await?;
        // From here on nothing is missed.
        if self.past == 0 || *place != Some(after) {
            handler(Signal::Reset { after, latest });
            *place = Some(after);
        }
        self.following.store(true, Relaxed);
        let mut seen = 0;
        loop {
            let message = tokio::select! {
                () = lifetime.stopping() => return Ok(()),
                // The consumer lived in the memory of the server that is gone.
                _ = connections.changed() => return Ok(()),
                message = messages.next() => message,
            };
            let Some(message) = message else {
                anyhow::bail!("the subscription ended");
            };
            let message = message?;
            let info = message
                .info()
                .map_err(|error| anyhow::anyhow!("not a JetStream message: {error}"))?;
            if info.consumer_sequence != seen + 1 {
                let missed = info.consumer_sequence.saturating_sub(seen + 1);
                anyhow::bail!("{missed} events were missed");
            }
            seen += 1;
            let at = info.stream_sequence;
            let event = Delivery::read(&self.nats, &message, 1);
            let unreadable = Signal::Reset {
                after: at,
                latest: at,
            };
            handler(event.map_or(unreadable, Signal::Event));
            *place = Some(at);
        }
    }

    /// The place after which to start: where this process was, when what has
    /// happened since is all there and no more than can be caught up with. And
    /// that of the latest event.
    async fn start(&self, place: Option<u64>) -> anyhow::Result<(u64, u64)> {
        let name = self.nats.stream_name(self.stream);
        let stream = self.nats.jetstream().get_stream(name).await?;
        let state = &stream.cached_info().state;
        let latest = state.last_sequence;
        let oldest = latest
            .saturating_sub(self.past)
            .max(state.first_sequence.saturating_sub(1));
        let after = place.filter(|place| (oldest..=latest).contains(place));
        Ok((after.unwrap_or(oldest), latest))
    }

    async fn consumer(&self, start_sequence: u64) -> anyhow::Result<PullConsumer> {
        let config = pull::Config {
            filter_subject: self.nats.subject(self.filter),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGET,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        };
        let stream = self.nats.stream_name(self.stream);
        Ok(self
            .nats
            .jetstream()
            .create_consumer_on_stream(config, stream)
            .await?)
    }
}
