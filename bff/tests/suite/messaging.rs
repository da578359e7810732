//! A worker with a database and a corner of NATS of its own.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use bff::{
    events::{
        ledger::{Ledger, LedgerSettings},
        settings::EventSettings,
        worker::Worker,
    },
    identity::{code::Purpose, identifier::Address, store},
    notify::{
        self, Language, Mailer, Message, Notifier, Sealer, SmsSender,
        settings::{MailSettings, SmsSettings},
    },
    upstream::Guards,
};
use chrono::TimeDelta;
use platform::{
    clock::{Clock as _, SharedClock},
    config::{Millis, ServerUrl},
    nats::{Nats, NatsSettings},
    postgres::PostgresSettings,
    redis::{Redis, RedisSettings},
    shutdown::Lifetime,
    testing::{Database, ManualClock, finish, nats_url, redis_url, unique_name},
};
use sqlx::PgPool;
use tracing::subscriber::DefaultGuard;

use crate::helpers::accounts_database;

pub struct Messaging {
    /// As the edge's own role.
    pub pool: PgPool,
    pub superuser: PgPool,
    pub nats: Nats,
    pub clock: ManualClock,
    pub lifetime: Lifetime,
    pub sealer: Sealer,
    pub mail: MailSettings,
    pub sms: SmsSettings,
    _database: Database,
}

impl Messaging {
    pub async fn new() -> Self {
        let settings = NatsSettings {
            url: nats_url(),
            prefix: unique_name(),
            ..NatsSettings::default()
        };
        Self::with(&settings).await
    }

    pub async fn with(nats: &NatsSettings) -> Self {
        let database = accounts_database().await;
        let pool = |url| PostgresSettings::at(url).pool("test").unwrap();
        Self {
            pool: pool(database.url_as("accounts_app")),
            superuser: pool(database.superuser_url()),
            nats: Nats::connect(nats, "test").await.unwrap(),
            clock: ManualClock::new(),
            lifetime: Lifetime::new(),
            sealer: Sealer::new([1; 32]),
            mail: MailSettings::default(),
            sms: SmsSettings::default(),
            _database: database,
        }
    }

    /// Mail goes to this server from here on.
    pub fn mail_to(&mut self, url: &str) {
        self.mail.url = url.parse().unwrap();
        self.mail.from = "Portico <no-reply@portico.test>".into();
        self.mail.timeout_ms = Millis(500);
    }

    /// SMS go to this hook from here on.
    pub fn sms_to(&mut self, url: &str) {
        self.sms.url = Some(url.parse::<ServerUrl>().unwrap());
    }

    pub fn shared_clock(&self) -> SharedClock {
        Arc::new(self.clock.clone())
    }

    pub fn notifier(&self) -> Notifier {
        // Only the first test of the process installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(clippy::disallowed_methods, reason = "the test's own client")]
        let client = reqwest::Client::new();
        Notifier {
            pool: self.pool.clone(),
            sealer: self.sealer.clone(),
            clock: self.shared_clock(),
            mailer: Mailer::new(&self.mail).unwrap(),
            sms: SmsSender::new(&self.sms, client).unwrap(),
            development: false,
        }
    }

    pub fn worker(&self) -> Worker {
        let redis = RedisSettings {
            url: redis_url(),
            prefix: unique_name(),
            ..RedisSettings::default()
        };
        Worker {
            pool: self.pool.clone(),
            redis: store::guarded(
                Redis::new(&redis).unwrap(),
                &Guards::new(self.shared_clock()),
            ),
            nats: self.nats.clone(),
            clock: self.shared_clock(),
            notifier: self.notifier(),
            ledger: Ledger {
                pool: self.pool.clone(),
                patient: self.pool.clone(),
                clock: self.shared_clock(),
                settings: LedgerSettings::default(),
            },
            settings: EventSettings::default(),
        }
    }

    pub fn start_worker(&self) {
        let (worker, lifetime) = (self.worker(), self.lifetime.clone());
        self.lifetime
            .spawn(async move { worker.run(&lifetime).await });
    }

    /// A code that is good for five minutes.
    pub fn code(&self, to: &str, code: &str) -> Message {
        let to = Address::parse(to, "US".parse().unwrap()).unwrap();
        let expires_at = self.clock.now() + TimeDelta::minutes(5);
        Message::code(
            &to,
            Purpose::Registration,
            code.into(),
            expires_at,
            Language::En,
        )
    }

    pub async fn enqueue(&self, message: &Message) {
        notify::enqueue(&self.pool, &self.sealer, message, &self.clock)
            .await
            .unwrap();
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(&self.superuser)
            .await
            .unwrap()
    }

    /// Messages that were dealt with, one way or another.
    pub async fn handled(&self) -> i64 {
        self.count("SELECT count(*) FROM inbox WHERE consumer = 'notify'")
            .await
    }

    /// The dead letters, as an operator sees them.
    pub async fn dead_letters(&self) -> String {
        bff::events::dead_letters::list(&self.nats, 100)
            .await
            .unwrap()
    }

    /// Ends what was started and clears the corner.
    pub async fn finish(self) {
        finish(&self.lifetime, &self.nats).await;
    }
}

/// What this test's thread logs, which is everything that it started.
#[derive(Clone, Default)]
pub struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    pub fn capture() -> (Self, DefaultGuard) {
        let logs = Self::default();
        let writer = logs.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        (logs, tracing::subscriber::set_default(subscriber))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
