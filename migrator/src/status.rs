use std::collections::BTreeMap;

use platform::config::ServerUrl;
use sqlx::{Connection as _, PgConnection};

use crate::{
    MigrateError, Store,
    connection::{connect, is_missing},
};

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Applied, as this program has it.
    Applied,
    /// Not applied yet.
    Pending,
    /// Applied, and changed since.
    Changed,
    /// Applied, and unknown to this program.
    Unknown,
}

/// One migration of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The number that its file begins with.
    pub version: i64,
    /// The rest of the file's name.
    pub description: String,
    /// Where it stands.
    pub state: State,
}

/// All migrations of the database at `url`, oldest first. Changes nothing; in
/// a database that doesn't exist yet, all are pending.
///
/// # Errors
/// [`MigrateError::Unreachable`] or [`MigrateError::Database`].
pub async fn status(store: Store, url: &ServerUrl) -> Result<Vec<Step>, MigrateError> {
    let mut connection = match connect(url).await {
        Ok(connection) => connection,
        Err(error) if is_missing(&error) => return Ok(compare(store, BTreeMap::new())),
        Err(error) => return Err(error),
    };
    let steps = steps(store, &mut connection)
        .await
        .map_err(|error| MigrateError::at(url, error))?;
    let _ = connection.close().await;
    Ok(steps)
}

/// Whether `steps` are all applied and the same as here.
///
/// # Errors
/// [`MigrateError::Changed`], [`MigrateError::Ahead`] or
/// [`MigrateError::Pending`], the first of these that holds.
pub fn in_step(store: Store, steps: &[Step]) -> Result<(), MigrateError> {
    known(store, steps)?;
    let mut pending = steps.iter().filter(|step| step.state == State::Pending);
    match pending.next() {
        None => Ok(()),
        Some(first) => Err(MigrateError::Pending {
            store,
            count: 1 + pending.count(),
            first: first.version,
        }),
    }
}

/// Whether everything applied is as this program has it.
pub(crate) fn known(store: Store, steps: &[Step]) -> Result<(), MigrateError> {
    let first = |state| steps.iter().find(|step| step.state == state);
    if let Some(&Step { version, .. }) = first(State::Changed) {
        return Err(MigrateError::Changed { store, version });
    }
    if let Some(&Step { version, .. }) = first(State::Unknown) {
        return Err(MigrateError::Ahead { store, version });
    }
    Ok(())
}

pub(crate) async fn steps(
    store: Store,
    connection: &mut PgConnection,
) -> Result<Vec<Step>, sqlx::Error> {
    let begun: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !begun {
        return Ok(compare(store, BTreeMap::new()));
    }
    let applied: Vec<(i64, String, Vec<u8>)> =
        sqlx::query_as("SELECT version, description, checksum FROM _sqlx_migrations")
            .fetch_all(&mut *connection)
            .await?;
    let applied = applied
        .into_iter()
        .map(|(version, description, checksum)| (version, (description, checksum)))
        .collect();
    Ok(compare(store, applied))
}

fn compare(store: Store, mut applied: BTreeMap<i64, (String, Vec<u8>)>) -> Vec<Step> {
    let mut steps: Vec<Step> = store
        .ups()
        .map(|migration| Step {
            version: migration.version,
            description: migration.description.to_string(),
            state: match applied.remove(&migration.version) {
                None => State::Pending,
                Some((_, checksum)) if checksum == *migration.checksum => State::Applied,
                Some(_) => State::Changed,
            },
        })
        .collect();
    steps.extend(applied.into_iter().map(|(version, (description, _))| Step {
        version,
        description,
        state: State::Unknown,
    }));
    steps.sort_by_key(|step| step.version);
    steps
}
