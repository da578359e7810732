//! Signing in tells nothing to those who guess.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use serde_json::json;

use crate::helpers::{Answer, PASSWORD, TestApp};

#[tokio::test]
async fn a_user_signs_in_and_is_told_who_they_are() {
    let app = TestApp::start().await;
    let user = app.user("Ann@Example.com").await;
    let answer = app.login("ann@example.COM ").await.expect(StatusCode::OK);
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 300);
    assert_eq!(json["user"]["id"], user["id"]);
    let me = app
        .get("/v1/me", Some(&answer.tokens().access))
        .await
        .expect(StatusCode::OK)
        .json();
    assert_eq!(me["email"], "Ann@Example.com");
    assert_eq!(me["role"], "customer");
    assert!(
        me["last_login_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z')),
        "{me}"
    );
}

#[tokio::test]
async fn an_html_form_signs_in_as_well() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let form = [("identifier", "ann@example.com"), ("password", PASSWORD)];
    let request = app.request(Method::POST, "/v1/auth/login").form(&form);
    Answer::of(request).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn every_wrong_sign_in_is_answered_alike() {
    let app = TestApp::standing_still(|_| ()).await;
    app.user("ann@example.com").await;
    app.user("blocked@example.com").await;
    let mut db = app.superuser().await;
    sqlx::query("UPDATE users SET status = 'blocked' WHERE email = 'blocked@example.com'")
        .execute(&mut db)
        .await
        .unwrap();
    let attempt = async |identifier: &str, password: &str| {
        let answer = app.login_with(identifier, password).await;
        assert_eq!(answer.code(), "invalid_credentials");
        answer.telling()
    };
    let wrong = attempt("ann@example.com", "not the password").await;
    assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
    assert_eq!(attempt("nobody@example.com", PASSWORD).await, wrong);
    assert_eq!(attempt("nobody", PASSWORD).await, wrong);
    assert_eq!(attempt("+14155552671", PASSWORD).await, wrong);
    assert_eq!(attempt("blocked@example.com", PASSWORD).await, wrong);
    // One that has to wait, and one whose owner is gone.
    for _ in 0..5 {
        attempt("ann@example.com", "not the password").await;
    }
    assert_eq!(attempt("ann@example.com", PASSWORD).await, wrong);
    let gone = app.signed_in("gone@example.com").await.access;
    app.post("/v1/me/deactivate", Some(&gone), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    assert_eq!(attempt("gone@example.com", "not the password").await, wrong);
}

#[tokio::test]
async fn after_five_failures_even_the_right_password_has_to_wait() {
    let app = TestApp::standing_still(|_| ()).await;
    app.user("ann@example.com").await;
    let wrong = async || app.login_with("ann@example.com", "not the password").await;
    for _ in 0..5 {
        wrong().await.expect(StatusCode::UNAUTHORIZED);
    }
    app.login("ann@example.com")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.advance(TimeDelta::seconds(1));
    app.login("ann@example.com").await.expect(StatusCode::OK);
    // A sign-in wipes the slate.
    wrong().await.expect(StatusCode::UNAUTHORIZED);
    app.login("ann@example.com").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn waits_double_until_they_are_fifteen_minutes() {
    let app = TestApp::standing_still(|_| ()).await;
    app.user("ann@example.com").await;
    let wrong = async || {
        let answer = app.login_with("ann@example.com", "not the password").await;
        answer.expect(StatusCode::UNAUTHORIZED);
    };
    for _ in 0..4 {
        wrong().await;
    }
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
        wrong().await;
        app.advance(TimeDelta::seconds(seconds) - TimeDelta::milliseconds(1));
        app.login("ann@example.com")
            .await
            .expect(StatusCode::UNAUTHORIZED);
        app.advance(TimeDelta::milliseconds(1));
    }
    app.login("ann@example.com").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn sign_ins_are_written_down_without_whole_addresses() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    app.login("ann@example.com").await.expect(StatusCode::OK);
    app.login("nobody@example.com")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    let mut db = app.superuser().await;
    let trail: Vec<(String, String)> =
        sqlx::query_as("SELECT event, subject FROM audit_log ORDER BY at, id")
            .fetch_all(&mut db)
            .await
            .unwrap();
    assert_eq!(
        trail,
        [
            ("session.opened".to_owned(), "a***@example.com".to_owned()),
            ("session.refused".to_owned(), "n***@example.com".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_stored_hash_with_old_parameters_is_renewed() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let mut db = app.superuser().await;
    let old: String = sqlx::query_scalar("SELECT password FROM credentials")
        .fetch_one(&mut db)
        .await
        .unwrap();
    let app = {
        let mut settings = app.settings.clone();
        settings.passwords.memory_kib = 128;
        app.replica_with(settings).await
    };
    app.login("ann@example.com").await.expect(StatusCode::OK);
    let new: String = sqlx::query_scalar("SELECT password FROM credentials")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert!(old.contains("m=64,") && new.contains("m=128,"), "{new}");
    app.login("ann@example.com").await.expect(StatusCode::OK);
}
