//! The program as a script sees it.

use std::process::{Command, Output};

use migrator::Store;
use platform::testing::Database;

use crate::migrated;

fn run(accounts: &Database, orders: &Database, arguments: &str, environment: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_seeder"))
        .args(arguments.split(' '))
        .env(
            "SEEDER_ACCOUNTS__URL",
            accounts.superuser_url().expose().as_str(),
        )
        .env(
            "SEEDER_ORDERS__URL",
            orders.superuser_url().expose().as_str(),
        )
        .env("SEEDER_ENVIRONMENT", environment)
        .output()
        .expect("the program starts")
}

const SMALL: &str = "--users 5 --items 10 --orders 10";

#[tokio::test]
async fn it_fills_says_so_and_then_that_all_is_there() {
    let (accounts, orders) = (
        migrated(Store::Accounts).await,
        migrated(Store::Orders).await,
    );
    for said in [
        "filled: --seed 42 --users 5 ",
        "already there, nothing changed: --seed 42 ",
    ] {
        let output = run(&accounts, &orders, SMALL, "development");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with(said), "{text}");
        assert!(
            text.contains("demo user: demo@portico.example / "),
            "{text}"
        );
    }
    let other = run(
        &accounts,
        &orders,
        "--users 6 --items 10 --orders 10",
        "development",
    );
    assert_eq!(other.status.code(), Some(3));
    let nonsense = run(&accounts, &orders, "--users 0", "development");
    assert_eq!(nonsense.status.code(), Some(2));
    let elsewhere = run(&accounts, &orders, SMALL, "staging");
    assert_eq!(elsewhere.status.code(), Some(2));
}

#[tokio::test]
async fn in_production_the_demo_user_is_only_made_when_asked_for() {
    for (more, expected) in [("", false), (" --demo-user yes", true)] {
        let (accounts, orders) = (
            migrated(Store::Accounts).await,
            migrated(Store::Orders).await,
        );
        let output = run(&accounts, &orders, &format!("{SMALL}{more}"), "production");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.contains("demo user: "), expected, "{text}");
    }
}
