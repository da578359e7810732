use std::time::Duration;

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
    /// dropped. Comes first, and after every lost connection.
    Reset,
    /// Something happened.
    Event(Delivery),
}

/// Shows every event of a stream to this very process, from now on, without
/// acknowledgement: for caches, which would rather start anew than catch up.
#[derive(Debug, Clone)]
pub struct Feed {
    nats: Nats,
    stream: Stream,
    filter: &'static str,
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
        }
    }

    /// Calls `handler` until the process ends. It must be quick: it holds up
    /// the next event.
    pub async fn run<H>(&self, lifetime: &Lifetime, handler: H)
    where
        H: FnMut(Signal) + Send,
    {
        let name = self.filter;
        let handler = Mutex::new(handler);
        keep_going(name, lifetime, || self.follow_while_up(lifetime, &handler)).await;
    }

    async fn follow_while_up<H>(
        &self,
        lifetime: &Lifetime,
        handler: &Mutex<H>,
    ) -> anyhow::Result<()>
    where
        H: FnMut(Signal) + Send,
    {
        let mut handler = handler.lock().await;
        let mut connections = self.nats.connections();
        connections.mark_unchanged();
        self.nats.require()?;
        self.nats.ensure_streams().await?;
        let consumer = self.consumer().await?;
        let mut messages = consumer.stream().heartbeat(HEARTBEAT).messages().await?;
        // From here on nothing is missed, so what is older is of no use.
        handler(Signal::Reset);
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
            let sequence = message
                .info()
                .map_err(|error| anyhow::anyhow!("not a JetStream message: {error}"))?
                .consumer_sequence;
            if sequence != seen + 1 {
                anyhow::bail!("{} events were missed", sequence.saturating_sub(seen + 1));
            }
            seen = sequence;
            handler(Delivery::read(&self.nats, &message, 1).map_or(Signal::Reset, Signal::Event));
        }
    }

    async fn consumer(&self) -> anyhow::Result<PullConsumer> {
        let config = pull::Config {
            filter_subject: self.nats.subject(self.filter),
            deliver_policy: DeliverPolicy::New,
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
