use http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Bank, id, transfer, unique, usd};

#[tokio::test]
async fn money_moves_and_both_sides_see_it() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let mut body = transfer(&ann, &bob, "2.50");
    body["note"] = json!("Half of the \"taxi\" 🚕\\");
    let posted = bank
        .keyed("/v1/transfers", &ann.token, &unique(), &body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        posted.header("content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(posted.header("idempotent-replayed"), None);
    let posted = posted.json();
    // The sender sees the balance of the own account alone.
    let balance = json!({ "account_id": ann.account, "balance": usd("7.50"), "held": usd("0.00"), "available": usd("7.50") });
    assert_eq!(posted["balances"], json!([balance]));

    // What the database writes for the answer is what everyone reads later.
    let path = format!(
        "/v1/transfers/{}",
        posted["transfer"]["id"].as_str().unwrap()
    );
    for party in [&ann, &bob] {
        let shown = bank.app.get(&path, Some(&party.token)).await;
        assert_eq!(shown.expect(StatusCode::OK).json(), posted["transfer"]);
        let list = bank
            .app
            .get("/v1/transfers?limit=1", Some(&party.token))
            .await;
        assert_eq!(list.json()["items"][0], posted["transfer"]);
    }
    assert_eq!(posted["transfer"]["note"], body["note"]);
    assert_eq!(posted["transfer"]["from_account_id"], json!(ann.account));
    assert_eq!(bank.balance(&bob).await, "2.50");
}

#[tokio::test]
async fn nothing_is_converted_between_ones_own_accounts() {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 10).await;
    let euros = bank.account(&ann.token, "EUR").await;
    let body =
        json!({ "from_account_id": ann.account, "to_account_id": euros, "amount": usd("1.00") });
    let answer = bank
        .keyed("/v1/transfers", &ann.token, &unique(), &body)
        .await;
    assert_eq!(
        answer.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
        "currency_mismatch"
    );
}

#[tokio::test]
async fn transfers_are_listed_newest_first_over_all_accounts() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 10).await);
    for (from, to) in [(&ann, &bob), (&bob, &ann), (&ann, &bob)] {
        bank.transfer(from, to, "1.00")
            .await
            .expect(StatusCode::CREATED);
    }
    let euros = bank.account(&ann.token, "EUR").await;
    bank.deposit(&euros, &json!({ "amount": "3.00", "currency": "EUR" }))
        .await;
    let transfers = bank.app.pages("/v1/transfers?limit=2", &ann.token).await;
    let ids: Vec<_> = transfers.iter().map(id).collect();
    // Three with Bob and two deposits.
    assert_eq!(ids.len(), 5);
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
}

#[tokio::test]
async fn what_the_rules_refuse_moves_nothing() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 10).await);
    let yen = bank.account(&bob.token, "JPY").await;
    let refused = async |body: Value| {
        bank.keyed("/v1/transfers", &ann.token, &unique(), &body)
            .await
    };
    let nobody = uuid::Uuid::nil().to_string();
    let cases = [
        (transfer(&ann, &bob, "10.01"), 422, "insufficient_funds"),
        (transfer(&ann, &ann, "1.00"), 422, "same_account"),
        (transfer(&bob, &ann, "1.00"), 404, "not_found"),
        (
            json!({ "from_account_id": ann.account, "to_account_id": yen, "amount": usd("1.00") }),
            422,
            "currency_mismatch",
        ),
        (
            json!({ "from_account_id": ann.account, "to_account_id": bob.account, "amount": { "amount": "1", "currency": "JPY" } }),
            422,
            "currency_mismatch",
        ),
        (
            json!({ "from_account_id": nobody, "to_account_id": bob.account, "amount": usd("1.00") }),
            404,
            "not_found",
        ),
        (
            json!({ "from_account_id": ann.account, "to_account_id": nobody, "amount": usd("1.00") }),
            404,
            "not_found",
        ),
    ];
    for (body, status, code) in cases {
        let answer = refused(body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}");
        assert_eq!(answer.code(), code, "{body}");
    }
    // The house's accounts are nobody's, and nobody can pay into them.
    let house = "SELECT id::text FROM accounts WHERE kind <> 'user' AND currency = 'USD'";
    let mut db = bank.app.superuser().await;
    let house: Vec<String> = sqlx::query_scalar(house).fetch_all(&mut db).await.unwrap();
    assert_eq!(house.len(), 3);
    for account in house {
        for (from, to) in [(&account, &ann.account), (&ann.account, &account)] {
            let body =
                json!({ "from_account_id": from, "to_account_id": to, "amount": usd("1.00") });
            refused(body).await.expect(StatusCode::NOT_FOUND);
        }
    }
    assert_eq!(bank.balance(&ann).await, "10.00");
    assert_eq!(bank.balance(&bob).await, "10.00");
    assert_eq!(bank.count("SELECT count(*) FROM transfers").await, 2);
}

#[rstest]
#[case(json!({ "amount": "NaN", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "Infinity", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "1e400", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "-0.00", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "-0", "currency": "JPY" }), "/amount/amount")]
#[case(json!({ "amount": "0.00", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "-1.00", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "0.001", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "1.5", "currency": "JPY" }), "/amount/amount")]
#[case(json!({ "amount": "1", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "1234567890123456789012345678901234567890", "currency": "JPY" }), "/amount/amount")]
#[case(json!({ "amount": "1000000000000000.00", "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": 1.25, "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": null, "currency": "USD" }), "/amount/amount")]
#[case(json!({ "currency": "USD" }), "/amount/amount")]
#[case(json!({ "amount": "1.00", "currency": "XYZ" }), "/amount/currency")]
#[case(json!({ "amount": "1.00" }), "/amount/currency")]
#[case(json!({ "amount": "1.00", "currency": "USD", "scale": 2 }), "/amount/scale")]
#[case(json!("1.00"), "/amount")]
#[case(json!(null), "/amount")]
#[tokio::test]
async fn an_amount_that_is_none_is_refused_by_field(#[case] amount: Value, #[case] pointer: &str) {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 10).await;
    let body =
        json!({ "from_account_id": ann.account, "to_account_id": ann.account, "amount": amount });
    let answer = bank
        .keyed("/v1/transfers", &ann.token, &unique(), &body)
        .await;
    let answer = answer.expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.code(), "invalid_request");
    assert_eq!(answer.pointers(), [pointer]);
}

#[tokio::test]
async fn every_faulty_field_is_named_at_once() {
    let bank = Bank::open().await;
    let body =
        json!({ "from_account_id": 7, "amount": "1", "note": "x".repeat(201), "fee": "0.00" });
    let answer = bank
        .keyed("/v1/transfers", &bank.admin, &unique(), &body)
        .await;
    let mut pointers = answer.expect(StatusCode::BAD_REQUEST).pointers();
    pointers.sort_unstable();
    let expected = [
        "/amount",
        "/fee",
        "/from_account_id",
        "/note",
        "/to_account_id",
    ];
    assert_eq!(pointers, expected);
}

#[tokio::test]
async fn nobody_moves_money_without_signing_in() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let body = transfer(&ann, &bob, "1.00");
    let answer = bank.app.post("/v1/transfers", None, &body).await;
    assert_eq!(
        answer.expect(StatusCode::UNAUTHORIZED).code(),
        "unauthenticated"
    );
}
