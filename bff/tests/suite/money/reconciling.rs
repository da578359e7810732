//! Drift that gets past every constraint is found.

use std::process::Output;

use bff::{
    accounts::money::Rule,
    events::ledger::{Ledger, LedgerSettings},
};
use rstest::rstest;
use std::sync::Arc;

use super::Bank;

/// A bank where something happened.
async fn busy() -> Bank {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    for amount in ["1.00", "2.00"] {
        bank.transfer(&ann, &bob, amount).await;
    }
    bank
}

fn ledger(bank: &Bank) -> Ledger {
    let pool = bank.app.settings.postgres.pool("test").unwrap();
    Ledger {
        pool: pool.clone(),
        patient: pool,
        clock: Arc::new(bank.app.clock.clone()),
        settings: LedgerSettings::default(),
    }
}

/// Does what no constraint would let pass.
async fn plant(bank: &Bank, sql: &str) {
    let mut db = bank.app.superuser().await;
    let sql = format!("SET session_replication_role = replica; {sql}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut db)
        .await
        .unwrap();
}

/// The program itself.
fn reconcile(bank: &Bank) -> Output {
    let mut command = bank.app.command(&["worker", "reconcile"]);
    command.output().unwrap()
}

#[tokio::test]
async fn books_that_balance_are_said_to() {
    let bank = busy().await;
    let output = reconcile(&bank);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "balance: 0 wrong\nheld: 0 wrong\ntransfer: 0 wrong\nworld: 0 wrong\n"
    );
}

#[rstest]
#[case::a_balance_that_was_changed(
    "UPDATE accounts SET balance = balance + 1 WHERE name IS NULL AND kind = 'user' AND balance = 7",
    &[Rule::Balance, Rule::World]
)]
#[case::money_moved_without_entries(
    "UPDATE accounts SET balance = balance + CASE balance WHEN 7 THEN -1 ELSE 1 END WHERE kind = 'user' AND currency = 'USD'",
    &[Rule::Balance, Rule::Balance]
)]
#[case::an_entry_that_was_changed(
    "UPDATE entries SET amount = amount + 1, balance_after = balance_after + 1 WHERE amount = 2",
    &[Rule::Balance, Rule::Transfer]
)]
#[case::an_entry_that_is_missing(
    "DELETE FROM entries WHERE amount = 2",
    &[Rule::Balance, Rule::Transfer]
)]
#[case::a_transfer_that_is_missing(
    "DELETE FROM transfers WHERE amount = 2",
    &[Rule::Transfer]
)]
#[case::a_transfer_that_was_changed(
    "UPDATE transfers SET amount = 3 WHERE amount = 2",
    &[Rule::Transfer]
)]
#[case::money_held_for_nothing(
    "UPDATE accounts SET held = 1 WHERE balance = 7",
    &[Rule::Held]
)]
#[case::a_hold_without_its_money(
    "INSERT INTO holds SELECT gen_random_uuid(), 'held', id, currency, minor_units, 1, now() + interval '1 h', NULL, now(), now() FROM accounts WHERE balance = 7",
    &[Rule::Held]
)]
#[case::the_worlds_debt(
    "UPDATE accounts SET balance = balance + 5 WHERE kind = 'world' AND currency = 'USD'",
    &[Rule::Balance, Rule::World]
)]
#[tokio::test]
async fn each_kind_of_drift_is_found(#[case] sql: &str, #[case] expected: &[Rule]) {
    let bank = busy().await;
    assert_eq!(ledger(&bank).reconcile().await.unwrap(), []);
    plant(&bank, sql).await;
    let drift = ledger(&bank).reconcile().await.unwrap();
    let mut found: Vec<Rule> = drift.iter().map(|drift| drift.rule).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{drift:?}");
}

#[tokio::test]
async fn an_operator_hears_of_drift_by_where_and_by_the_exit_code() {
    let bank = busy().await;
    plant(
        &bank,
        "UPDATE accounts SET balance = balance + 5 WHERE balance = 7",
    )
    .await;
    let output = reconcile(&bank);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("12.00 USD instead of 7.00"), "{said}");
    assert!(
        said.contains("world: -10.00 USD instead of -15.00"),
        "{said}"
    );
}
