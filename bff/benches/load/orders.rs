//! The orders service as a process of its own, as its `main` starts it.

use std::sync::Arc;

use orders_service::config::{PREFIX, Settings};
use platform::{clock::SystemClock, config, shutdown::Lifetime, telemetry};
use tokio::net::TcpListener;

pub(crate) async fn serve() -> anyhow::Result<()> {
    let settings: Settings = config::load(PREFIX, None, &config::environment())?;
    let telemetry = telemetry::init("orders-service", &settings.telemetry)?;
    let lifetime = Lifetime::until_signalled()?;
    let listener = TcpListener::bind(settings.grpc.listen).await?;
    let served = orders_service::serve(settings, Arc::new(SystemClock), lifetime, listener);
    telemetry.during(served).await
}
