use crate::{accounts_with, each_is_refused, try_out, untried};

const BASE: &str = include_str!("money_base.sql");

const CASES: &str = include_str!("money.sql");

#[tokio::test]
async fn each_bad_state_of_money_is_refused_by_name() {
    let (_database, mut connection) = accounts_with(BASE).await;
    each_is_refused(&mut connection, CASES).await;
    let tables = [
        "currencies",
        "accounts",
        "transfers",
        "entries",
        "holds",
        "idempotency_keys",
    ];
    let untried = untried(&mut connection, &tables, CASES).await;
    assert_eq!(untried, Vec::<String>::new());
}

#[tokio::test]
async fn a_payment_is_held_then_captured() {
    let (_database, mut connection) = accounts_with(BASE).await;
    let hold = "SELECT hold(9, 100), held(100)";
    try_out(&mut connection, hold, "COMMIT").await.unwrap();
    let capture = "
        SELECT held(-100), move(9, ana(), bea(), 100);
        UPDATE holds SET state = 'captured', transfer_id = id WHERE id = t(9)";
    try_out(&mut connection, capture, "COMMIT").await.unwrap();
    let balance: String = sqlx::query_scalar("SELECT balance::text FROM accounts WHERE id = bea()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(balance, "100");
}

#[tokio::test]
async fn a_closed_account_makes_room_for_another_in_its_currency() {
    let (_database, mut connection) = accounts_with(BASE).await;
    let again = "
        UPDATE accounts SET status = 'closed', closed_at = now() WHERE id = bea();
        SELECT open_account(t(9), 'user', bea(), 'USD')";
    try_out(&mut connection, again, "COMMIT").await.unwrap();
}
