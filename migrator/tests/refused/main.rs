//! Every bad state of both databases, tried as its superuser in plain
//! SQL and refused by the constraint that is named beside it.

mod identity;
mod money;
mod orders;

use migrator::Store;
use platform::{currency::Currency, testing::Database};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, postgres::PgDatabaseError,
};

/// The statements of each case, and the constraint that they must break.
fn cases(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with("--"))
        .map(|line| line.rsplit_once(" -- ").expect("statements -- constraint"))
        .collect()
}

async fn accounts_with(base: &str) -> (Database, PgConnection) {
    database_with(Store::Accounts, base).await
}

/// A database of its own with `base` in it, which breaks nothing.
async fn database_with(store: Store, base: &str) -> (Database, PgConnection) {
    let template = format!("{store}_{}", migrator::digest(store));
    let database = Database::create(&template, async |url| {
        migrator::up(store, &url)
            .await
            .expect("the migrations apply");
    })
    .await;
    let mut connection = PgConnection::connect(database.superuser_url().expose().as_str())
        .await
        .expect("the test's database is there");
    try_out(&mut connection, base, "COMMIT")
        .await
        .expect("the base breaks nothing");
    (database, connection)
}

/// Runs statements and every check that waits for the end of a transaction.
async fn try_out(
    connection: &mut PgConnection,
    statements: &str,
    end: &'static str,
) -> Result<(), sqlx::Error> {
    connection.execute("BEGIN").await?;
    let checked = format!("{statements};\nSET CONSTRAINTS ALL IMMEDIATE");
    let result = connection.execute(AssertSqlSafe(checked)).await;
    let end = if result.is_ok() { end } else { "ROLLBACK" };
    connection.execute(end).await?;
    result.map(|_| ())
}

/// Tries every case and undoes it again.
async fn each_is_refused(connection: &mut PgConnection, text: &str) {
    let mut wrong = Vec::new();
    for (statements, constraint) in cases(text) {
        match try_out(connection, statements, "ROLLBACK").await {
            Ok(()) => wrong.push(format!("{constraint}: accepted: {statements}")),
            Err(error) => {
                let named = error
                    .as_database_error()
                    .and_then(|refusal| refusal.try_downcast_ref::<PgDatabaseError>())
                    .and_then(PgDatabaseError::constraint);
                if named != Some(constraint) {
                    wrong.push(format!("{constraint}: {error}: {statements}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The constraints of `tables` that no case names. A unique constraint that
/// holds the primary key can't be broken alone: it is there for foreign keys.
/// A constraint trigger is known by the names that its function raises.
async fn untried(connection: &mut PgConnection, tables: &[&str], text: &str) -> Vec<String> {
    let tried: Vec<&str> = cases(text)
        .iter()
        .map(|(_, constraint)| *constraint)
        .collect();
    sqlx::query_scalar(
        "SELECT c.conname::text FROM pg_constraint c
          WHERE c.conrelid::regclass::text = ANY($1) AND c.conname <> ALL($2) AND c.contype <> 't'
            AND NOT (c.contype = 'u' AND EXISTS (
                SELECT FROM pg_constraint p
                 WHERE p.conrelid = c.conrelid AND p.contype IN ('p', 'u')
                   AND p.oid <> c.oid AND p.conkey <@ c.conkey))
         UNION SELECT i.indexrelid::regclass::text FROM pg_index i
          WHERE i.indrelid::regclass::text = ANY($1) AND i.indisunique AND i.indpred IS NOT NULL
            AND i.indexrelid::regclass::text <> ALL($2)
         ORDER BY 1",
    )
    .bind(tables)
    .bind(&tried)
    .fetch_all(connection)
    .await
    .expect("the catalogue can be read")
}

#[tokio::test]
async fn the_currencies_of_both_databases_are_those_of_the_program() {
    let known = Currency::ALL.map(|one| (one.code().to_owned(), one.minor_units() as i16));
    for store in Store::ALL {
        let (_database, mut connection) = database_with(store, "SELECT 1").await;
        let stored: Vec<(String, i16)> =
            sqlx::query_as("SELECT code, minor_units FROM currencies ORDER BY code")
                .fetch_all(&mut connection)
                .await
                .expect("the currencies can be read");
        assert_eq!(stored, known, "{store}");
    }
}
