use std::{str::FromStr as _, time::Duration};

use platform::config::ServerUrl;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    postgres::PgConnectOptions,
};

use crate::{Parameters, Progress, SeedError};

/// How long a server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A database while it is filled, in one transaction: all of it is there
/// afterwards, or nothing.
#[derive(Debug)]
pub(crate) struct Filling {
    pub(crate) connection: PgConnection,
    /// The statements that put the foreign keys back.
    foreign_keys: Vec<String>,
}

impl Filling {
    /// Begins, unless the same parameters filled the database already. The
    /// note on that is kept in a schema of the seeder's own, so that
    /// production's has nothing of it.
    pub(crate) async fn begin(
        url: &ServerUrl,
        parameters: &Parameters,
    ) -> Result<Option<Self>, SeedError> {
        let mut connection = connect(url).await?;
        // Another seeder at work is waited for.
        connection
            .execute(
                "BEGIN;
                 SET LOCAL lock_timeout = '5min';
                 SELECT pg_advisory_xact_lock(hashtext('seeder'));
                 SET LOCAL client_min_messages = warning;
                 CREATE SCHEMA IF NOT EXISTS seeder;
                 CREATE TABLE IF NOT EXISTS seeder.runs (
                     parameters text NOT NULL, at timestamptz NOT NULL DEFAULT now())",
            )
            .await?;
        let there: Option<String> = sqlx::query_scalar("SELECT parameters FROM seeder.runs")
            .fetch_optional(&mut connection)
            .await?;
        let asked = parameters.to_string();
        match there {
            None => {
                let foreign_keys = take_off_foreign_keys(&mut connection).await?;
                Ok(Some(Self {
                    connection,
                    foreign_keys,
                }))
            }
            Some(there) if there == asked => Ok(None),
            Some(there) => Err(SeedError::SeededOtherwise {
                url: url.to_string(),
                there,
                asked,
            }),
        }
    }

    /// Looks at every constraint and makes the rows stay.
    pub(crate) async fn finish(
        mut self,
        parameters: &Parameters,
        progress: &Progress,
        name: &str,
    ) -> Result<(), SeedError> {
        let task = progress.wait(&format!("{name}: constraints"));
        // The checks are planned by what the tables hold now.
        self.connection.execute("ANALYZE").await?;
        self.connection
            .execute("SET CONSTRAINTS ALL IMMEDIATE")
            .await?;
        for statement in self.foreign_keys {
            self.connection.execute(AssertSqlSafe(statement)).await?;
        }
        sqlx::query("INSERT INTO seeder.runs (parameters) VALUES ($1)")
            .bind(parameters.to_string())
            .execute(&mut self.connection)
            .await?;
        self.connection.execute("COMMIT").await?;
        task.end();
        let _ = self.connection.close().await;
        Ok(())
    }
}

/// Takes off all foreign keys and returns the statements that put them back.
/// Then the server looks at all rows at once, instead of at each as it comes:
/// that takes seconds off every hundred thousand orders.
async fn take_off_foreign_keys(connection: &mut PgConnection) -> Result<Vec<String>, SeedError> {
    let (off, on): (Vec<String>, Vec<String>) = sqlx::query_as(
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
                format('ALTER TABLE %s ADD CONSTRAINT %I %s',
                       conrelid::regclass, conname, pg_get_constraintdef(oid))
           FROM pg_constraint
          WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY oid",
    )
    .fetch_all(&mut *connection)
    .await?
    .into_iter()
    .unzip();
    for statement in off {
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(on)
}

async fn connect(url: &ServerUrl) -> Result<PgConnection, SeedError> {
    let options = PgConnectOptions::from_str(url.expose().as_str())?
        .application_name("seeder")
        .disable_statement_logging();
    tokio::time::timeout(CONNECT_LIMIT, PgConnection::connect_with(&options))
        .await
        .map_err(|_| format!("no answer within {CONNECT_LIMIT:?}"))
        .and_then(|result| result.map_err(|error| error.to_string()))
        .map_err(|reason| SeedError::Unreachable {
            url: url.to_string(),
            reason,
        })
}
