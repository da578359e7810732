//! What happens here when a user leaves.

use std::time::Duration;

use chrono::TimeDelta;
use platform::{
    clock::SharedClock,
    consumer::{Consumer, Delivery, Failure},
    inbox,
    nats::{Nats, Stream},
    postgres,
    retry::now_and_then,
    shutdown::Lifetime,
};
use proto::events::{Event as _, UserDeletionRequested, UserErased};
use sqlx::PgPool;

use crate::store::departures;

/// The consumer's name, here and in JetStream.
const CONSUMER: &str = "orders-users";

/// How often the inbox is swept.
const SWEEP: Duration = Duration::from_secs(600);

/// Hears of users until the process ends. What was done about an event is
/// remembered for so long.
pub fn spawn(
    nats: &Nats,
    pool: &PgPool,
    clock: &SharedClock,
    lifetime: &Lifetime,
    remembered: TimeDelta,
) {
    let consumer = Consumer {
        filter: "evt.accounts.user.>",
        ..Consumer::new(nats.clone(), clock.clone(), Stream::Accounts, CONSUMER)
    };
    let (handled, life) = (pool.clone(), lifetime.clone());
    lifetime.spawn(async move {
        let handle = |delivery| {
            let pool = handled.clone();
            async move { handle(&pool, delivery).await }
        };
        consumer.run(&life, handle).await;
    });
    let (swept, clock, life) = (pool.clone(), clock.clone(), lifetime.clone());
    lifetime.spawn(async move {
        now_and_then("inbox sweeper", SWEEP, &life, || async {
            let before = clock.now() - remembered;
            postgres::in_batches(&life, || inbox::sweep(&swept, before)).await
        })
        .await;
    });
}

/// A user who is deactivated may come back, so that only the other two change
/// anything.
async fn handle(pool: &PgPool, delivery: Delivery) -> Result<(), Failure> {
    let kind = delivery.event_type.as_str();
    if !matches!(kind, UserDeletionRequested::SUBJECT | UserErased::SUBJECT) {
        return Ok(());
    }
    let mut transaction = postgres::begin(pool).await?;
    if !inbox::first_time(&mut *transaction, CONSUMER, delivery.id).await? {
        return Ok(());
    }
    if kind == UserErased::SUBJECT {
        let event: UserErased = delivery.json()?;
        let (asked, erased) = (event.requested_at, event.erased_at);
        departures::erase(&mut *transaction, event.user_id, asked, erased).await?;
    } else {
        let event: UserDeletionRequested = delivery.json()?;
        departures::request(&mut *transaction, event.user_id, event.requested_at).await?;
    }
    Ok(transaction.commit().await?)
}
