use std::sync::Arc;
use std::thread;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use url::Url;

use super::{Server, postgres_url, unique_name};
use crate::config::ServerUrl;

/// A database of one test's own, copied from a migrated template.
#[derive(Debug, Clone)]
pub struct Database {
    server: ServerUrl,
    name: String,
    /// On the shared server; a private one goes away whole.
    _dropped_last: Option<Arc<DropDatabase>>,
}

impl Database {
    /// Makes a database on the shared server; it is dropped with the last
    /// clone of this handle. The first test that asks for `template` makes the
    /// template too, by calling `migrate` with the superuser's URL of an empty
    /// database; change `template`'s name when the schema changes (a digest of
    /// the migrations does that by itself).
    ///
    /// # Panics
    /// When the server can't be reached or `migrate` panics.
    pub async fn create(template: &str, migrate: impl AsyncFnOnce(ServerUrl)) -> Self {
        let mut database = Self::create_on(postgres_url(), template, migrate).await;
        database._dropped_last = Some(Arc::new(DropDatabase {
            server: database.server.clone(),
            name: database.name.clone(),
        }));
        database
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
        Self {
            server,
            name,
            _dropped_last: None,
        }
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
            _dropped_last: self._dropped_last.clone(),
        }
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Drops a database when it is dropped itself.
#[derive(Debug)]
struct DropDatabase {
    server: ServerUrl,
    name: String,
}

impl Drop for DropDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.expose().as_str();
        // A test may end on a runtime's thread, where nothing can be waited for.
        thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let dropped = runtime.expect("a runtime").block_on(async {
                    let mut connection = PgConnection::connect(server).await?;
                    connection.execute(AssertSqlSafe(drop)).await
                });
                if let Err(error) = dropped {
                    tracing::warn!(database = self.name, %error, "is left behind");
                }
            });
        });
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
