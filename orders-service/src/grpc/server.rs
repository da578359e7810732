use std::time::Duration;

use anyhow::Context as _;
use platform::shutdown::Lifetime;
use proto::orders::{
    FILE_DESCRIPTOR_SET,
    v1::{
        catalog_service_server::CatalogServiceServer, order_service_server::OrderServiceServer,
        privacy_service_server::PrivacyServiceServer,
    },
};
use tokio::{net::TcpListener, sync::watch};
use tonic::{
    server::NamedService,
    service::interceptor::InterceptedService,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{catalog::Catalog, guard::Guard, observe::Observe, orders::Orders, privacy::Privacy};
use crate::config::GrpcSettings;

/// What health is told of: the process as a whole, and each service.
const SERVICES: [&str; 4] = [
    "",
    CatalogServiceServer::<Catalog>::NAME,
    OrderServiceServer::<Orders>::NAME,
    PrivacyServiceServer::<Privacy>::NAME,
];

/// Calls that may have been given up before they were looked at.
const RESETS: usize = 1_024;

/// The services themselves.
#[derive(Debug)]
pub struct Services {
    /// The catalogue.
    pub catalog: Catalog,
    /// The caller's orders.
    pub orders: Orders,
    /// What is kept about the caller.
    pub privacy: Privacy,
}

/// Serves until the process ends: then no new connection is taken, callers are
/// told to leave (GOAWAY), and what is in flight is given `drain_limit_ms`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: &GrpcSettings,
    guard: Guard,
    services: Services,
    available: watch::Receiver<bool>,
    lifetime: &Lifetime,
) -> anyhow::Result<()> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let now = *available.borrow();
    tell(&health, now).await;
    lifetime.spawn(follow(health, available, lifetime.clone()));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .context("the contract's descriptors")?;
    let longest = settings.max_message_bytes;
    let catalog = CatalogServiceServer::new(services.catalog).max_decoding_message_size(longest);
    let orders = OrderServiceServer::new(services.orders).max_decoding_message_size(longest);
    let privacy = PrivacyServiceServer::new(services.privacy).max_decoding_message_size(longest);

    let serving = Server::builder()
        .max_concurrent_streams(settings.max_streams_per_connection)
        // One caller sends everyone's calls over one connection, and gives many up
        // at once when it is in trouble. It isn't attacking: at hyper's usual 20
        // the connection would be closed, and with it every call on it lost.
        .http2_max_pending_accept_reset_streams(Some(RESETS))
        .http2_max_header_list_size(16 * 1024)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .layer(Observe::default())
        .add_service(health_service)
        .add_service(reflection)
        .add_service(InterceptedService::new(catalog, guard.clone()))
        .add_service(InterceptedService::new(orders, guard.clone()))
        .add_service(InterceptedService::new(privacy, guard))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            lifetime.stopping(),
        );
    let limit = async {
        lifetime.stopping().await;
        tokio::time::sleep(settings.drain_limit_ms.duration()).await;
    };
    tokio::select! {
        served = serving => served.context("the gRPC listener"),
        () = limit => {
            tracing::warn!("calls were still in work at the end of the drain");
            Ok(())
        }
    }
}

/// Health follows the database, and ends with the process: its watchers would
/// hold up the drain.
async fn follow(
    mut health: HealthReporter,
    mut available: watch::Receiver<bool>,
    lifetime: Lifetime,
) {
    loop {
        let now = *available.borrow_and_update();
        tell(&health, now).await;
        tokio::select! {
            changed = available.changed() => if changed.is_err() { break },
            () = lifetime.stopping() => break,
        }
    }
    tell(&health, false).await;
    for service in SERVICES {
        health.clear_service_status(service).await;
    }
}

async fn tell(health: &HealthReporter, available: bool) {
    let status = if available {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}
