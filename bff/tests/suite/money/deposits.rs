use http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

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

#[tokio::test]
async fn the_trail_says_who_brought_money_in_once_for_each_deposit() {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 0).await;
    let path = format!("/v1/admin/accounts/{}/deposit", ann.account);
    let body = json!({ "amount": usd("12.30"), "reason": "Opening gift" });
    let key = unique();
    let posted = bank.keyed(&path, &bank.admin, &key, &body).await;
    let posted = posted.expect(StatusCode::CREATED).json();
    bank.keyed(&path, &bank.admin, &key, &body).await;
    // What is refused leaves no line.
    let most = json!({ "amount": usd("999999999999999.00"), "reason": "Too much" });
    let refused = bank.keyed(&path, &bank.admin, &unique(), &most).await;
    refused.expect(StatusCode::UNPROCESSABLE_ENTITY);

    let me = async |token: &str| bank.app.get("/v1/me", Some(token)).await.json()["id"].clone();
    let trail = "/v1/admin/audit?event=deposit.made";
    let trail = bank.app.get(trail, Some(&bank.admin)).await;
    let trail = trail.expect(StatusCode::OK).json();
    let [line] = &trail["items"].as_array().unwrap()[..] else {
        panic!("{trail}")
    };
    assert_eq!(line["actor_id"], me(&bank.admin).await);
    assert_eq!(line["user_id"], me(&ann.token).await);
    assert_eq!(line["ip"], "127.0.0.1");
    assert_eq!(
        line["detail"],
        json!({ "transfer_id": posted["transfer"]["id"], "account_id": ann.account, "amount": usd("12.30") })
    );
}

#[rstest]
#[case(usd("NaN"), "/amount/amount")]
#[case(usd("1e400"), "/amount/amount")]
#[case(usd("-0.00"), "/amount/amount")]
#[case(usd("-1.00"), "/amount/amount")]
#[case(usd("0.00"), "/amount/amount")]
#[case(usd("0.001"), "/amount/amount")]
#[case(usd("1000000000000000.00"), "/amount/amount")]
#[case(json!({ "amount": "1.5", "currency": "JPY" }), "/amount/amount")]
#[case(json!({ "amount": 1.25, "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "1.00", "currency": "XYZ" }), "/amount/currency")]
#[case(json!(null), "/amount")]
#[tokio::test]
async fn an_amount_that_is_none_is_not_brought_in(#[case] amount: Value, #[case] pointer: &str) {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 0).await;
    let path = format!("/v1/admin/accounts/{}/deposit", ann.account);
    let body = json!({ "amount": amount, "reason": "A test" });
    let answer = bank.keyed(&path, &bank.admin, &unique(), &body).await;
    let answer = answer.expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.pointers(), [pointer]);
    assert_eq!(bank.balance(&ann).await, "0.00");
}
