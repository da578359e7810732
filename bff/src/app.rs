//! Everything that handlers use, built once.

mod from_settings;

use std::{future::ready, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use http::HeaderValue;
use platform::{
    clock::SharedClock, nats::Nats, ops::Readiness, postgres::measure, redis::Redis,
    shutdown::Lifetime,
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    cache::{Cache, Invalidate},
    config::{EnvironmentKind, Settings},
    edge::{layers, router},
    events::{
        invalidation::{self, Changes},
        live::Live,
    },
    handlers::{cursor::Cursors, tag_of},
    identity::{
        administration::Administration, code::Codes, identifier::Region, keys::KeyRing, life::Life,
        notices::Notices, oauth::OAuth, password::Hasher, session::Sessions, sign_in::SignIn,
        store, token::Tokens,
    },
    limits::Limiter,
    notify::Sealer,
    screens::{Screens, Sources},
    upstream::{Accounts, Guards, Orders, Primary, RecentWrites},
};

pub(crate) use from_settings::{http_client, key_file, master_key};

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
    pub accounts: Primary,
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
    /// The OpenAPI document, and its tag.
    pub openapi: (Bytes, HeaderValue),
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
        settings.check()?;
        let master = master_key(&settings)?;
        let keys = KeyRing::new(&key_file(&settings, clock.now())?)?;
        let tokens = Tokens::new(keys, clock.clone(), settings.tokens.lifetime_s.delta());
        let guards = Guards::new(clock.clone());
        let accounts = Primary::new(&settings.postgres, "bff", &guards)?;
        let redis = Redis::new(&settings.redis)?;
        let nats = Nats::connect(&settings.nats, "bff").await?;

        lifetime.spawn(redis.clone().watch(lifetime.clone()));
        let store = store::guarded(redis.clone(), &guards);
        let sessions = Sessions::new(
            store.clone(),
            nats.clone(),
            clock.clone(),
            settings.sessions.clone(),
            tokens.clone(),
            &master,
        );
        let sealer = Sealer::new(master.derive("messages"));
        let codes = Codes::new(
            store.clone(),
            accounts.clone(),
            sealer.clone(),
            clock.clone(),
            settings.codes.clone(),
            &master,
        );
        let notices = Notices::new(sealer, clock.clone());
        let sign_in = SignIn {
            pool: accounts.clone(),
            redis: store.clone(),
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
            sign_in.clone(),
            &guards,
            &master,
        )?;
        let writes = match settings.reads.replica_url {
            Some(_) => {
                let keep = settings.reads.primary_after_write_ms;
                RecentWrites::new(redis.clone(), keep, &guards)
            }
            None => RecentWrites::none(),
        };
        let sources = Sources {
            accounts: Accounts::new(&settings.postgres, &settings.reads, writes.clone(), &guards)?,
            orders: Orders::new(&settings.orders, tokens.clone(), &guards)
                .context("BFF_ORDERS__URL")?,
        };
        let cache = Cache::new(&settings.cache, Some(redis.clone()), &guards, writes);
        let screens = Screens::new(
            &settings.screens,
            sources.clone(),
            cache.clone(),
            clock.clone(),
        );
        lifetime.spawn(measure(
            "write",
            accounts.unguarded().clone(),
            lifetime.clone(),
        ));
        sources.accounts.measure(&lifetime);
        let changes = Changes::new(&nats);
        lifetime.spawn(invalidation::keep_in_step(
            cache.clone(),
            changes.clone(),
            lifetime.clone(),
        ));
        let live = Live::new(&settings.streams);
        lifetime.spawn(live.clone().follow(
            nats.clone(),
            sessions.revocations().clone(),
            lifetime.clone(),
        ));
        let follow = sessions.revocations().clone().follow(
            store,
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

        let limiter = Limiter::new(&settings.limits, redis.clone(), &guards);
        let readiness = readiness(accounts.unguarded(), &sources.orders, &redis, &nats)
            .optional("events", move || ready(changes.check()))
            .circuits(move || guards.circuits());
        let openapi = Bytes::from(router::openapi()?);
        let tag = tag_of(&openapi);
        let hsts = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        Ok(Self(Arc::new(App {
            region: settings
                .codes
                .default_region
                .parse()
                .context("BFF_CODES__DEFAULT_REGION")?,
            hsts: settings.http.tls.then(|| Arc::new(hsts)),
            openapi: (openapi, tag),
            readiness,
            limiter,
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

    /// A user's data was changed just now: nobody goes on with what was kept of it.
    pub async fn changed(&self, user_id: Uuid) {
        self.cache.invalidate(Invalidate::User(user_id)).await;
    }

    /// The routes with everything around them.
    pub fn router(&self) -> axum::Router {
        let (routes, classes) = router::routes(self);
        layers::around(routes, classes, self)
    }
}

/// Nothing stops traffic: each part of the edge lives with the loss of any of
/// these in its own way, and a restart or another replica would change nothing.
fn readiness(accounts: &PgPool, orders: &Orders, redis: &Redis, nats: &Nats) -> Readiness {
    let orders = orders.clone();
    stores(accounts, redis, nats).optional("orders", move || {
        let orders = orders.clone();
        async move { orders.check().await }
    })
}

/// What `serve` and `worker` both depend on.
pub(crate) fn stores(accounts: &PgPool, redis: &Redis, nats: &Nats) -> Readiness {
    let (accounts, redis, nats) = (accounts.clone(), redis.clone(), nats.clone());
    Readiness::default()
        .optional("redis", move || {
            let redis = redis.clone();
            async move { redis.ping().await.map_err(|error| error.to_string()) }
        })
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
