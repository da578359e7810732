//! What ends sessions while something else goes on leaves none alive.

use futures::future::join_all;
use http::StatusCode;
use serde_json::json;

use crate::helpers::{Answer, OTHER, PASSWORD, TestApp, Tokens};

async fn sign_in(app: &TestApp, password: &str) -> Answer {
    let body = json!({ "identifier": "ann@example.com", "password": password });
    app.post("/v1/auth/login", None, &body).await
}

/// Whether any of both tokens is good for anything.
async fn lives(app: &TestApp, tokens: &Tokens) -> bool {
    app.is_alive(tokens).await || app.refresh(&tokens.refresh).await.status == StatusCode::OK
}

#[tokio::test]
async fn refreshing_while_signing_out_leaves_nothing_alive() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    for round in 0..12 {
        let tokens = app.login("ann@example.com").await.tokens();
        let path = ["/v1/auth/logout", "/v1/auth/logout-all"][round % 2];
        let body = json!({});
        let (refreshed, ended) = tokio::join!(
            app.refresh(&tokens.refresh),
            app.post(path, Some(&tokens.access), &body),
        );
        ended.expect(StatusCode::NO_CONTENT);
        if refreshed.status == StatusCode::OK {
            assert!(!lives(&app, &refreshed.tokens()).await, "round {round}");
        }
        assert!(!lives(&app, &tokens).await, "round {round}");
    }
}

#[tokio::test]
async fn signing_in_and_refreshing_while_the_password_changes_leaves_one_session_alive() {
    let app = TestApp::start().await;
    let mut tokens = app.signed_in("ann@example.com").await;
    let passwords = [PASSWORD, OTHER];
    for round in 0..8 {
        let (current, new) = (passwords[round % 2], passwords[(round + 1) % 2]);
        let other = sign_in(&app, current).await.tokens();
        let sign_ins = join_all((0..4).map(|_| sign_in(&app, current)));
        let body = json!({ "current_password": current, "new_password": new });
        let (changed, sign_ins, own, others) = tokio::join!(
            app.post("/v1/auth/update-password", Some(&tokens.access), &body),
            sign_ins,
            app.refresh(&tokens.refresh),
            app.refresh(&other.refresh),
        );
        changed.expect(StatusCode::NO_CONTENT);
        let opened = sign_ins.iter().chain([&others]);
        for answer in opened.filter(|answer| answer.status == StatusCode::OK) {
            assert!(!lives(&app, &answer.tokens()).await, "round {round}");
        }
        assert!(!lives(&app, &other).await, "round {round}");
        tokens = own.expect(StatusCode::OK).tokens();
    }
}

#[tokio::test]
async fn signing_in_and_refreshing_while_the_password_is_reset_leaves_nothing_alive() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    let body = json!({ "identifier": "ann@example.com" });
    let asked = app.post("/v1/auth/reset-password", None, &body).await;
    asked.expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann@example.com").await;
    let body = json!({ "identifier": "ann@example.com", "code": code, "new_password": OTHER });
    let (reset, sign_ins, refreshed) = tokio::join!(
        app.post("/v1/auth/confirm-reset-password", None, &body),
        join_all((0..6).map(|_| sign_in(&app, PASSWORD))),
        app.refresh(&tokens.refresh),
    );
    reset.expect(StatusCode::NO_CONTENT);
    for answer in sign_ins.iter().chain([&refreshed]) {
        if answer.status == StatusCode::OK {
            assert!(!lives(&app, &answer.tokens()).await);
        }
    }
    assert!(!lives(&app, &tokens).await);
}

#[tokio::test]
async fn many_sign_ins_at_the_moment_of_a_rehash_all_succeed() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let mut settings = app.settings.clone();
    settings.passwords.memory_kib = 128;
    settings.passwords.concurrency = 8;
    let other = app.replica_with(settings).await;
    let answers = join_all((0..8).map(|_| sign_in(&other, PASSWORD))).await;
    for answer in answers {
        answer.expect(StatusCode::OK);
    }
    let hash: String = sqlx::query_scalar("SELECT password FROM credentials")
        .fetch_one(&mut app.superuser().await)
        .await
        .unwrap();
    assert!(hash.contains("m=128,"), "{hash}");
}
