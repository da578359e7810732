//! The background half of the edge: `bff worker`. Any number may run.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use platform::{
    clock::SharedClock, inbox, nats::Nats, outbox::Relay, postgres, retry::now_and_then,
    shutdown::Lifetime,
};
use sqlx::PgPool;

use super::{SOURCE, erasure, ledger::Ledger, settings::EventSettings};
use crate::{
    accounts::{audit, idempotency},
    identity,
    notify::Notifier,
    upstream::GuardedRedis,
};

/// How often old rows are swept.
const SWEEP: Duration = Duration::from_secs(600);
/// How long the trail says where what nobody known did came from: as long as no
/// line may be changed.
const NOBODY: TimeDelta = TimeDelta::days(30);

/// What the worker works with.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The accounts store.
    pub pool: PgPool,
    /// Where devices are remembered.
    pub redis: GuardedRedis,
    /// Where events go.
    pub nats: Nats,
    /// The time.
    pub clock: SharedClock,
    /// Sends messages to people.
    pub notifier: Notifier,
    /// Looks after money.
    pub ledger: Ledger,
    /// How long what is over is kept.
    pub settings: EventSettings,
}

impl Worker {
    /// Publishes the outbox, sends messages, looks after money and sweeps until the process ends.
    /// What is in flight then is finished.
    pub async fn run(&self, lifetime: &Lifetime) {
        let (pool, nats, clock) = (self.pool.clone(), self.nats.clone(), self.clock.clone());
        let relay = Relay {
            retention: self.settings.outbox_retention_s.delta(),
            ..Relay::new(pool, nats, SOURCE, clock)
        };
        tokio::join!(
            relay.run(lifetime),
            self.notifier.run(self.nats.clone(), lifetime),
            self.ledger.run(lifetime),
            // Each by itself: one that fails holds up no other.
            self.sweep("inbox sweeper", lifetime, |now| {
                inbox::sweep(&self.pool, now - self.settings.inbox_retention_s.delta())
            }),
            self.sweep("erasure", lifetime, async |_| {
                // Whoever is deleted for not having come back is erased at once.
                let deleted = erasure::delete_lapsed(&self.pool, &self.clock).await?;
                let erased = erasure::erase_one(&self.pool, &self.redis, &self.clock).await?;
                Ok::<_, identity::Error>(deleted || erased)
            }),
            self.sweep("answers sweeper", lifetime, |now| {
                let kept = self.settings.idempotency_retention_s.delta();
                idempotency::sweep(&self.pool, now - kept)
            }),
            self.sweep("audit sweeper", lifetime, |now| {
                audit::sweep(&self.pool, now - self.settings.audit_retention_s.delta())
            }),
            self.sweep("lines about nobody", lifetime, |now| {
                audit::forget_nobody(&self.pool, now - NOBODY)
            }),
        );
    }

    /// Does some work now, and again every few minutes, until the process ends.
    async fn sweep<F, Fut, E>(&self, name: &str, lifetime: &Lifetime, batch: F)
    where
        F: Fn(DateTime<Utc>) -> Fut + Sync,
        Fut: Future<Output = Result<bool, E>> + Send,
        E: From<sqlx::Error> + Into<anyhow::Error>,
    {
        now_and_then(name, SWEEP, lifetime, || async {
            let now = self.clock.now();
            postgres::in_batches(lifetime, || batch(now)).await
        })
        .await;
    }
}
