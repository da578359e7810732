use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use super::Nats;

/// The streams. Every process that publishes or consumes makes sure of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// What happened in the accounts store.
    Accounts,
    /// What happened in the orders store.
    Orders,
    /// Messages to people that wait to be sent.
    Notify,
    /// What a consumer couldn't handle, with the reason.
    Dead,
}

impl Stream {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Accounts, Self::Orders, Self::Notify, Self::Dead];

    const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "EVT_ACCOUNTS",
            Self::Orders => "EVT_ORDERS",
            Self::Notify => "JOBS_NOTIFY",
            Self::Dead => "DLQ",
        }
    }

    /// Everything that the stream takes, without the prefix.
    #[must_use]
    pub const fn subjects(self) -> &'static str {
        match self {
            Self::Accounts => "evt.accounts.>",
            Self::Orders => "evt.orders.>",
            Self::Notify => "jobs.notify.>",
            Self::Dead => "dlq.>",
        }
    }

    /// The most messages that it holds. Counted rather than weighed: a limit in
    /// bytes is set aside on the server's disk whether it is used or not.
    const fn max_messages(self) -> i64 {
        match self {
            Self::Accounts | Self::Orders => 10_000_000,
            Self::Notify | Self::Dead => 100_000,
        }
    }
}

impl Nats {
    /// The stream's name on the server.
    #[must_use]
    pub fn stream_name(&self, stream: Stream) -> String {
        match self.settings.prefix.as_str() {
            "" => stream.name().to_owned(),
            prefix => format!("{}_{}", prefix.to_uppercase(), stream.name()),
        }
    }

    /// Makes the streams, or brings them in line with the settings. Safe to run
    /// again, and in several processes at once.
    ///
    /// # Errors
    /// When the server is away, or refuses (too few servers for the replicas).
    pub async fn ensure_streams(&self) -> anyhow::Result<()> {
        for stream in Stream::ALL {
            let config = self.stream_config(stream);
            let name = config.name.clone();
            self.ensure_stream(config)
                .await
                .with_context(|| format!("stream {name}"))?;
        }
        Ok(())
    }

    /// Updates a stream only when it isn't as it should be: nats-server 2.9
    /// crashes on an update of a stream that another process is just making.
    async fn ensure_stream(&self, config: Config) -> anyhow::Result<()> {
        let stream = match self.jetstream.get_or_create_stream(config.clone()).await {
            Ok(stream) => stream,
            // One that another process has made just now is said to overlap.
            Err(_) => self.jetstream.get_stream(&config.name).await?,
        };
        if !is_as_set(&stream.cached_info().config, &config) {
            self.jetstream.update_stream(config).await?;
        }
        Ok(())
    }

    fn stream_config(&self, stream: Stream) -> Config {
        let settings = &self.settings;
        let max_age = match stream {
            Stream::Accounts | Stream::Orders => settings.events_max_age_s,
            Stream::Notify => settings.notify_max_age_s,
            Stream::Dead => settings.dead_max_age_s,
        };
        // A job leaves the queue when it is done; when the queue is full, the
        // outbox keeps what doesn't fit. Elsewhere the oldest makes room.
        let (retention, discard) = match stream {
            Stream::Notify => (RetentionPolicy::WorkQueue, DiscardPolicy::New),
            _ => (RetentionPolicy::Limits, DiscardPolicy::Old),
        };
        Config {
            name: self.stream_name(stream),
            subjects: vec![self.subject(stream.subjects())],
            retention,
            discard,
            max_messages: stream.max_messages(),
            max_age: max_age.duration(),
            storage: StorageType::File,
            num_replicas: settings.replicas,
            // The server wants it no longer than the messages' age.
            duplicate_window: settings
                .duplicate_window_s
                .duration()
                .min(max_age.duration())
                .max(Duration::from_millis(100)),
            ..Config::default()
        }
    }
}

/// Whether a stream has every setting that [`Nats::ensure_streams`] gives it. The
/// server fills in the others, so the two are never equal.
fn is_as_set(stream: &Config, wanted: &Config) -> bool {
    let set = |config: &Config| {
        (
            config.subjects.clone(),
            (config.retention, config.discard, config.storage),
            (config.max_messages, config.num_replicas),
            (config.max_age, config.duplicate_window),
        )
    };
    set(stream) == set(wanted)
}
