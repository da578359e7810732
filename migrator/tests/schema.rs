//! Both schemas, moved up and down on a real server.

use migrator::{MigrateError, State, Store};
use platform::testing::Database;
use sqlx::{Connection as _, Executor as _, PgConnection};

/// An empty database.
async fn empty() -> Database {
    Database::create("migrator_empty", async |_| ()).await
}

async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect(database.superuser_url().expose().as_str())
        .await
        .expect("the test's database is there")
}

/// Everything that a schema consists of, as text: to see whether two are alike.
async fn shape(database: &Database) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT format('%s.%s %s %s', table_name, column_name, data_type, is_nullable)
           FROM information_schema.columns WHERE table_schema = 'public'
         UNION ALL SELECT format('%s %s', conname, pg_get_constraintdef(oid))
           FROM pg_constraint WHERE connamespace = 'public'::regnamespace
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
         UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
         UNION ALL SELECT format('function %s', oid::regprocedure)
           FROM pg_proc WHERE pronamespace = 'public'::regnamespace
         UNION ALL SELECT format('type %s', typname) FROM pg_type
           WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
         ORDER BY 1",
    )
    .fetch_all(&mut connect(database).await)
    .await
    .expect("the catalogue can be read")
}

async fn states(store: Store, database: &Database) -> Vec<State> {
    let steps = migrator::status(store, &database.superuser_url()).await;
    steps
        .expect("the server answers")
        .into_iter()
        .map(|step| step.state)
        .collect()
}

#[tokio::test]
async fn each_migration_can_be_undone_and_applied_again() {
    for store in Store::ALL {
        let database = empty().await;
        let url = database.superuser_url();
        migrator::up(store, &url).await.unwrap();
        let full = shape(&database).await;
        let steps = migrator::status(store, &url).await.unwrap();
        let mut before = vec![0];
        before.extend(steps.iter().map(|step| step.version));
        for (left, version) in before.into_iter().enumerate().rev().skip(1) {
            migrator::down(store, &url, version).await.unwrap();
            let states = states(store, &database).await;
            let applied = states.iter().filter(|s| **s == State::Applied).count();
            assert_eq!(applied, left);
        }
        let left = shape(&database).await;
        assert!(
            left.iter().all(|line| line.contains("_sqlx_migrations")),
            "{left:#?}"
        );
        migrator::up(store, &url).await.unwrap();
        assert_eq!(shape(&database).await, full);
    }
}

#[tokio::test]
async fn several_migrators_at_once_apply_each_migration_once() {
    let database = empty().await;
    let url = database.superuser_url();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        running.spawn(async move { migrator::up(Store::Accounts, &url).await });
    }
    for result in running.join_all().await {
        result.unwrap();
    }
    assert!(
        migrator::in_step(
            Store::Accounts,
            &migrator::status(Store::Accounts, &url).await.unwrap()
        )
        .is_ok()
    );
}

#[tokio::test]
async fn a_missing_database_is_made() {
    let database = empty().await;
    let mut url = database.superuser_url().expose().clone();
    url.set_path(&format!("{}_made", database.name()));
    let url = url.as_str().parse().unwrap();
    let before = migrator::status(Store::Orders, &url).await.unwrap();
    assert!(before.iter().all(|step| step.state == State::Pending));
    migrator::up(Store::Orders, &url).await.unwrap();
    let after = migrator::status(Store::Orders, &url).await.unwrap();
    migrator::in_step(Store::Orders, &after).unwrap();
}

#[tokio::test]
async fn a_changed_migration_and_a_newer_schema_are_told_apart_and_left_alone() {
    let database = empty().await;
    let url = database.superuser_url();
    migrator::up(Store::Orders, &url).await.unwrap();
    let mut connection = connect(&database).await;

    connection
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', true, '', 0)",
        )
        .await
        .unwrap();
    let steps = migrator::status(Store::Orders, &url).await.unwrap();
    let ahead = migrator::in_step(Store::Orders, &steps).unwrap_err();
    assert!(
        matches!(ahead, MigrateError::Ahead { version: 9999, .. }),
        "{ahead}"
    );

    connection
        .execute("UPDATE _sqlx_migrations SET checksum = '' WHERE version = 1")
        .await
        .unwrap();
    let steps = migrator::status(Store::Orders, &url).await.unwrap();
    let changed = migrator::in_step(Store::Orders, &steps).unwrap_err();
    assert!(
        matches!(changed, MigrateError::Changed { version: 1, .. }),
        "{changed}"
    );
    for refused in [
        migrator::up(Store::Orders, &url).await,
        migrator::down(Store::Orders, &url, 0).await,
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, MigrateError::Changed { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let url = "postgres://postgres@127.0.0.1:1/accounts".parse().unwrap();
    let error = migrator::status(Store::Accounts, &url).await.unwrap_err();
    assert!(matches!(error, MigrateError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_services_role_can_use_every_table_and_change_no_schema() {
    for store in Store::ALL {
        let database = empty().await;
        let url = database.superuser_url();
        migrator::up(store, &url).await.unwrap();

        let refused: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname FROM pg_class c
              WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                AND c.relname <> '_sqlx_migrations'
                AND NOT has_table_privilege($1, c.oid, 'SELECT')",
        )
        .bind(store.app_role())
        .fetch_all(&mut connect(&database).await)
        .await
        .unwrap();
        assert_eq!(
            refused,
            Vec::<String>::new(),
            "migrator/grants/{store}.sql names them not"
        );

        let app = database.url_as(store.app_role());
        let mut app = PgConnection::connect(app.expose().as_str()).await.unwrap();
        for statement in [
            "CREATE TABLE mine (id int)",
            "ALTER TABLE outbox ADD COLUMN mine int",
            "ALTER TABLE outbox DISABLE TRIGGER ALL",
            "DROP TABLE outbox",
            "TRUNCATE outbox",
            "UPDATE outbox SET data = '{}'",
            "SELECT * FROM _sqlx_migrations",
            "CREATE TEMP TABLE mine (id int)",
            "CREATE ROLE mine",
        ] {
            let error = app.execute(statement).await.unwrap_err();
            let code = error
                .as_database_error()
                .and_then(|e| e.code().map(String::from));
            assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
        }
    }
}

#[tokio::test]
async fn the_digest_differs_between_the_stores_and_fits_a_database_name() {
    let [accounts, orders] = Store::ALL.map(migrator::digest);
    assert_ne!(accounts, orders);
    assert!(accounts.len() == 12 && accounts.bytes().all(|b| b.is_ascii_hexdigit()));
}
