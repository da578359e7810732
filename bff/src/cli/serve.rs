use std::time::Duration;

use anyhow::Context as _;
use platform::{
    clock::SharedClock,
    config::Millis,
    nats::Nats,
    ops,
    postgres::{PostgresSettings, measure},
    redis::Redis,
    shutdown::Lifetime,
    telemetry,
};
use sqlx::PgPool;
use tokio::net::TcpListener;

use super::check::print;
use crate::{
    app::{AppState, http_client, master_key, stores},
    config::{EnvironmentKind, Settings},
    edge,
    events::{ledger::Ledger, worker::Worker},
    identity::store,
    notify::{Mailer, Notifier, Sealer, SmsSender},
    upstream::Guards,
};

/// How long background tasks have to end after the last request.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(5);

/// How long the worker has to end what is in flight: whatever it leaves undone is
/// done again by another one.
const WORK_LIMIT: Duration = Duration::from_secs(10);

/// The server may take so long to read the whole ledger, in milliseconds.
const PATIENCE: Millis = Millis(30 * 60 * 1_000);

pub(super) async fn serve(settings: Settings, clock: SharedClock) -> anyhow::Result<()> {
    let telemetry = start("bff", &settings)?;
    let served = Box::pin(serve_until_told(settings, clock));
    telemetry.during(served).await
}

async fn serve_until_told(settings: Settings, clock: SharedClock) -> anyhow::Result<()> {
    let metrics = telemetry::metrics_handle();
    let lifetime = Lifetime::until_signalled()?;
    lifetime.spawn(telemetry::upkeep(metrics.clone(), lifetime.clone()));

    let http = settings.http.clone();
    let ops_address = settings.ops.listen;
    let state = AppState::build(settings, clock, lifetime.clone()).await?;
    ops::listen(
        ops_address,
        ops::router(state.readiness.clone(), metrics, lifetime.clone()),
    )
    .await?;
    let listener = TcpListener::bind(http.listen)
        .await
        .with_context(|| format!("BFF_HTTP__LISTEN: can't bind {}", http.listen))?;
    tracing::info!(address = %listener.local_addr()?, "public listener");
    edge::serve::serve(listener, state.router(), &http, &lifetime).await;

    lifetime.finish(BACKGROUND_LIMIT).await;
    Ok(())
}

pub(super) async fn work(settings: Settings, clock: SharedClock) -> anyhow::Result<()> {
    let telemetry = start("bff-worker", &settings)?;
    let worked = Box::pin(work_until_told(settings, clock));
    telemetry.during(worked).await
}

async fn work_until_told(settings: Settings, clock: SharedClock) -> anyhow::Result<()> {
    let metrics = telemetry::metrics_handle();
    let lifetime = Lifetime::until_signalled()?;
    lifetime.spawn(telemetry::upkeep(metrics.clone(), lifetime.clone()));

    let guards = Guards::new(clock.clone());
    let worker = worker(&settings, clock, &guards).await?;
    let readiness = stores(&worker.pool, worker.redis.unguarded(), &worker.nats)
        .circuits(move || guards.circuits());
    let router = ops::router(readiness, metrics, lifetime.clone());
    ops::listen(settings.worker.listen, router).await?;
    let (pool, life) = (worker.pool.clone(), lifetime.clone());
    lifetime.spawn(measure("worker", pool, life.clone()));
    let redis = worker.redis.unguarded().clone();
    lifetime.spawn(redis.watch(life.clone()));
    lifetime.spawn(async move { Box::pin(worker.run(&life)).await });
    lifetime.stopping().await;

    if !lifetime.finish(WORK_LIMIT).await {
        tracing::warn!("what is in flight doesn't end, and is left for the next worker");
    }
    Ok(())
}

/// Everything that the background half of the edge works with.
///
/// # Errors
/// When a setting can't be used.
pub async fn worker(
    settings: &Settings,
    clock: SharedClock,
    guards: &Guards,
) -> anyhow::Result<Worker> {
    settings.check()?;
    let pool = settings.postgres.pool("bff-worker")?;
    let notifier = Notifier {
        pool: pool.clone(),
        sealer: Sealer::new(master_key(settings)?.derive("messages")),
        clock: clock.clone(),
        mailer: Mailer::new(&settings.mail)?,
        sms: SmsSender::new(&settings.sms, http_client()?)?,
        development: settings.environment == EnvironmentKind::Development,
    };
    let nats = Nats::connect(&settings.nats, "bff-worker").await?;
    let ledger = ledger(settings, pool.clone(), clock.clone())?;
    Ok(Worker {
        pool,
        redis: store::guarded(Redis::new(&settings.redis)?, guards),
        nats,
        clock,
        notifier,
        ledger,
        settings: settings.events.clone(),
    })
}

fn ledger(settings: &Settings, pool: PgPool, clock: SharedClock) -> sqlx::Result<Ledger> {
    let patient = PostgresSettings {
        max_connections: 1,
        statement_timeout_ms: PATIENCE,
        ..settings.postgres.clone()
    };
    Ok(Ledger {
        pool,
        patient: patient.pool("bff-reconcile")?,
        clock,
        settings: settings.ledger.clone(),
    })
}

/// `bff worker reconcile`
pub(super) async fn reconcile(settings: &Settings, clock: SharedClock) -> anyhow::Result<()> {
    let pool = settings.postgres.pool("bff-reconcile")?;
    print(&ledger(settings, pool, clock)?.report().await?)
}

/// What every long-running command begins with.
fn start(service: &'static str, settings: &Settings) -> anyhow::Result<telemetry::Telemetry> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let telemetry = telemetry::init(service, &settings.telemetry)?;
    let _ = telemetry::metrics_handle();
    telemetry::describe_build(service);
    Ok(telemetry)
}
