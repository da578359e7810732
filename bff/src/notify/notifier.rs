use std::{path::PathBuf, time::Duration};

use chrono::TimeDelta;
use platform::{
    clock::SharedClock,
    consumer::{Consumer, Delivery, Failure},
    inbox,
    nats::{Nats, Stream},
    postgres,
    retry::now_and_then,
    shutdown::Lifetime,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Channel, Job, Mailer, Message, Sealer, SmsSender, settings::SEND_LIMIT, store};

/// The consumer's name, in JetStream and in the inbox.
const NAME: &str = "notify";

/// How often messages are looked for that ran out of time unseen.
const LOOK: Duration = Duration::from_secs(30);

/// How far back these may have left the outbox.
const LOOK_BACK: TimeDelta = TimeDelta::hours(1);

/// Sends what was enqueued. Several may run at once.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// The database of outbox and inbox.
    pub pool: PgPool,
    /// Opens the messages.
    pub sealer: Sealer,
    /// Tells which messages are too old.
    pub clock: SharedClock,
    /// Sends mail.
    pub mailer: Mailer,
    /// Sends SMS.
    pub sms: SmsSender,
    /// Whether the log may say which file holds a message: on a developer's
    /// machine alone.
    pub development: bool,
}

impl Notifier {
    /// Sends until the process ends; what is being sent then is finished.
    pub async fn run(&self, nats: Nats, lifetime: &Lifetime) {
        let consumer = Consumer {
            first_delay: Duration::from_secs(2),
            max_delay: Duration::from_secs(30),
            limit: SEND_LIMIT + Duration::from_secs(4),
            concurrency: 4,
            ..Consumer::new(nats, self.clock.clone(), Stream::Notify, NAME)
        };
        tokio::join!(
            consumer.run(lifetime, |delivery| self.handle(delivery)),
            now_and_then("unsent messages", LOOK, lifetime, || self.look_for_unsent()),
        );
    }

    /// Sends one message. A mail server can't take part in a transaction, so
    /// this is as close to once as it gets: the inbox row is written before
    /// and committed after. A crash in between sends a second copy, with the
    /// same Message-ID.
    async fn handle(&self, delivery: Delivery) -> Result<(), Failure> {
        let id = delivery.id;
        let message = self.open(id, &delivery.json()?)?;
        let channel = message.channel();
        let mut once = postgres::begin(&self.pool).await?;
        if !inbox::first_time(&mut *once, NAME, id).await? {
            count(channel, "repeated");
            return Ok(());
        }
        if message.expires_at() <= self.clock.now() {
            once.commit().await?;
            too_late(&message);
            return Ok(());
        }
        if message.is_decoy() {
            once.commit().await?;
            count(channel, "decoy");
            return Ok(());
        }
        match self.send(id, &message).await {
            Ok(file) => {
                once.commit().await?;
                count(channel, "sent");
                self.log_sent(&message, file);
                Ok(())
            }
            Err(failure) => {
                let (outcome, failure) = about(&message, failure);
                count(channel, outcome);
                Err(failure)
            }
        }
    }

    fn open(&self, id: Uuid, job: &Job) -> Result<Message, Failure> {
        self.sealer.open(id, &job.sealed).ok_or_else(|| {
            Failure::Dead("it was sealed with another key (BFF_SECRETS__MASTER_KEY)".into())
        })
    }

    async fn send(&self, id: Uuid, message: &Message) -> Result<Option<PathBuf>, Failure> {
        let now = self.clock.now();
        match message.channel() {
            Channel::Mail => self.mailer.send(id, message, now).await,
            Channel::Sms => self.sms.send(id, message, now).await,
        }
    }

    fn log_sent(&self, message: &Message, file: Option<PathBuf>) {
        match file {
            Some(file) if self.development => {
                tracing::info!(to = message.masked(), file = %file.display(), "message written");
            }
            _ => tracing::info!(to = message.masked(), "message sent"),
        }
    }

    /// JetStream drops what is too old without a word, and what never left the
    /// outbox was never seen here.
    async fn look_for_unsent(&self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let unhandled = store::unhandled(&self.pool, NAME, now, now - LOOK_BACK);
        for (id, job) in postgres::bounded(postgres::BATCH_LIMIT, unhandled).await? {
            postgres::bounded(postgres::BATCH_LIMIT, self.tell_unsent(id, &job)).await?;
        }
        Ok(())
    }

    /// Once, but for a crash in between.
    async fn tell_unsent(&self, id: Uuid, job: &Job) -> sqlx::Result<()> {
        let mut once = postgres::begin(&self.pool).await?;
        if !inbox::first_time(&mut *once, NAME, id).await? {
            return Ok(());
        }
        match self.open(id, job) {
            Ok(message) => too_late(&message),
            Err(reason) => tracing::warn!(%reason, "a message was not sent"),
        }
        once.commit().await
    }
}

fn too_late(message: &Message) {
    count(message.channel(), "expired");
    if !message.is_decoy() {
        tracing::warn!(
            to = message.masked(),
            reason = "expired",
            "a message was not sent"
        );
    }
}

/// Adds to a failure whom it concerns, masked: it is the reason in the log and
/// with the dead letter.
fn about(message: &Message, failure: Failure) -> (&'static str, Failure) {
    let with_recipient = |reason| format!("{reason} (to {})", message.masked());
    match failure {
        Failure::Retry(reason) => ("failed", Failure::Retry(with_recipient(reason))),
        Failure::Dead(reason) => ("refused", Failure::Dead(with_recipient(reason))),
    }
}

fn count(channel: Channel, outcome: &'static str) {
    metrics::counter!(
        "notify_sent_total",
        "channel" => channel.as_str(),
        "outcome" => outcome,
    )
    .increment(1);
}
