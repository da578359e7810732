use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use async_nats::header::NATS_MESSAGE_ID;
use chrono::TimeDelta;
use futures::{StreamExt as _, stream};
use sqlx::PgPool;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::store::{self, Pending};
use crate::{
    clock::SharedClock,
    nats::Nats,
    postgres::{self, BATCH_LIMIT, bounded, in_batches},
    retry::{keep_going, now_and_then},
    shutdown::Lifetime,
};

/// Rows claimed at once, and so the most messages in flight.
const BATCH: i64 = 256;

/// How long one batch may take to be acknowledged. Its rows are locked for as
/// long, by a transaction that PostgreSQL ends when it idles for ten seconds.
const PUBLISH_LIMIT: Duration = Duration::from_secs(5);

/// For a whole batch: what claims its rows and what marks them may each take as long as
/// the server lets a statement take. Whoever waits longer waits for a connection that
/// was forgotten on the way, and mail waits with them.
const BATCH_TIME: Duration = Duration::from_secs(15);

/// How often the table is looked at while nothing is due: a short look into a
/// short index. A notification at each commit would cost those commits more.
const POLL: Duration = Duration::from_millis(50);

const MEASURE: Duration = Duration::from_secs(5);
const SWEEP: Duration = Duration::from_secs(60);

/// Publishes the outbox of one database to JetStream: every event at least
/// once, the events of one aggregate in order. Several relays may run at once;
/// they share the work.
///
/// While NATS or PostgreSQL is away, nothing is lost: the rows stay, and the
/// relay tries again with growing, jittered waits of three seconds at most.
#[derive(Debug, Clone)]
pub struct Relay {
    /// The database.
    pub pool: PgPool,
    /// Where the events go.
    pub nats: Nats,
    /// The CloudEvents source, such as `portico/accounts`.
    pub source: &'static str,
    /// Tells when events were published.
    pub clock: SharedClock,
    /// How long published rows are kept, to look at.
    pub retention: TimeDelta,
}

impl Relay {
    /// A relay that keeps published rows for a day.
    #[must_use]
    pub fn new(pool: PgPool, nats: Nats, source: &'static str, clock: SharedClock) -> Self {
        Self {
            pool,
            nats,
            source,
            clock,
            retention: TimeDelta::days(1),
        }
    }

    /// Publishes, measures and sweeps until the process ends; what is in flight
    /// then is still marked.
    pub async fn run(&self, lifetime: &Lifetime) {
        tokio::join!(
            keep_going("outbox relay", lifetime, || self.publish_while_up(lifetime)),
            now_and_then("outbox measure", MEASURE, lifetime, || self.measure()),
            now_and_then("outbox sweeper", SWEEP, lifetime, || async {
                let before = self.clock.now() - self.retention;
                in_batches(lifetime, || store::sweep(&self.pool, before)).await
            }),
        );
    }

    async fn publish_while_up(&self, lifetime: &Lifetime) -> anyhow::Result<()> {
        self.nats.require()?;
        self.nats.ensure_streams().await?;
        while !lifetime.is_stopping() {
            if bounded(BATCH_TIME, self.publish_batch()).await? {
                continue;
            }
            tokio::select! {
                () = lifetime.stopping() => break,
                () = tokio::time::sleep(POLL) => {}
            }
        }
        Ok(())
    }

    /// Publishes the rows that are due. Returns whether there may be more right
    /// away.
    async fn publish_batch(&self) -> anyhow::Result<bool> {
        self.nats.require()?;
        let mut transaction = postgres::begin(&self.pool).await?;
        let rows = store::claim(&mut *transaction, BATCH).await?;
        let claimed = rows.len();
        let (published, failed) = self.publish(rows).await;
        // Without NATS, that they didn't leave says nothing about these rows.
        let there = self.nats.require();
        if !published.is_empty() {
            store::mark_published(&mut *transaction, &published, self.clock.now()).await?;
        }
        if let Some((_, error)) = failed.first()
            && there.is_ok()
        {
            let (count, error) = (failed.len(), format!("{error:#}"));
            tracing::warn!(count, error, "events were not acknowledged");
            let ids: Vec<Uuid> = failed.iter().map(|(id, _)| *id).collect();
            store::put_off(&mut *transaction, &ids).await?;
        }
        transaction.commit().await?;
        metrics::counter!("outbox_published_total").increment(published.len() as u64);
        there?;
        Ok(i64::try_from(claimed)? == BATCH)
    }

    /// Publishes rows side by side, those of one aggregate one after another.
    /// Returns those that were acknowledged, and those that weren't.
    async fn publish(&self, rows: Vec<Pending>) -> (Vec<Uuid>, Vec<(Uuid, anyhow::Error)>) {
        let deadline = Instant::now() + PUBLISH_LIMIT;
        let (mut published, mut failed) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut lanes = stream::iter(by_aggregate(rows))
            .map(|lane| self.publish_lane(lane, deadline))
            .buffer_unordered(BATCH.unsigned_abs() as usize);
        while let Some((done, failure)) = lanes.next().await {
            published.extend(done);
            failed.extend(failure);
        }
        (published, failed)
    }

    /// Ends with the first row that isn't acknowledged: what comes after it must
    /// not overtake it.
    async fn publish_lane(
        &self,
        lane: Vec<Pending>,
        deadline: Instant,
    ) -> (Vec<Uuid>, Option<(Uuid, anyhow::Error)>) {
        let mut published = Vec::with_capacity(lane.len());
        for row in lane {
            let id = row.id;
            let acknowledged = timeout_at(deadline, self.publish_one(row)).await;
            match acknowledged.context("no acknowledgement in time").flatten() {
                Ok(()) => published.push(id),
                Err(error) => {
                    let error = error.context(format!("event {id}"));
                    return (published, Some((id, error)));
                }
            }
        }
        (published, None)
    }

    async fn publish_one(&self, row: Pending) -> anyhow::Result<()> {
        let subject = self.nats.subject(&row.subject);
        let mut headers = super::headers(
            row.id,
            &row.subject,
            row.aggregate_id,
            row.occurred_at,
            self.source,
            row.traceparent.as_deref(),
        );
        headers.insert(NATS_MESSAGE_ID, row.id.to_string());
        headers.insert("ce-aggregateversion", row.aggregate_version.to_string());
        let payload = row.data.into();
        self.nats
            .jetstream()
            .publish_with_headers(subject, headers, payload)
            .await?
            .await?;
        Ok(())
    }

    async fn measure(&self) -> Result<(), sqlx::Error> {
        let backlog = bounded(BATCH_LIMIT, store::backlog(&self.pool)).await?;
        let age = backlog
            .oldest
            .map_or(TimeDelta::zero(), |oldest| self.clock.now() - oldest);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("outbox_unpublished").set(backlog.unpublished as f64);
        metrics::gauge!("outbox_oldest_seconds").set(age.as_seconds_f64().max(0.0));
        Ok(())
    }
}

/// One lane for each aggregate, in the order in which the rows were written.
fn by_aggregate(rows: Vec<Pending>) -> Vec<Vec<Pending>> {
    let mut lanes: Vec<Vec<Pending>> = Vec::new();
    let mut lane_of = HashMap::new();
    for row in rows {
        let lane = *lane_of.entry(row.aggregate_id).or_insert_with(|| {
            lanes.push(Vec::new());
            lanes.len() - 1
        });
        lanes[lane].push(row);
    }
    lanes
}
