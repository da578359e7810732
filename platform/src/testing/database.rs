use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use url::Url;

use super::{Server, postgres_url, unique_name};
use crate::config::ServerUrl;

/// A database of one test's own, copied from a migrated template.
#[derive(Debug, Clone)]
pub struct Database {
    server: ServerUrl,
    name: String,
}

impl Database {
    /// Makes a database on the shared server. The first test that asks for `template` makes the
    /// template too, by calling `migrate` with the superuser's URL of an empty
    /// database; change `template`'s name when the schema changes (a digest of
    /// the migrations does that by itself).
    ///
    /// # Panics
    /// When the server can't be reached or `migrate` panics.
    pub async fn create(template: &str, migrate: impl AsyncFnOnce(ServerUrl)) -> Self {
        Self::create_on(postgres_url(), template, migrate).await
    }

    /// The same on another server, of which `server` is a superuser's URL: one
    /// that the test does something to.
    ///
    /// # Panics
    /// As [`Database::create`].
    pub async fn create_on(
        server: ServerUrl,
        template: &str,
        migrate: impl AsyncFnOnce(ServerUrl),
    ) -> Self {
        let mut connection = PgConnection::connect(server.expose().as_str())
            .await
            .unwrap_or_else(|error| panic!("{server}: {error}"));
        Self::ensure_template(&server, &mut connection, template, migrate).await;
        let name = unique_name();
        // One copy at a time: copying locks the template.
        connection
            .execute("SELECT pg_advisory_lock(727403)")
            .await
            .expect("a lock");
        let copy = format!("CREATE DATABASE {name} TEMPLATE {template}");
        connection
            .execute(AssertSqlSafe(copy))
            .await
            .expect("a copy of the template");
        connection.close().await.expect("the connection closes");
        Self { server, name }
    }

    async fn ensure_template(
        server: &ServerUrl,
        connection: &mut PgConnection,
        template: &str,
        migrate: impl AsyncFnOnce(ServerUrl),
    ) {
        connection
            .execute("SELECT pg_advisory_lock(727402)")
            .await
            .expect("a lock");
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
                .bind(template)
                .fetch_one(&mut *connection)
                .await
                .expect("the catalogue can be read");
        if !exists {
            let draft = format!("{template}_draft");
            for statement in [
                format!("DROP DATABASE IF EXISTS {draft}"),
                format!("CREATE DATABASE {draft}"),
            ] {
                connection
                    .execute(AssertSqlSafe(statement))
                    .await
                    .expect("an empty database");
            }
            migrate(database_url(server, &draft, None)).await;
            let rename = format!("ALTER DATABASE {draft} RENAME TO {template}");
            connection
                .execute(AssertSqlSafe(rename))
                .await
                .expect("the template is free");
        }
        connection
            .execute("SELECT pg_advisory_unlock(727402)")
            .await
            .expect("the lock is ours");
    }

    /// The database's URL, as the superuser: for looking at what a program did.
    #[must_use]
    pub fn superuser_url(&self) -> ServerUrl {
        database_url(&self.server, &self.name, None)
    }

    /// The database's URL as one of the services' roles.
    #[must_use]
    pub fn url_as(&self, role: &str) -> ServerUrl {
        database_url(&self.server, &self.name, Some(role))
    }

    /// The same database on a server that copies this one.
    #[must_use]
    pub fn on(&self, replica: &Server) -> Self {
        Self {
            server: replica.url(),
            name: self.name.clone(),
        }
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn database_url(server: &ServerUrl, name: &str, role: Option<&str>) -> ServerUrl {
    let mut url: Url = server.expose().clone();
    url.set_path(name);
    if let Some(role) = role {
        url.set_username(role).expect("a PostgreSQL URL has a user");
    }
    url.as_str().parse().expect("still a URL")
}
