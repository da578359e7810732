//! The screens of one replica, with an orders service that does as it is told
//! and stores of their own.

use std::sync::Arc;

use bff::{
    accounts::users::{self, User},
    cache::{Cache, CacheSettings},
    identity::{
        Caller, Role,
        keys::{KeyFile, KeyRing},
        token::Tokens,
    },
    screens::{Ask, Payload, ScreenSettings, Screens, Sources, home::HOME},
    upstream::{
        Accounts, AccountsSettings, CallError, Deadline, Guards, Orders, OrdersSettings, Read,
        RecentWrites,
    },
};
use chrono::TimeDelta;
use futures::FutureExt as _;
use platform::{
    clock::Clock as _,
    config::{Millis, ServerUrl},
    postgres::PostgresSettings,
    redis::{Redis, RedisSettings},
    testing::{Database, ManualClock, redis_url, unique_name},
};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{helpers::accounts_database, orders_stub::OrdersStub};

/// What a test may change.
#[derive(Debug, Clone)]
pub struct Settings {
    pub orders: OrdersSettings,
    pub reads: AccountsSettings,
    pub cache: CacheSettings,
    pub screens: ScreenSettings,
    pub redis: RedisSettings,
}

/// One replica.
pub struct Stage {
    pub orders: OrdersStub,
    pub database: Database,
    pub clock: ManualClock,
    pub tokens: Tokens,
    pub cache: Cache,
    pub screens: Screens,
    pub caller: Caller,
    pub settings: Settings,
}

impl Stage {
    /// With the defaults.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With changed settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let _ = platform::telemetry::metrics_handle();
        let orders = OrdersStub::start();
        let database = accounts_database().await;
        let clock = ManualClock::new();
        let mut settings = Settings {
            orders: OrdersSettings {
                url: orders.url(),
                // What a test counts is counted exactly.
                hedge: false,
                ..OrdersSettings::default()
            },
            // The machine that tests run on may be busy.
            reads: AccountsSettings {
                wait_ms: Millis(2_000),
                ..AccountsSettings::default()
            },
            cache: CacheSettings {
                redis_limit_ms: Millis(1_000),
                ..CacheSettings::default()
            },
            screens: ScreenSettings::default(),
            redis: RedisSettings {
                url: redis_url(),
                prefix: unique_name(),
                response_timeout_ms: Millis(2_000),
                ..RedisSettings::default()
            },
        };
        change(&mut settings);
        let mut keys = KeyFile::default();
        let from = clock.now() - TimeDelta::days(1);
        keys.generate(from, TimeDelta::days(100)).unwrap();
        let keys = KeyRing::new(&keys).unwrap();
        let tokens = Tokens::new(keys, Arc::new(clock.clone()), TimeDelta::minutes(5));
        let (cache, screens) = build(&settings, &database.url_as("accounts_app"), &tokens, &clock);
        let caller = add_user(&database, &clock).await;
        Self {
            orders,
            database,
            clock,
            tokens,
            cache,
            screens,
            caller,
            settings,
        }
    }

    /// The screens and the cache of another replica over the same stores.
    pub fn replica(&self) -> (Cache, Screens) {
        build(
            &self.settings,
            &self.database.url_as("accounts_app"),
            &self.tokens,
            &self.clock,
        )
    }

    /// Another user.
    pub async fn add_user(&self) -> Caller {
        add_user(&self.database, &self.clock).await
    }

    /// The home screen, whole.
    pub async fn home(&self) -> Result<Payload, CallError> {
        self.screens
            .show(&HOME, &self.caller, &Ask::default())
            .await
    }

    /// The home screen of a client that waits for so long.
    pub async fn home_within(&self, limit: std::time::Duration) -> Result<Payload, CallError> {
        let ask = Ask {
            limit: Some(limit),
            ..Ask::default()
        };
        self.screens.show(&HOME, &self.caller, &ask).await
    }

    /// Moves the clock.
    pub fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// A connection that may do everything.
    pub async fn superuser(&self) -> PgConnection {
        superuser(&self.database).await
    }

    /// Lets nobody read users, until the connection is dropped.
    pub async fn lock_users(&self) -> PgConnection {
        let mut locker = self.superuser().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            .execute(&mut locker)
            .await
            .unwrap();
        locker
    }
}

/// Reads a user, as anyone reads anything from the accounts store.
pub async fn user(
    reads: &Accounts,
    deadline: Deadline,
    id: Uuid,
) -> Result<Option<User>, CallError> {
    let read = reads.read(Read::Profile, deadline, id, |c| users::find(c, id).boxed());
    read.await
}

/// The accounts store's part of a replica alone.
pub fn reads(settings: &AccountsSettings, url: &ServerUrl, clock: &ManualClock) -> Accounts {
    let postgres = PostgresSettings::at(url.clone());
    Accounts::new(
        &postgres,
        settings,
        RecentWrites::none(),
        &Guards::new(Arc::new(clock.clone())),
    )
    .unwrap()
}

fn build(
    settings: &Settings,
    accounts: &ServerUrl,
    tokens: &Tokens,
    clock: &ManualClock,
) -> (Cache, Screens) {
    let shared: platform::clock::SharedClock = Arc::new(clock.clone());
    let guards = Guards::new(shared.clone());
    let orders = Orders::new(&settings.orders, tokens.clone(), &guards).unwrap();
    let accounts = reads(&settings.reads, accounts, clock);
    let redis = Redis::new(&settings.redis).unwrap();
    let cache = Cache::new(&settings.cache, Some(redis), &guards, RecentWrites::none());
    let sources = Sources { accounts, orders };
    let screens = Screens::new(&settings.screens, sources, cache.clone(), shared);
    (cache, screens)
}

pub async fn superuser(database: &Database) -> PgConnection {
    PgConnection::connect(database.superuser_url().expose().as_str())
        .await
        .unwrap()
}

/// A user with one account.
async fn add_user(database: &Database, clock: &ManualClock) -> Caller {
    let (user_id, session_id) = (clock.new_id(), Uuid::nil());
    let mut db = superuser(database).await;
    sqlx::query("INSERT INTO users (id, full_name, created_at, updated_at) VALUES ($1, 'Ann Lee', now(), now())")
        .bind(user_id)
        .execute(&mut db)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO accounts (id, kind, user_id, currency, minor_units, created_at, updated_at)
         VALUES ($1, 'user', $2, 'USD', 2, now(), now())",
    )
    .bind(clock.new_id())
    .bind(user_id)
    .execute(&mut db)
    .await
    .unwrap();
    db.close().await.unwrap();
    Caller {
        user_id,
        session_id,
        role: Role::Customer,
    }
}

/// A payload as JSON.
pub fn read(payload: &Payload) -> Value {
    serde_json::from_slice(&payload.body).unwrap()
}
