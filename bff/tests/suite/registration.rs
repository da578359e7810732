//! Registering with a code.

use futures::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::helpers::{PASSWORD, TestApp};

fn registration(identifier: &str, code: &str) -> Value {
    json!({ "identifier": identifier, "code": code, "password": PASSWORD, "full_name": "Ann Lee" })
}

#[tokio::test]
async fn a_code_comes_by_mail_and_registers_its_owner() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let sent = app
        .ask("Ann@Example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED)
        .json();
    assert_eq!(sent, json!({ "expires_in": 300, "resend_after": 60 }));
    let code = worker.code_for("Ann@example.com").await;
    let mut body = registration("ann@example.com", &code);
    body["username"] = json!("Ann_Lee");
    body["birth_date"] = json!("1990-12-31");
    let answer = app
        .post("/v1/auth/register", None, &body)
        .await
        .expect(StatusCode::CREATED);
    let user = &answer.json()["user"];
    assert_eq!(user["username"], "Ann_Lee");
    assert_eq!(user["birth_date"], "1990-12-31");
    assert!(user["email_verified_at"].is_string());
    app.get("/v1/me", Some(&answer.tokens().access))
        .await
        .expect(StatusCode::OK);
    for identifier in ["ann_lee", "ANN@EXAMPLE.COM"] {
        app.login(identifier).await.expect(StatusCode::OK);
    }
    app.register("ann@example.com", &code)
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_code_comes_by_sms_too() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("(415) 555-2671", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("+14155552671").await;
    let answer = app
        .register("+1 415 555 2671", &code)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(answer.json()["user"]["phone"], "+14155552671");
}

#[tokio::test]
async fn one_code_in_fifty_requests_at_once_registers_one_user() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann@example.com").await;
    let answers = join_all((0..50).map(|_| app.register("ann@example.com", &code))).await;
    let made = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::CREATED)
        .count();
    assert_eq!(made, 1);
    let rest = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::UNPROCESSABLE_ENTITY)
        .count();
    assert_eq!(rest, 49);
}

#[tokio::test]
async fn a_refused_password_or_name_leaves_the_code_good() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("bob@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("bob@example.com").await;
    for (password, expected) in [
        ("short", "too_short"),
        ("password1", "too_guessable"),
        ("Lee, bob@example.com!", "contains_identity"),
    ] {
        let mut body = registration("bob@example.com", &code);
        body["password"] = json!(password);
        let answer = app
            .post("/v1/auth/register", None, &body)
            .await
            .expect(StatusCode::BAD_REQUEST);
        assert_eq!(answer.pointers()[0], "/password");
        assert!(
            answer.json()["errors"].to_string().contains(expected),
            "{}",
            answer.json()
        );
    }
    app.register("bob@example.com", &code)
        .await
        .expect(StatusCode::CREATED);
}
