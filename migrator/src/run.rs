use platform::config::{Secret, ServerUrl};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection,
    migrate::{Migrate as _, Migration},
};

use crate::{
    MigrateError, State, Step, Store,
    connection::{LOCK_LIMIT, connect, connect_or_create, lock},
    status::{known, steps},
};

/// Where sqlx notes what was applied.
const TABLE: &str = "_sqlx_migrations";

/// Brings the database at `url` in step: makes it when it's missing, applies
/// what is pending, each migration in a transaction of its own, and sets the
/// service's role and grants. Several at once wait for each other, a minute at most.
///
/// `url` is the owner's of the schema, who may make roles and databases when
/// they don't exist.
///
/// # Errors
/// Any but [`MigrateError::Pending`] and [`MigrateError::NoSuchVersion`]. What
/// was applied before the error stays.
pub async fn up(store: Store, url: &ServerUrl) -> Result<(), MigrateError> {
    let mut connection = connect_or_create(url).await?;
    let steps = begin(store, url, &mut connection).await?;
    connection
        .ensure_migrations_table(TABLE)
        .await
        .map_err(|error| failed(store, 0, error))?;
    for migration in store.ups().filter(|one| is(&steps, one, State::Pending)) {
        let took = connection
            .apply(TABLE, migration)
            .await
            .map_err(|error| failed(store, migration.version, error))?;
        let (version, name) = (migration.version, &migration.description);
        tracing::info!(%store, version, %name, ?took, "applied");
    }
    connection
        .execute(store.grants())
        .await
        .map_err(|error| MigrateError::at(url, error))?;
    tracing::info!(%store, role = store.app_role(), "in step");
    let _ = connection.close().await;
    Ok(())
}

/// Takes the database at `url` down to migration `to`, which stays; 0 undoes
/// them all. What the undone tables held is lost.
///
/// # Errors
/// Any but [`MigrateError::Pending`].
pub async fn down(store: Store, url: &ServerUrl, to: i64) -> Result<(), MigrateError> {
    if to != 0 && !store.ups().any(|migration| migration.version == to) {
        return Err(MigrateError::NoSuchVersion { store, version: to });
    }
    let mut connection = connect(url).await?;
    let steps = begin(store, url, &mut connection).await?;
    for migration in store
        .downs()
        .filter(|one| one.version > to && is(&steps, one, State::Applied))
    {
        let took = connection
            .revert(TABLE, migration)
            .await
            .map_err(|error| failed(store, migration.version, error))?;
        let (version, name) = (migration.version, &migration.description);
        tracing::info!(%store, version, %name, ?took, "undone");
    }
    let _ = connection.close().await;
    Ok(())
}

/// Sets the password that the service's role signs in with. [`up`] made the
/// role.
///
/// # Errors
/// [`MigrateError::Unreachable`] or [`MigrateError::Database`].
pub async fn set_app_password(
    store: Store,
    url: &ServerUrl,
    password: &Secret,
) -> Result<(), MigrateError> {
    let mut connection = connect(url).await?;
    let result = alter_password(store, &mut connection, password).await;
    let _ = connection.close().await;
    result.map_err(|error| MigrateError::at(url, error))
}

async fn alter_password(
    store: Store,
    connection: &mut PgConnection,
    password: &Secret,
) -> Result<(), sqlx::Error> {
    // The statement takes no parameters, so the server does the quoting.
    let statement: String =
        sqlx::query_scalar("SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2)")
            .bind(store.app_role())
            .bind(password.expose())
            .fetch_one(&mut *connection)
            .await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}

async fn begin(
    store: Store,
    url: &ServerUrl,
    connection: &mut PgConnection,
) -> Result<Vec<Step>, MigrateError> {
    lock(connection, url, LOCK_LIMIT).await?;
    let steps = steps(store, connection)
        .await
        .map_err(|error| MigrateError::at(url, error))?;
    known(store, &steps)?;
    Ok(steps)
}

fn is(steps: &[Step], migration: &Migration, state: State) -> bool {
    steps
        .iter()
        .any(|step| step.version == migration.version && step.state == state)
}

fn failed(store: Store, version: i64, source: sqlx::migrate::MigrateError) -> MigrateError {
    MigrateError::Migration {
        store,
        version,
        source,
    }
}
