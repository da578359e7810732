//! The program as a script sees it: its output and its exit codes.

use std::process::{Command, Output};

use platform::testing::Database;
use sqlx::Connection as _;

/// Runs the program on two databases of its own.
struct Program {
    accounts: Database,
    orders: Database,
}

impl Program {
    async fn new() -> Self {
        Self {
            accounts: Database::create("migrator_empty", async |_| ()).await,
            orders: Database::create("migrator_empty", async |_| ()).await,
        }
    }

    fn run(&self, arguments: &str, variables: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_migrator"))
            .args(arguments.split(' '))
            .env(
                "MIGRATOR_ACCOUNTS__URL",
                self.accounts.superuser_url().expose().as_str(),
            )
            .env(
                "MIGRATOR_ORDERS__URL",
                self.orders.superuser_url().expose().as_str(),
            )
            .envs(variables.iter().copied())
            .output()
            .expect("the program starts")
    }

    fn exit_code(&self, arguments: &str) -> Option<i32> {
        self.run(arguments, &[]).status.code()
    }
}

#[tokio::test]
async fn the_exit_code_tells_where_the_databases_stand() {
    let program = Program::new().await;
    assert_eq!(program.exit_code("check"), Some(3));
    assert_eq!(program.exit_code("up --store accounts"), Some(0));
    assert_eq!(program.exit_code("check --store accounts"), Some(0));
    assert_eq!(program.exit_code("check"), Some(3));
    assert_eq!(program.exit_code("up"), Some(0));
    assert_eq!(program.exit_code("check"), Some(0));
    assert_eq!(program.exit_code("down --store accounts --to 1"), Some(0));
    assert_eq!(program.exit_code("check --store orders"), Some(0));
    assert_eq!(program.exit_code("check --store accounts"), Some(3));
    assert_eq!(
        program.exit_code("down --store accounts --to 9999"),
        Some(2)
    );
    assert_eq!(program.exit_code("down --to 0"), Some(2));

    let listed = program.run("status --store accounts", &[]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("accounts 0001 applied  messaging\n"),
        "{listed}"
    );
    assert!(
        listed.contains("accounts 0002 pending  identity\n"),
        "{listed}"
    );
}

#[tokio::test]
async fn a_server_that_is_away_and_a_bad_variable_have_codes_of_their_own() {
    let program = Program::new().await;
    let url = "postgres://me:secret-word@127.0.0.1:1/accounts";
    let away = program.run("check", &[("MIGRATOR_ACCOUNTS__URL", url)]);
    assert_eq!(away.status.code(), Some(5));
    let said = String::from_utf8(away.stderr).unwrap();
    assert!(said.contains("me:***@127.0.0.1:1"), "{said}");
    assert!(!said.contains("secret-word"), "{said}");

    let bad = program.run("check", &[("MIGRATOR_ACCOUNTS__URI", "x")]);
    assert_eq!(bad.status.code(), Some(2));
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(
        said.contains("MIGRATOR_ACCOUNTS__URI: there is no such setting"),
        "{said}"
    );
}

#[tokio::test]
async fn the_services_password_is_set_whatever_is_in_it() {
    let program = Program::new().await;
    let password = r#"it's a "pass\word" $1 %L"#;
    let up = program.run(
        "up --store orders",
        &[("MIGRATOR_ORDERS__APP_PASSWORD", password)],
    );
    assert!(up.status.success(), "{up:?}");
    assert!(!format!("{up:?}").contains("pass"), "{up:?}");
    let url = program.orders.superuser_url();
    let mut connection = sqlx::PgConnection::connect(url.expose().as_str())
        .await
        .unwrap();
    let set: bool = sqlx::query_scalar(
        "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'orders_app'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(set);
}
