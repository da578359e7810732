use std::time::Duration;

use anyhow::Context as _;
use platform::{clock::SharedClock, ops, shutdown::Lifetime, telemetry};
use tokio::net::TcpListener;

use crate::{app::AppState, config::Settings, edge};

/// How long background tasks have to end after the last request.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn serve(settings: Settings, clock: SharedClock) -> anyhow::Result<()> {
    let telemetry = start("bff", &settings)?;
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
    tracing::info!(address = %http.listen, "public listener");
    edge::serve::serve(listener, state.router(), &http, &lifetime).await;

    lifetime.finish(BACKGROUND_LIMIT).await;
    telemetry.shutdown().await;
    Ok(())
}

pub(super) async fn worker(settings: Settings, clock: SharedClock) -> anyhow::Result<()> {
    let _ = (settings, clock);
    anyhow::bail!("not yet")
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
