//! Events: those of the catalogue and of orders on their way out, and those of
//! users that matter here on their way in.

mod users;

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

/// Publishes the outbox and hears of users until the process ends. NATS is no
/// condition of anything else: while it is away, events wait on either side.
///
/// # Errors
/// When the settings can't be used.
pub async fn spawn(
    settings: &NatsSettings,
    pool: &PgPool,
    clock: &SharedClock,
    lifetime: &Lifetime,
    readiness: Readiness,
) -> anyhow::Result<Readiness> {
    let nats = Nats::connect(settings, "orders-service").await?;
    let relay = Relay::new(pool.clone(), nats.clone(), SOURCE, clock.clone());
    let life = lifetime.clone();
    lifetime.spawn(async move { relay.run(&life).await });
    // What a stream doesn't hold any more isn't delivered again.
    let remembered = settings.events_max_age_s.delta() * 2;
    users::spawn(&nats, pool, clock, lifetime, remembered);
    Ok(readiness.optional("nats", move || {
        let state = nats.check();
        async move { state }
    }))
}
