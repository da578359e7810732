use std::time::Duration;

use platform::{
    clock::SharedClock,
    ops::{self, Readiness},
    shutdown::Lifetime,
    telemetry,
};
use tokio::net::TcpListener;

use crate::{
    config::Settings,
    domain::PageTokens,
    events,
    grpc::{self, Catalog, Orders, Privacy, Services, guard::Guard, tokens::Tokens},
    store::database::Database,
    tasks,
};

/// How long the tasks beside the calls have to end after the last call.
const TASKS_LIMIT: Duration = Duration::from_secs(5);

/// Serves calls on `listener` until `lifetime` ends and what is in flight is
/// done. Nothing that the service depends on has to be there at the start.
///
/// # Errors
/// When a setting can't be used, or a listener fails.
pub async fn serve(
    settings: Settings,
    clock: SharedClock,
    lifetime: Lifetime,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let metrics = telemetry::metrics_handle();
    telemetry::describe_build("orders-service");
    lifetime.spawn(telemetry::upkeep(metrics.clone(), lifetime.clone()));

    let pages = PageTokens::new(&settings.secrets.page_token_key()?);
    let database = Database::new(&settings.postgres)?;
    let tokens = Tokens::new(settings.tokens.remembered, clock.clone());
    tasks::spawn(&settings, &database, &tokens, &clock, &lifetime);

    let readiness = readiness(&database, &tokens);
    let (nats, pool) = (&settings.nats, database.pool());
    let readiness = events::spawn(nats, pool, &clock, &lifetime, readiness).await?;
    let router = ops::router(readiness, metrics, lifetime.clone());
    ops::listen(settings.ops.listen, router).await?;

    let currency = settings.catalogue.default_currency;
    let services = Services {
        catalog: Catalog::new(database.clone(), pages.clone(), currency, clock),
        orders: Orders::new(database.clone(), pages.clone()),
        privacy: Privacy::new(database.clone(), pages),
    };
    let guard = Guard::new(tokens, &settings.grpc);
    let available = database.availability();
    tracing::info!(address = %listener.local_addr()?, "serving");
    let served = grpc::serve(
        listener,
        &settings.grpc,
        guard,
        services,
        available,
        &lifetime,
    )
    .await;
    lifetime.finish(TASKS_LIMIT).await;
    // A server that hangs doesn't hold up the end.
    let _ = tokio::time::timeout(TASKS_LIMIT, database.pool().close()).await;
    served
}

fn readiness(database: &Database, tokens: &Tokens) -> Readiness {
    let available = database.availability();
    let tokens = tokens.clone();
    Readiness::default()
        .required("postgres", move || {
            let up = *available.borrow();
            async move {
                if up {
                    Ok(())
                } else {
                    Err("no answer".to_owned())
                }
            }
        })
        .required("keys", move || {
            let known = tokens.keys() > 0;
            async move {
                if known {
                    Ok(())
                } else {
                    Err("none was read".to_owned())
                }
            }
        })
}
