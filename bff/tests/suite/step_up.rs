//! Proving again who one is, and what needs it.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use crate::helpers::{Answer, PASSWORD, TestApp, Tokens};

/// Ten minutes and a moment later, with a token that is good again.
async fn later(app: &TestApp, tokens: &Tokens) -> Tokens {
    app.advance(TimeDelta::seconds(601));
    let answer = app.refresh(&tokens.refresh).await;
    answer.expect(StatusCode::OK).tokens()
}

async fn ask(app: &TestApp, tokens: &Tokens, identifier: &str) -> Answer {
    app.ask(identifier, "step_up", Some(&tokens.access)).await
}

#[tokio::test]
async fn exactly_one_proof_is_wanted() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    for body in [
        json!({}),
        json!({ "password": PASSWORD, "code": "123456" }),
        json!({ "password": null }),
    ] {
        let answer = app.step_up(&tokens, &body).await;
        let answer = answer.expect(StatusCode::BAD_REQUEST);
        assert_eq!(answer.pointers(), ["/password", "/code"]);
    }
    let body = json!({ "password": PASSWORD });
    app.post("/v1/auth/step-up", None, &body)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_code_proves_its_owner_once() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    ask(&app, &tokens, "Ann@Example.com")
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann@example.com").await;
    let proof = json!({ "code": code });
    app.step_up(&tokens, &proof.clone())
        .await
        .expect(StatusCode::NO_CONTENT);
    let again = app.step_up(&tokens, &proof).await;
    let again = again.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(again.code(), "invalid_code");
}

#[tokio::test]
async fn a_code_goes_to_ones_own_addresses_alone() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    app.user("bob@example.com").await;
    let own = ask(&app, &tokens, "ann@example.com").await;
    let other = ask(&app, &tokens, "bob@example.com").await;
    let unknown = ask(&app, &tokens, "+14155552671").await;
    let own = own.expect(StatusCode::ACCEPTED).json();
    assert_eq!(other.expect(StatusCode::ACCEPTED).json(), own);
    assert_eq!(unknown.expect(StatusCode::ACCEPTED).json(), own);
    worker.code_for("ann@example.com").await;
    worker.all_handled(&app).await;
    assert_eq!(worker.recipients().await, ["ann@example.com"]);
}

#[tokio::test]
async fn codes_for_someone_signed_in_are_not_for_others() {
    let app = TestApp::start().await;
    for purpose in ["step_up", "add_identifier"] {
        app.ask("ann@example.com", purpose, None)
            .await
            .expect(StatusCode::UNAUTHORIZED);
    }
    // Has a call of its own.
    let answer = app.ask("ann@example.com", "reset_password", None).await;
    let answer = answer.expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.pointers(), ["/purpose"]);
}

#[tokio::test]
async fn a_code_for_one_purpose_is_worth_nothing_for_another() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann@example.com").await;
    let answer = app.step_up(&tokens, &json!({ "code": code })).await;
    answer.expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_stolen_session_guesses_no_password() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    for _ in 0..5 {
        let wrong = app
            .step_up(&tokens, &json!({ "password": "not the password" }))
            .await;
        let wrong = wrong.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(wrong.code(), "invalid_credentials");
    }
    let right = json!({ "password": PASSWORD });
    app.step_up(&tokens, &right.clone())
        .await
        .expect(StatusCode::UNAUTHORIZED);
    // The failures count at sign-in too.
    app.login("ann@example.com")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.advance(TimeDelta::milliseconds(1_100));
    app.step_up(&tokens, &right)
        .await
        .expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_ended_session_stays_ended_whatever_is_proved() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let tokens = app.signed_in("ann@example.com").await;
    let tokens = later(&app, &tokens).await;
    app.post("/v1/auth/logout-all", Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    for replica in [&app, &other] {
        let answer = replica
            .step_up(&tokens, &json!({ "password": PASSWORD }))
            .await;
        answer.expect(StatusCode::UNAUTHORIZED);
    }
    app.refresh(&tokens.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}
