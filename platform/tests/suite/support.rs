//! A database with the messaging tables, a corner of a NATS server, and what
//! the tests do with them.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use platform::{
    clock::{Clock as _, SharedClock},
    config::{Seconds, ServerUrl},
    consumer::{Consumer, Delivery, Failure},
    inbox,
    nats::{Nats, NatsSettings, Stream},
    outbox::{self, NewEvent, Relay},
    postgres::PostgresSettings,
    shutdown::Lifetime,
    testing::{Database, ManualClock, finish, nats_url, unique_name},
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

/// What both databases begin with.
pub const MESSAGING: &str = concat!(
    include_str!("../../../migrator/migrations/accounts/0001_messaging.up.sql"),
    include_str!("../../../migrator/migrations/accounts/0040_outbox_attempts.up.sql"),
);

/// What the tests' consumer does: a row for each event.
pub const EFFECTS: &str = "CREATE TABLE effects (event_id uuid NOT NULL)";

/// The subject of every event here.
pub const SUBJECT: &str = "evt.accounts.user.updated.v1";

pub struct Bench {
    pub pool: PgPool,
    pub nats: Nats,
    pub clock: ManualClock,
    pub lifetime: Lifetime,
    _database: Option<Database>,
}

impl Bench {
    /// A database of its own, and a prefix of its own on the shared server.
    pub async fn new() -> Self {
        Self::with(corner()).await
    }

    pub async fn with(settings: NatsSettings) -> Self {
        let mut hasher = DefaultHasher::new();
        (MESSAGING, EFFECTS).hash(&mut hasher);
        let template = format!("messaging_{:x}", hasher.finish());
        let database = Database::create(&template, async |url| {
            create_tables(&PgPool::connect(url.expose().as_str()).await.unwrap()).await;
        })
        .await;
        let mut bench = Self::at(database.superuser_url(), &settings).await;
        bench._database = Some(database);
        bench
    }

    pub async fn at(postgres: ServerUrl, nats: &NatsSettings) -> Self {
        Self {
            pool: PostgresSettings::at(postgres).pool("test").unwrap(),
            nats: Nats::connect(nats, "test").await.unwrap(),
            clock: ManualClock::new(),
            lifetime: Lifetime::new(),
            _database: None,
        }
    }

    pub fn shared_clock(&self) -> SharedClock {
        Arc::new(self.clock.clone())
    }

    pub fn start_relay(&self) {
        let relay = Relay::new(
            self.pool.clone(),
            self.nats.clone(),
            "portico/test",
            self.shared_clock(),
        );
        let lifetime = self.lifetime.clone();
        self.lifetime
            .spawn(async move { relay.run(&lifetime).await });
    }

    /// A consumer that tries three times, shortly one after another.
    pub fn consumer(&self) -> Consumer {
        Consumer {
            max_deliver: 3,
            first_delay: Duration::from_millis(20),
            ..Consumer::new(
                self.nats.clone(),
                self.shared_clock(),
                Stream::Accounts,
                "test",
            )
        }
    }

    pub fn start<H, Fut>(&self, consumer: Consumer, handler: H)
    where
        H: Fn(Delivery) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let lifetime = self.lifetime.clone();
        self.lifetime
            .spawn(async move { consumer.run(&lifetime, handler).await });
    }

    /// Writes one effect for each event, as a consumer should.
    pub fn start_effects(&self) {
        let pool = self.pool.clone();
        self.start(self.consumer(), move |delivery| {
            once(pool.clone(), delivery)
        });
    }

    pub async fn append(&self, aggregate: Uuid, version: i64) -> NewEvent {
        let data = json!({ "user_id": aggregate });
        let event = NewEvent::new(SUBJECT, aggregate, version, &data, &self.clock);
        outbox::append(&self.pool, &event).await.unwrap();
        event
    }

    pub async fn append_many(&self, count: usize) {
        for _ in 0..count {
            self.append(self.clock.new_id(), 1).await;
        }
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub async fn effects(&self) -> i64 {
        self.count("SELECT count(*) FROM effects").await
    }

    pub async fn unpublished(&self) -> i64 {
        self.count("SELECT count(*) FROM outbox WHERE published_at IS NULL")
            .await
    }

    /// Every message of a stream, oldest first.
    pub async fn messages(
        &self,
        stream: Stream,
    ) -> Vec<async_nats::jetstream::message::StreamMessage> {
        let name = self.nats.stream_name(stream);
        let stream = self.nats.jetstream().get_stream(name).await.unwrap();
        let state = &stream.cached_info().state;
        let mut messages = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            messages.push(stream.get_raw_message(sequence).await.unwrap());
        }
        messages
    }

    /// Ends what was started and clears the corner.
    pub async fn finish(self) {
        finish(&self.lifetime, &self.nats).await;
    }
}

/// Does the effect of an event, once.
pub async fn once(pool: PgPool, delivery: Delivery) -> Result<(), Failure> {
    let mut transaction = platform::postgres::begin(&pool).await?;
    if inbox::first_time(&mut *transaction, "test", delivery.id).await? {
        sqlx::query("INSERT INTO effects VALUES ($1)")
            .bind(delivery.id)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// A prefix of its own on the shared server.
pub fn corner() -> NatsSettings {
    NatsSettings {
        prefix: unique_name(),
        ..settings(nats_url())
    }
}

pub fn settings(url: ServerUrl) -> NatsSettings {
    NatsSettings {
        url,
        duplicate_window_s: Seconds(30),
        ..NatsSettings::default()
    }
}

pub async fn create_tables(pool: &PgPool) {
    sqlx::raw_sql(MESSAGING).execute(pool).await.unwrap();
    sqlx::raw_sql(EFFECTS).execute(pool).await.unwrap();
    pool.close().await;
}
