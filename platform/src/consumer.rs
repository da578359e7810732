//! Consumers: what is done about events.
//!
//! [`Consumer`] shares the work of one durable consumer between all processes
//! that run it; [`Feed`] shows every event to every process, for caches.

mod dead_letters;
mod delivery;
mod feed;
mod worker;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::SharedClock,
    nats::{Nats, Stream},
    retry::keep_going,
    shutdown::Lifetime,
};

pub use dead_letters::{DeadLetter, DeadLetters};
pub use delivery::{Delivery, Failure};
pub use feed::{Feed, Signal};

/// How often a consumer's lag is asked for.
const MEASURE: Duration = Duration::from_secs(10);

/// How long what was written may take to leave at the end.
const FLUSH: Duration = Duration::from_secs(1);

/// A durable pull consumer.
///
/// Each message is acknowledged when the handler is done with it, delivered
/// again after a growing delay when it failed, and put into the dead letters,
/// with the reason, when it failed `max_deliver` times or for good. Handlers
/// meet a message at least once: they keep an [inbox](crate::inbox).
#[derive(Debug, Clone)]
pub struct Consumer {
    /// Where the messages come from.
    pub nats: Nats,
    /// Tells when a message was given up.
    pub clock: SharedClock,
    /// The stream.
    pub stream: Stream,
    /// The consumer's name: in JetStream, in the inbox and in metrics.
    pub name: &'static str,
    /// What it wants of the stream, without the prefix. One subject only,
    /// wildcards allowed: NATS before 2.10 takes no more.
    pub filter: &'static str,
    /// How often a message is tried.
    pub max_deliver: i64,
    /// After the first failure, how long until the next try; doubled each time.
    pub first_delay: Duration,
    /// The longest of these delays.
    pub max_delay: Duration,
    /// How long the handler may take for one message: less than 30 s.
    pub limit: Duration,
    /// JetStream gives a message to someone else when nothing is heard of it
    /// for so long. While a handler runs, it hears.
    pub ack_wait: Duration,
    /// How many messages one process handles at once.
    pub concurrency: usize,
}

impl Consumer {
    /// A consumer of everything in a stream: 8 tries, 1 s to 1 min apart, each
    /// of 20 s at most; 8 messages at once.
    #[must_use]
    pub fn new(nats: Nats, clock: SharedClock, stream: Stream, name: &'static str) -> Self {
        Self {
            nats,
            clock,
            stream,
            name,
            filter: stream.subjects(),
            max_deliver: 8,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            limit: Duration::from_secs(20),
            ack_wait: Duration::from_secs(30),
            concurrency: 8,
        }
    }

    /// Consumes until the process ends; a message that is being handled then
    /// is finished. While NATS is away, waits for it.
    pub async fn run<H, Fut>(&self, lifetime: &Lifetime, handler: H)
    where
        H: Fn(Delivery) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), Failure>> + Send,
    {
        let handler = Arc::new(handler);
        keep_going(self.name, lifetime, || {
            let handler = Arc::clone(&handler);
            async move { self.consume_while_up(lifetime, &*handler).await }
        })
        .await;
        // The last acknowledgements are still in the client's buffer. One that
        // doesn't get out means a repeat, which the inbox knows.
        let _ = tokio::time::timeout(FLUSH, self.nats.client().flush()).await;
    }

    async fn consume_while_up<H, Fut>(&self, lifetime: &Lifetime, handler: &H) -> anyhow::Result<()>
    where
        H: Fn(Delivery) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), Failure>> + Send,
    {
        self.nats.require()?;
        self.nats.ensure_streams().await?;
        let durable = self.ensure().await?;
        // When one worker loses its connection, the others finish their
        // message and stop too.
        let session = lifetime.token().child_token();
        let workers = (0..self.concurrency).map(|_| async {
            let outcome = self.work(&durable, &session, handler).await;
            session.cancel();
            outcome
        });
        let (outcomes, ()) = tokio::join!(join_all(workers), self.measure(&durable, &session));
        outcomes.into_iter().collect()
    }

    async fn ensure(&self) -> anyhow::Result<PullConsumer> {
        let config = pull::Config {
            durable_name: Some(self.name.to_owned()),
            filter_subject: self.nats.subject(self.filter),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            // Unlimited there, counted here: the server forgets a message
            // whose last delivery killed the process, without a dead letter.
            max_deliver: -1,
            ..pull::Config::default()
        };
        let stream = self.nats.stream_name(self.stream);
        Ok(self
            .nats
            .jetstream()
            .create_consumer_on_stream(config, stream)
            .await?)
    }

    async fn measure(&self, durable: &PullConsumer, session: &CancellationToken) {
        let mut tick = tokio::time::interval(MEASURE);
        loop {
            tokio::select! {
                () = session.cancelled() => return,
                _ = tick.tick() => {}
            }
            if let Ok(info) = durable.get_info().await {
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                let lag = (info.num_pending + info.num_ack_pending as u64) as f64;
                metrics::gauge!("consumer_lag", "consumer" => self.name).set(lag);
            }
        }
    }
}
