use chrono::TimeDelta;
use http::{Method, StatusCode};
use platform::clock::Clock as _;
use serde_json::json;
use sqlx::Connection as _;

use super::house::House;
use crate::{
    helpers::{Answer, PASSWORD, eventually},
    races::until_refused,
};

#[tokio::test]
async fn who_deactivates_is_out_everywhere_and_comes_back_with_the_right_password() {
    let house = House::new().await;
    let app = &house.app;
    let other = app.replica().await;
    let ann = house.person("ann").await;
    let phone = app.login(&ann.email).await.expect(StatusCode::OK).tokens();
    let gone = house.deactivate(&ann).await.expect(StatusCode::NO_CONTENT);
    let cookie = gone.header("set-cookie").unwrap();
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
    for tokens in [&ann.tokens, &phone] {
        assert!(!app.lives(tokens).await);
        eventually("the other replica knows", async || {
            !other.lives(tokens).await
        })
        .await;
    }

    let wrong = app.login_with(&ann.email, "not the password").await;
    wrong.expect(StatusCode::UNAUTHORIZED);
    app.advance(TimeDelta::days(29));
    let back = app.login(&ann.email).await.expect(StatusCode::OK).tokens();
    assert!(app.lives(&back).await);
    assert!(!app.lives(&ann.tokens).await, "what ended stays so");
}

#[tokio::test]
async fn who_comes_back_too_late_hears_what_a_wrong_password_hears() {
    let house = House::new().await;
    let app = &house.app;
    let ann = house.person("ann").await;
    house.deactivate(&ann).await.expect(StatusCode::NO_CONTENT);
    app.advance(TimeDelta::days(30) + TimeDelta::seconds(1));
    let late = app.login(&ann.email).await.expect(StatusCode::UNAUTHORIZED);
    let unknown = app.login("nobody@example.com").await;
    assert_eq!(late.code(), unknown.code());
    assert_eq!(late.json()["detail"], unknown.json()["detail"]);
}

#[tokio::test]
async fn leaving_needs_a_proof_that_is_fresh() {
    let house = House::new().await;
    let app = &house.app;
    let mut ann = house.person("ann").await;
    app.advance(TimeDelta::seconds(601));
    let renewed = app.refresh(&ann.tokens.refresh).await;
    ann.tokens = renewed.expect(StatusCode::OK).tokens();
    for refused in [house.deactivate(&ann).await, house.delete(&ann).await] {
        assert_eq!(
            refused.expect(StatusCode::FORBIDDEN).code(),
            "step_up_required"
        );
    }
    app.step_up(&ann.tokens, &json!({ "password": PASSWORD }))
        .await
        .expect(StatusCode::NO_CONTENT);
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);

    let cookie = {
        house.person("cora").await;
        app.cookie("cora@example.com").await
    };
    for (method, path) in [
        (Method::POST, "/v1/me/deactivate"),
        (Method::DELETE, "/v1/me"),
    ] {
        let request = app.request(method, path).header("cookie", &cookie);
        let refused = Answer::of(request).await.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused.code(), "csrf");
    }
}

#[tokio::test]
async fn nobody_is_deleted_while_money_or_an_order_is_there() {
    let house = House::new().await;
    let app = &house.app;
    let ann = house.person("ann").await;
    let refused = async |codes: &[&str]| {
        let answer = house.delete(&ann).await;
        let answer = answer.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.code(), "obligations_remain");
        let json = answer.json();
        let errors = json["errors"].as_array().unwrap().iter();
        let named: Vec<_> = errors
            .map(|error| error["code"].as_str().unwrap())
            .collect();
        assert_eq!(named, codes);
    };
    let account = house.account(&ann, "5.00", "2.00").await;
    let order = house.order(&ann).await;
    refused(&["balance", "hold", "open_order"]).await;
    house.cancel(order).await;
    refused(&["balance", "hold"]).await;
    assert!(app.lives(&ann.tokens).await);

    let mut sql = app.superuser().await;
    sqlx::Executor::execute(&mut sql, "SET session_replication_role = replica")
        .await
        .unwrap();
    sqlx::query("UPDATE accounts SET balance = 0, held = 0 WHERE id = $1")
        .bind(account)
        .execute(&mut sql)
        .await
        .unwrap();
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    let status: String = sqlx::query_scalar("SELECT status::text FROM accounts WHERE id = $1")
        .bind(account)
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert_eq!(status, "closed");
}

#[tokio::test]
async fn while_orders_cannot_be_asked_nobody_is_deleted() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let refused = House::delete_at(&house.cut_off().await, &ann).await;
    let refused = refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.code(), "unavailable");
    assert!(refused.header("retry-after").is_some());
    assert!(house.app.lives(&ann.tokens).await);
}

#[tokio::test]
async fn a_deleted_users_proofs_are_worth_nothing_and_the_address_is_free() {
    let house = House::new().await;
    let app = &house.app;
    let other = app.replica().await;
    let ann = house.person("ann").await;
    let cookie = app.cookie(&ann.email).await;
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    assert!(!app.lives(&ann.tokens).await);
    eventually("the other replica knows", async || {
        let request = other.request(Method::GET, "/v1/me");
        let by_cookie = Answer::of(request.header("cookie", &cookie)).await.status;
        let by_token = other.lives(&ann.tokens).await;
        !by_token && by_cookie == StatusCode::UNAUTHORIZED
    })
    .await;
    app.login(&ann.email).await.expect(StatusCode::UNAUTHORIZED);
    let again = app.user(&ann.email).await;
    assert_ne!(again["id"], json!(ann.id));
    app.login(&ann.email).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn who_is_to_be_erased_is_told_when() {
    let house = House::new().await;
    let worker = house.app.worker().await;
    let ann = house.person("ann").await;
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    let day = house.app.clock.now() + TimeDelta::days(30);
    let day = day.format("%Y-%m-%d").to_string();
    eventually("a mail", async || {
        let mails = worker.mails_to(&ann.email);
        mails
            .iter()
            .any(|mail| mail.contains("deleted") && mail.contains(&day))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_cannot_outrun_a_departure() {
    let house = House::new().await;
    let app = &house.app;
    let mut before = 0;
    for round in 0..6 {
        let ann = house.person(&format!("ann{round}")).await;
        let sign_in = async || app.login(&ann.email).await;
        let (gone, opened) = tokio::join!(house.delete(&ann), until_refused(sign_in));
        gone.expect(StatusCode::NO_CONTENT);
        for tokens in &opened {
            assert!(!app.lives(tokens).await, "round {round}");
        }
        before += opened.len();
    }
    assert!(before > 0, "nobody signed in before it was too late");
}

#[tokio::test]
async fn no_account_is_opened_behind_the_back_of_a_deletion() {
    let house = House::new().await;
    let app = &house.app;
    let ann = house.person("ann").await;
    let mut deleting = app.superuser().await;
    let mut deletion = deleting.begin().await.unwrap();
    sqlx::query("UPDATE users SET status = 'deleted', deleted_at = now(), erase_after = now() WHERE email = $1")
        .bind(&ann.email)
        .execute(&mut *deletion)
        .await
        .unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE")
        .execute(&mut *deletion)
        .await
        .unwrap();
    let body = json!({ "currency": "EUR" });
    let (answer, ()) = tokio::join!(
        app.post("/v1/accounts", Some(&ann.tokens.access), &body),
        async {
            let waits = async || app.waiting_for_locks().await > 0;
            eventually("it waits for the deletion", waits).await;
            deletion.commit().await.unwrap();
        }
    );
    answer.expect(StatusCode::UNAUTHORIZED);
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM accounts WHERE kind = 'user' AND currency = 'EUR'",
    )
    .fetch_one(&mut app.superuser().await)
    .await
    .unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn accounts_are_closed_behind_what_happened_in_them_whatever_a_slow_clock_says() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let account = house.account(&ann, "0", "0").await;
    house.app.advance(TimeDelta::seconds(-10));
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    let closed = "SELECT status = 'closed' AND closed_at >= created_at FROM accounts WHERE id = $1";
    let mut sql = house.app.superuser().await;
    let closed: bool = sqlx::query_scalar(closed)
        .bind(account)
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert!(closed);
}
