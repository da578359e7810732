//! What runs beside the calls.

use chrono::TimeDelta;
use platform::{clock::SharedClock, postgres::measure, shutdown::Lifetime};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{
    config::{CatalogueSettings, Settings, TokenSettings},
    deadline::Deadline,
    error::Error,
    grpc::tokens::Tokens,
    store::{database::Database, sales},
};

/// Starts all of it; each ends with the process.
pub fn spawn(
    settings: &Settings,
    database: &Database,
    tokens: &Tokens,
    clock: &SharedClock,
    lifetime: &Lifetime,
) {
    let (watched, life) = (database.clone(), lifetime.clone());
    lifetime.spawn(async move { watched.watch(&life).await });
    let pool = database.pool().clone();
    lifetime.spawn(measure("orders", pool, lifetime.clone()));
    lifetime.spawn(follow_keys(
        settings.tokens.clone(),
        tokens.clone(),
        lifetime.clone(),
    ));
    let catalogue = settings.catalogue.clone();
    lifetime.spawn(count_sales(
        catalogue,
        database.clone(),
        clock.clone(),
        lifetime.clone(),
    ));
}

/// Waits for the next tick; false once the end was asked for.
async fn next(tick: &mut Interval, lifetime: &Lifetime) -> bool {
    tokio::select! {
        _ = tick.tick() => true,
        () = lifetime.stopping() => false,
    }
}

/// Believes the keys in the file, now and whenever it changes.
async fn follow_keys(settings: TokenSettings, tokens: Tokens, lifetime: Lifetime) {
    let mut tick = interval(settings.look_every_ms.duration());
    let mut last = None;
    while next(&mut tick, &lifetime).await {
        let document = tokio::fs::read(&settings.public_keys_file).await;
        let document = document.map_err(|error| error.to_string());
        if last.as_ref() == Some(&document) {
            continue;
        }
        match &document {
            Ok(document) => match tokens.believe(document) {
                Ok(()) => tracing::info!(keys = tokens.keys(), "the edge's keys were read"),
                Err(error) => tracing::error!(%error, "the edge's keys can't be used"),
            },
            Err(error) => tracing::error!(%error, "the edge's keys can't be read"),
        }
        last = Some(document);
    }
}

/// Counts again and again what was sold lately.
async fn count_sales(
    settings: CatalogueSettings,
    database: Database,
    clock: SharedClock,
    lifetime: Lifetime,
) {
    let mut available = database.availability();
    let every = settings.count_sales_every_s.duration();
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while next(&mut tick, &lifetime).await {
        tokio::select! {
            _ = available.wait_for(|up| *up) => {}
            () = lifetime.stopping() => return,
        }
        let since = clock.now() - TimeDelta::days(settings.bestseller_days.into());
        let counted = async {
            let mut writing = database.write(Deadline::after(every)).await?;
            let changed = sales::count(&mut *writing, since).await?;
            writing.commit().await?;
            Ok::<_, Error>(changed)
        };
        match counted.await {
            Ok(changed) => tracing::debug!(changed, "sales were counted"),
            Err(error) => tracing::warn!(%error, "sales can't be counted"),
        }
    }
}
