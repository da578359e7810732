use http::StatusCode;
use serde_json::json;

use super::{Bank, transfer, unique, usd};

#[tokio::test]
async fn an_admin_brings_money_in_from_the_world() {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 0).await;
    let path = format!("/v1/admin/accounts/{}/deposit", ann.account);
    let body = json!({ "amount": usd("12.30"), "reason": "Opening gift" });
    let key = unique();
    let first = bank.keyed(&path, &bank.admin, &key, &body).await;
    let first = first.expect(StatusCode::CREATED);
    let again = bank.keyed(&path, &bank.admin, &key, &body).await;
    assert_eq!(again.expect(StatusCode::CREATED).bytes, first.bytes);
    let posted = first.json();
    assert_eq!(posted["transfer"]["note"], "Opening gift");
    assert_eq!(posted["balances"][0]["account_id"], json!(ann.account));
    assert_eq!(posted["balances"][0]["balance"], usd("12.30"));
    assert_eq!(bank.balance(&ann).await, "12.30");
    let world = "SELECT balance::bigint FROM accounts WHERE kind = 'world' AND currency = 'USD'";
    assert_eq!(bank.count(world).await, -12);
}

#[tokio::test]
async fn only_an_admin_may() {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 0).await;
    let path = format!("/v1/admin/accounts/{}/deposit", ann.account);
    let body = json!({ "amount": usd("12.30"), "reason": "For me" });
    let answer = bank.keyed(&path, &ann.token, &unique(), &body).await;
    assert_eq!(answer.expect(StatusCode::FORBIDDEN).code(), "forbidden");
    assert_eq!(bank.balance(&ann).await, "0.00");
}

#[tokio::test]
async fn an_account_and_the_world_hold_less_than_10_to_the_15() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 0).await, bank.person("bob", 1).await);
    let most = usd("999999999999998.99");
    bank.deposit(&ann.account, &most).await;
    assert_eq!(bank.balance(&ann).await, "999999999999998.99");
    let body = transfer(&bob, &ann, "1.00");
    bank.keyed("/v1/transfers", &bob.token, &unique(), &body)
        .await
        .expect(StatusCode::CREATED);
    let path = format!("/v1/admin/accounts/{}/deposit", bob.account);
    let body = json!({ "amount": usd("0.01"), "reason": "One too many" });
    let answer = bank.keyed(&path, &bank.admin, &unique(), &body).await;
    let answer = answer.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "balance_too_large");
}
