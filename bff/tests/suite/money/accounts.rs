use http::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Bank, id, transfer, unique, usd};
use crate::helpers::Answer;

async fn patch(bank: &Bank, path: &str, token: &str, body: &Value) -> Answer {
    let request = bank.app.request(Method::PATCH, path).bearer_auth(token);
    Answer::of(request.json(body)).await
}

async fn delete(bank: &Bank, path: &str, token: &str) -> Answer {
    Answer::of(bank.app.request(Method::DELETE, path).bearer_auth(token)).await
}

#[tokio::test]
async fn an_account_is_opened_named_renamed_and_closed() {
    let bank = Bank::open().await;
    let token = bank.app.signed_in("ann@example.com").await.access;
    let body = json!({ "currency": "KWD", "name": " Savings " });
    let opened = bank.app.post("/v1/accounts", Some(&token), &body).await;
    let opened = opened.expect(StatusCode::CREATED).json();
    assert_eq!(opened["name"], "Savings");
    assert_eq!(opened["status"], "open");
    for amount in ["balance", "held", "available"] {
        assert_eq!(
            opened[amount],
            json!({ "amount": "0.000", "currency": "KWD" })
        );
    }
    let path = format!("/v1/accounts/{}", id(&opened));
    let shown = bank.app.get(&path, Some(&token)).await;
    assert_eq!(shown.expect(StatusCode::OK).json(), opened);

    let name = async |body: Value| {
        let answer = patch(&bank, &path, &token, &body).await;
        answer.expect(StatusCode::OK).json()["name"].clone()
    };
    assert_eq!(name(json!({ "name": "Holidays" })).await, "Holidays");
    assert_eq!(name(json!({})).await, "Holidays");
    assert_eq!(name(json!({ "name": null })).await, Value::Null);

    for _ in 0..2 {
        delete(&bank, &path, &token)
            .await
            .expect(StatusCode::NO_CONTENT);
    }
    let shown = bank.app.get(&path, Some(&token)).await;
    assert_eq!(shown.expect(StatusCode::OK).json()["status"], "closed");
    let list = bank.app.get("/v1/accounts", Some(&token)).await;
    assert_eq!(list.expect(StatusCode::OK).json()["items"], json!([]));
    // Its currency is free again.
    bank.account(&token, "KWD").await;
}

#[tokio::test]
async fn a_second_open_account_in_a_currency_is_a_conflict() {
    let bank = Bank::open().await;
    let token = bank.app.signed_in("ann@example.com").await.access;
    bank.account(&token, "USD").await;
    bank.account(&token, "EUR").await;
    let body = json!({ "currency": "USD" });
    let again = bank.app.post("/v1/accounts", Some(&token), &body).await;
    let again = again.expect(StatusCode::CONFLICT);
    assert_eq!(again.code(), "conflict");
    assert_eq!(again.pointers(), ["/currency"]);
}

#[rstest]
#[case(json!({ "currency": "XYZ" }), "/currency")]
#[case(json!({ "currency": "usd" }), "/currency")]
#[case(json!({}), "/currency")]
#[case(json!({ "currency": "USD", "name": "" }), "/name")]
#[case(json!({ "currency": "USD", "name": "x".repeat(101) }), "/name")]
#[case(json!({ "currency": "USD", "balance": "1.00" }), "/balance")]
#[tokio::test]
async fn a_bad_account_is_refused_by_field(#[case] body: Value, #[case] pointer: &str) {
    let bank = Bank::open().await;
    let answer = bank
        .app
        .post("/v1/accounts", Some(&bank.admin), &body)
        .await;
    assert_eq!(answer.expect(StatusCode::BAD_REQUEST).pointers(), [pointer]);
}

#[tokio::test]
async fn an_account_with_money_stays_open() {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 1).await;
    let path = format!("/v1/accounts/{}", ann.account);
    let answer = delete(&bank, &path, &ann.token).await;
    assert_eq!(
        answer.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
        "account_not_empty"
    );
    assert_eq!(bank.balance(&ann).await, "1.00");
}

#[tokio::test]
async fn what_belongs_to_someone_else_is_not_there() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 5).await, bank.person("bob", 5).await);
    let eve = bank.person("eve", 0).await;
    let posted = bank.transfer(&ann, &bob, "1.00").await;
    let transfer = id(&posted.expect(StatusCode::CREATED).json()["transfer"]);
    let account = format!("/v1/accounts/{}", ann.account);
    for path in [
        &account,
        &format!("{account}/entries"),
        &format!("/v1/transfers/{transfer}"),
    ] {
        bank.app
            .get(path, Some(&ann.token))
            .await
            .expect(StatusCode::OK);
        let answer = bank.app.get(path, Some(&eve.token)).await;
        assert_eq!(answer.expect(StatusCode::NOT_FOUND).code(), "not_found");
    }
    let renamed = patch(&bank, &account, &eve.token, &json!({ "name": "Mine" })).await;
    renamed.expect(StatusCode::NOT_FOUND);
    delete(&bank, &account, &eve.token)
        .await
        .expect(StatusCode::NOT_FOUND);
    let list = bank.app.get("/v1/transfers", Some(&eve.token)).await;
    assert_eq!(list.json()["items"], json!([]));
}

#[tokio::test]
async fn entries_are_listed_from_the_newest_back_to_the_first() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    for amount in ["1.00", "2.00", "3.00"] {
        bank.transfer(&ann, &bob, amount)
            .await
            .expect(StatusCode::CREATED);
    }
    let path = format!("/v1/accounts/{}/entries", ann.account);
    let path = format!("{path}?limit=3");
    let entries = bank.app.pages(&path, &ann.token).await;
    let amount = |entry: &Value, name: &str| entry[name]["amount"].as_str().unwrap().to_owned();
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| (amount(entry, "amount"), amount(entry, "balance_after")))
        .collect();
    let expected = [
        ("-3.00", "4.00"),
        ("-2.00", "7.00"),
        ("-1.00", "9.00"),
        ("10.00", "10.00"),
    ];
    assert_eq!(seen, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    // A cursor of this list is none of another.
    let first = bank.app.get(&path, Some(&ann.token)).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    for other in ["/v1/transfers", "/v1/accounts"] {
        let path = format!("{other}?cursor={cursor}");
        let answer = bank.app.get(&path, Some(&ann.token)).await;
        assert_eq!(
            answer.expect(StatusCode::BAD_REQUEST).pointers(),
            ["cursor"]
        );
    }
}

#[tokio::test]
async fn nothing_is_added_to_a_closed_account() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 5).await, bank.person("bob", 0).await);
    let path = format!("/v1/accounts/{}", bob.account);
    delete(&bank, &path, &bob.token)
        .await
        .expect(StatusCode::NO_CONTENT);
    // Whether someone else's account is closed or was never there is the same.
    let answer = bank.transfer(&ann, &bob, "1.00").await;
    let answer = answer.expect(StatusCode::NOT_FOUND);
    assert_eq!(answer.pointers(), ["/to_account_id"]);
    let body = transfer(&bob, &ann, "1.00");
    let own = bank
        .keyed("/v1/transfers", &bob.token, &unique(), &body)
        .await;
    assert_eq!(
        own.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
        "account_closed"
    );
    let path = format!("/v1/admin/accounts/{}/deposit", bob.account);
    let body = json!({ "amount": usd("1.00"), "reason": "late" });
    let deposit = bank.keyed(&path, &bank.admin, &unique(), &body).await;
    deposit.expect(StatusCode::NOT_FOUND);
}
