//! The events of the catalogue and of orders, on their way out.

use platform::{
    clock::SharedClock,
    nats::{Nats, NatsSettings},
    ops::Readiness,
    outbox::Relay,
    shutdown::Lifetime,
};
use sqlx::PgPool;

/// The CloudEvents source of every event of this service.
const SOURCE: &str = "portico/orders";

/// Publishes the outbox until the process ends. NATS is no condition of
/// anything else: while it is away, the events wait in the database.
///
/// # Errors
/// When the settings can't be used.
pub async fn relay(
    settings: &NatsSettings,
    pool: &PgPool,
    clock: SharedClock,
    lifetime: &Lifetime,
    readiness: Readiness,
) -> anyhow::Result<Readiness> {
    let nats = Nats::connect(settings, "orders-service").await?;
    let relay = Relay::new(pool.clone(), nats.clone(), SOURCE, clock);
    let life = lifetime.clone();
    lifetime.spawn(async move { relay.run(&life).await });
    Ok(readiness.optional("nats", move || {
        let state = nats.check();
        async move { state }
    }))
}
