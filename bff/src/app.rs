//! Everything that handlers use, built once.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use platform::{clock::SharedClock, nats::Nats, ops::Readiness, redis::Redis, shutdown::Lifetime};
use sqlx::PgPool;

use crate::{
    cache::Cache,
    config::{EnvironmentKind, Settings},
    edge::{layers, router},
    events::{invalidation, live::Live},
    handlers::cursor::Cursors,
    identity::{
        administration::Administration,
        code::Codes,
        identifier::Region,
        keys::{KeyFile, KeyRing, KeyState, MasterKey},
        life::Life,
        notices::Notices,
        oauth::OAuth,
        password::Hasher,
        session::Sessions,
        sign_in::SignIn,
        token::Tokens,
    },
    limits::Limiter,
    notify::Sealer,
    screens::{Screens, Sources},
    upstream::{Accounts, Budget, Orders, RecentWrites},
};

/// What handlers share. Cloning is one reference count.
#[derive(Clone)]
pub struct AppState(Arc<App>);

/// See [`AppState`].
pub struct App {
    /// The effective settings.
    pub settings: Settings,
    /// The clock.
    pub clock: SharedClock,
    /// When the process ends.
    pub lifetime: Lifetime,
    /// The accounts store.
    pub accounts: PgPool,
    /// What lists and pages read from.
    pub sources: Sources,
    /// What is kept of it.
    pub cache: Cache,
    /// The screens.
    pub screens: Screens,
    /// Streams of users' own changes.
    pub live: Live,
    /// Cursors of lists.
    pub cursors: Cursors,
    /// How often whom may ask what.
    pub limiter: Limiter,
    /// Signing up, in and out.
    pub sign_in: SignIn,
    /// How users leave.
    pub life: Life,
    /// What administrators do to users.
    pub administration: Administration,
    /// Signing in through other providers.
    pub oauth: OAuth,
    /// Sessions.
    pub sessions: Sessions,
    /// Access tokens.
    pub tokens: Tokens,
    /// The region of phone numbers without `+`.
    pub region: Region,
    /// The OpenAPI document.
    pub openapi: Bytes,
    /// `Strict-Transport-Security`, when clients come by HTTPS.
    pub hsts: Option<Arc<HeaderValue>>,
    /// For `/readyz`.
    pub readiness: Readiness,
}

impl std::ops::Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AppState")
    }
}

impl AppState {
    /// Builds everything and starts what runs in the background until
    /// `lifetime` ends. No server has to be there yet.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub async fn build(
        settings: Settings,
        clock: SharedClock,
        lifetime: Lifetime,
    ) -> anyhow::Result<Self> {
        let master = master_key(&settings)?;
        let keys = KeyRing::new(&key_file(&settings, clock.now())?)?;
        let tokens = Tokens::new(keys, clock.clone(), settings.tokens.lifetime_s.delta());
        let accounts = settings.postgres.pool("bff")?;
        let redis = Redis::new(&settings.redis)?;
        let nats = Nats::connect(&settings.nats, "bff").await?;

        let sessions = Sessions::new(
            redis.clone(),
            nats.clone(),
            clock.clone(),
            settings.sessions.clone(),
            tokens.clone(),
            &master,
        );
        let sealer = Sealer::new(master.derive("messages"));
        let codes = Codes::new(
            redis.clone(),
            accounts.clone(),
            sealer.clone(),
            clock.clone(),
            settings.codes.clone(),
            &master,
        );
        let notices = Notices::new(sealer, clock.clone());
        let sign_in = SignIn {
            pool: accounts.clone(),
            redis: redis.clone(),
            clock: clock.clone(),
            hasher: Hasher::new(&settings.passwords)?,
            codes,
            sessions: sessions.clone(),
            notices: notices.clone(),
            key: master.derive("sign-in attempts"),
        };
        let oauth = OAuth::new(
            settings.oauth.clone(),
            settings.environment == EnvironmentKind::Production,
            &http_client()?,
            accounts.clone(),
            redis.clone(),
            clock.clone(),
            sessions.clone(),
            sign_in.clone(),
            &master,
        )?;
        let budget = Budget::default();
        let writes = match settings.reads.replica_url {
            Some(_) => {
                let keep = settings.reads.primary_after_write_ms;
                RecentWrites::new(redis.clone(), keep, clock.clone())
            }
            None => RecentWrites::none(),
        };
        let sources = Sources {
            accounts: Accounts::new(
                &settings.postgres,
                &settings.reads,
                writes.clone(),
                &budget,
                &clock,
            )?,
            orders: Orders::new(&settings.orders, tokens.clone(), &budget, &clock)
                .context("BFF_ORDERS__URL")?,
        };
        let cache = Cache::noting(&settings.cache, Some(redis.clone()), clock.clone(), writes);
        let screens = Screens::new(
            &settings.screens,
            sources.clone(),
            cache.clone(),
            clock.clone(),
        );
        lifetime.spawn(invalidation::keep_in_step(
            cache.clone(),
            nats.clone(),
            lifetime.clone(),
        ));
        let live = Live::new(&settings.streams);
        lifetime.spawn(live.clone().follow(
            nats.clone(),
            sessions.revocations().clone(),
            lifetime.clone(),
        ));
        let follow = sessions.revocations().clone().follow(
            redis.clone(),
            nats.clone(),
            clock.clone(),
            lifetime.clone(),
        );
        lifetime.spawn(follow);
        lifetime.spawn(
            tokens
                .clone()
                .follow(settings.tokens.keys_file.clone(), lifetime.clone()),
        );

        let readiness = readiness(&accounts, &sources.orders, &redis, &nats);
        let hsts = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        Ok(Self(Arc::new(App {
            region: settings
                .codes
                .default_region
                .parse()
                .context("BFF_CODES__DEFAULT_REGION")?,
            hsts: settings.http.tls.then(|| Arc::new(hsts)),
            openapi: router::openapi()?.into(),
            readiness,
            limiter: Limiter::new(&settings.limits, redis, clock.clone()),
            sources,
            cache,
            screens,
            live,
            cursors: Cursors::new(&master),
            tokens,
            sign_in,
            life: Life::new(
                accounts.clone(),
                clock.clone(),
                sessions.clone(),
                notices,
                settings.life.clone(),
            ),
            administration: Administration::new(accounts.clone(), clock.clone(), sessions.clone()),
            sessions,
            oauth,
            accounts,
            lifetime,
            clock,
            settings,
        })))
    }

    /// The routes with everything around them.
    pub fn router(&self) -> axum::Router {
        layers::around(router::routes(self), self)
    }
}

/// Nothing stops traffic: each part of the edge lives with the loss of any of
/// these in its own way, and a restart or another replica would change nothing.
fn readiness(accounts: &PgPool, orders: &Orders, redis: &Redis, nats: &Nats) -> Readiness {
    let (orders, redis) = (orders.clone(), redis.clone());
    with_stores(Readiness::default(), accounts, nats)
        .optional("redis", move || {
            let redis = redis.clone();
            async move { redis.ping().await.map_err(|error| error.to_string()) }
        })
        .optional("orders", move || {
            let orders = orders.clone();
            async move { orders.check().await }
        })
}

/// Adds what `serve` and `worker` both depend on.
pub(crate) fn with_stores(readiness: Readiness, accounts: &PgPool, nats: &Nats) -> Readiness {
    let (accounts, nats) = (accounts.clone(), nats.clone());
    readiness
        .optional("postgres", move || {
            let accounts = accounts.clone();
            async move {
                let alive = sqlx::query("SELECT 1").execute(&accounts).await;
                alive.map(drop).map_err(|error| error.to_string())
            }
        })
        .optional("nats", move || {
            let nats = nats.clone();
            async move { nats.check() }
        })
}

/// The configured keys. A developer who has none gets some of their own, with
/// the public ones beside them in `public.json`.
pub(crate) fn key_file(settings: &Settings, now: DateTime<Utc>) -> anyhow::Result<KeyFile> {
    const VARIABLE: &str = "BFF_TOKENS__KEYS_FILE";
    let file = &settings.tokens.keys_file;
    if settings.environment == EnvironmentKind::Development && !file.exists() {
        tracing::warn!(file = %file.display(), "no key file: making one");
        let mut keys = KeyFile::default();
        keys.generate(now, TimeDelta::days(365))?;
        keys.write(file, Some(&file.with_file_name("public.json")))?;
    }
    let keys = KeyFile::read(file).with_context(|| {
        format!("{VARIABLE}: no keys to sign tokens with; `bff keys generate` makes them")
    })?;
    let signs = keys
        .states(now, settings.tokens.lifetime_s.delta())
        .contains(&KeyState::Signs);
    anyhow::ensure!(
        signs,
        "{VARIABLE}: none of the keys in {} signs now; `bff keys rotate` makes one that does",
        file.display()
    );
    Ok(keys)
}

/// The configured master key. A developer who has none gets one that is the
/// same for all and protects nothing.
pub(crate) fn master_key(settings: &Settings) -> anyhow::Result<MasterKey> {
    const VARIABLE: &str = "BFF_SECRETS__MASTER_KEY";
    let secret = &settings.secrets.master_key;
    if secret.is_empty() && settings.environment == EnvironmentKind::Development {
        tracing::warn!("{VARIABLE} isn't set: using a key that everyone knows");
        return Ok(MasterKey::of_nobody());
    }
    MasterKey::from_base64(secret).context(VARIABLE)
}

/// The client of every outgoing call but those to the orders service.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that builds the client"
    )]
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(8)
        .build()?;
    Ok(client)
}
