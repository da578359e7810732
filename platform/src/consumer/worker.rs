use std::{panic::AssertUnwindSafe, time::Duration};

use async_nats::jetstream::{AckKind, Message, consumer::PullConsumer};
use futures::{FutureExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Consumer, DeadLetters, Delivery, Failure};
use crate::trace;

/// How long one request for a message waits at the server. Longer than a
/// handler may take: until it is renewed, nothing is sent unasked.
const PULL: Duration = Duration::from_secs(30);

/// The server shows this often that it is there; missed twice, it isn't.
const HEARTBEAT: Duration = Duration::from_secs(5);

impl Consumer {
    /// Asks for one message at a time, so that none waits in a buffer while
    /// its time to be acknowledged runs.
    pub(super) async fn work<H, Fut>(
        &self,
        durable: &PullConsumer,
        session: &CancellationToken,
        handler: &H,
    ) -> anyhow::Result<()>
    where
        H: Fn(Delivery) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), Failure>> + Send,
    {
        let mut messages = durable
            .stream()
            .max_messages_per_batch(1)
            .expires(PULL)
            .heartbeat(HEARTBEAT)
            .messages()
            .await?;
        loop {
            let message = tokio::select! {
                biased;
                () = session.cancelled() => return Ok(()),
                message = messages.next() => message,
            };
            match message {
                Some(message) => self.take(&message?, handler).await?,
                None => anyhow::bail!("the subscription ended"),
            }
        }
    }

    async fn take<H, Fut>(&self, message: &Message, handler: &H) -> anyhow::Result<()>
    where
        H: Fn(Delivery) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), Failure>> + Send,
    {
        let deliveries = message
            .info()
            .map_err(|error| anyhow::anyhow!("not a JetStream message: {error}"))?
            .delivered;
        if deliveries > 1 {
            metrics::counter!("consumer_redelivered_total", "consumer" => self.name).increment(1);
        }
        let failure = match Delivery::read(&self.nats, message, deliveries) {
            None => Some(Failure::Dead("not a CloudEvent".into())),
            Some(_) if deliveries > self.max_deliver => Some(Failure::Dead(
                "every attempt ended without an answer".into(),
            )),
            Some(delivery) => self.attempt(message, delivery, handler).await.err(),
        };
        let answer = match failure {
            None => AckKind::Ack,
            Some(Failure::Retry(reason)) if deliveries < self.max_deliver => {
                let delay = self.delay(deliveries);
                tracing::warn!(
                    consumer = self.name,
                    reason,
                    deliveries,
                    ?delay,
                    "to be tried again"
                );
                AckKind::Nak(Some(delay))
            }
            Some(Failure::Retry(reason) | Failure::Dead(reason)) => {
                self.give_up(message, deliveries, &reason).await
            }
        };
        message
            .ack_with(answer)
            .await
            .map_err(|error| anyhow::anyhow!("no acknowledgement could be sent: {error}"))
    }

    /// Runs the handler within its limit, and meanwhile tells JetStream that
    /// the message is being worked on.
    async fn attempt<H, Fut>(
        &self,
        message: &Message,
        delivery: Delivery,
        handler: &H,
    ) -> Result<(), Failure>
    where
        H: Fn(Delivery) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), Failure>> + Send,
    {
        let span = tracing::info_span!(
            "consume",
            consumer = self.name,
            event_type = delivery.event_type,
            event_id = %delivery.id,
        );
        if let Some(traceparent) = &delivery.traceparent {
            trace::continue_from(&span, traceparent);
        }
        let work = tokio::time::timeout(self.limit, handler(delivery));
        let work = AssertUnwindSafe(work).catch_unwind().instrument(span);
        let still_working = async {
            loop {
                tokio::time::sleep(self.ack_wait / 3).await;
                // When it doesn't arrive, the message is delivered again, and
                // the inbox knows it.
                let _ = message.ack_with(AckKind::Progress).await;
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = still_working => unreachable!("it has no end"),
        };
        match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::Retry(format!("took over {:?}", self.limit))),
            Err(_) => Err(Failure::Retry("the handler panicked".into())),
        }
    }

    /// Moves the message to the dead letters; it only leaves its stream when
    /// it arrived there.
    async fn give_up(&self, message: &Message, deliveries: i64, reason: &str) -> AckKind {
        let letters = DeadLetters::new(self.nats.clone());
        match letters.add(self, message, deliveries, reason).await {
            Ok(()) => {
                tracing::error!(
                    consumer = self.name,
                    reason,
                    deliveries,
                    "given up: now a dead letter"
                );
                metrics::counter!("consumer_dead_total", "consumer" => self.name).increment(1);
                AckKind::Ack
            }
            Err(error) => {
                tracing::warn!(consumer = self.name, %error, "no dead letter could be written");
                AckKind::Nak(Some(self.max_delay))
            }
        }
    }

    fn delay(&self, deliveries: i64) -> Duration {
        let doublings = u32::try_from(deliveries - 1).unwrap_or(0).min(16);
        self.first_delay
            .saturating_mul(1 << doublings)
            .min(self.max_delay)
    }
}
