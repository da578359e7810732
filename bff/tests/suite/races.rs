//! What ends sessions while something else goes on leaves none alive.

use futures::future::join_all;
use http::StatusCode;
use platform::config::Seconds;
use serde_json::json;

use crate::helpers::{Answer, OTHER, PASSWORD, TestApp, Tokens};

const ROUNDS: usize = 6;

/// Asks again and again until it is refused, so that something was asked before
/// the end, during it and after it. Returns what was given until then.
pub async fn until_refused(mut ask: impl AsyncFnMut() -> Answer) -> Vec<Tokens> {
    let mut given = Vec::new();
    for _ in 0..1_000 {
        let answer = ask().await;
        if answer.status == StatusCode::UNAUTHORIZED {
            return given;
        }
        given.push(answer.expect(StatusCode::OK).tokens());
    }
    panic!("what was ended goes on and on");
}

/// Renews a session until that is refused.
async fn refresh_until_refused(app: &TestApp, tokens: &Tokens) -> Vec<Tokens> {
    let mut latest = tokens.refresh.clone();
    let refresh = async || {
        let answer = app.refresh(&latest).await;
        if answer.status == StatusCode::OK {
            latest = answer.tokens().refresh;
        }
        answer
    };
    until_refused(refresh).await
}

async fn none_lives(app: &TestApp, given: &[Tokens], round: usize) {
    for tokens in given {
        assert!(!app.lives(tokens).await, "round {round}");
    }
}

/// An edge that lets a user have as many sessions and codes as the rounds take.
async fn edge() -> TestApp {
    let app = TestApp::with(|settings| {
        settings.sessions.max_per_user = 10_000;
        settings.codes.resend_after_s = Seconds(0);
        settings.codes.send_burst = 1_000;
    })
    .await;
    app.user("ann@example.com").await;
    app
}

#[tokio::test]
async fn refreshing_while_signing_out_leaves_nothing_alive() {
    let app = edge().await;
    let mut before = 0;
    for round in 0..2 * ROUNDS {
        let tokens = app.login("ann@example.com").await.tokens();
        let path = ["/v1/auth/logout", "/v1/auth/logout-all"][round % 2];
        let body = json!({});
        let (refreshed, ended) = tokio::join!(
            refresh_until_refused(&app, &tokens),
            app.post(path, Some(&tokens.access), &body),
        );
        ended.expect(StatusCode::NO_CONTENT);
        none_lives(&app, &refreshed, round).await;
        assert!(!app.lives(&tokens).await, "round {round}");
        before += refreshed.len();
    }
    assert!(before > 0, "no refresh was ever in time");
}

#[tokio::test]
async fn signing_in_and_refreshing_while_the_password_changes_leaves_one_session_alive() {
    let app = edge().await;
    let mut tokens = app.login("ann@example.com").await.tokens();
    let sign_in = |password| app.login_with("ann@example.com", password);
    let passwords = [PASSWORD, OTHER];
    let (mut opened_before, mut refreshed_before) = (0, 0);
    for round in 0..ROUNDS {
        let (current, new) = (passwords[round % 2], passwords[(round + 1) % 2]);
        let other = sign_in(current).await.tokens();
        let body = json!({ "current_password": current, "new_password": new });
        let (changed, opened, own, refreshed) = tokio::join!(
            app.post("/v1/auth/update-password", Some(&tokens.access), &body),
            join_all((0..3).map(|_| until_refused(async || sign_in(current).await))),
            app.refresh(&tokens.refresh),
            refresh_until_refused(&app, &other),
        );
        changed.expect(StatusCode::NO_CONTENT);
        let opened = opened.concat();
        none_lives(&app, &opened, round).await;
        none_lives(&app, &refreshed, round).await;
        assert!(!app.lives(&other).await, "round {round}");
        tokens = own.expect(StatusCode::OK).tokens();
        assert!(app.is_alive(&tokens).await, "round {round}");
        opened_before += opened.len();
        refreshed_before += refreshed.len();
    }
    assert!(
        opened_before > 0 && refreshed_before > 0,
        "nothing was in time"
    );
}

#[tokio::test]
async fn signing_in_and_refreshing_while_the_password_is_reset_leaves_nothing_alive() {
    let app = edge().await;
    let worker = app.worker().await;
    let passwords = [PASSWORD, OTHER];
    let (mut opened_before, mut refreshed_before) = (0, 0);
    for round in 0..ROUNDS {
        let (current, new) = (passwords[round % 2], passwords[(round + 1) % 2]);
        let sign_in = || app.login_with("ann@example.com", current);
        let tokens = sign_in().await.tokens();
        let body = json!({ "identifier": "ann@example.com" });
        let asked = app.post("/v1/auth/reset-password", None, &body).await;
        asked.expect(StatusCode::ACCEPTED);
        let code = worker.code_number("ann@example.com", round).await;
        let body = json!({ "identifier": "ann@example.com", "code": code, "new_password": new });
        let (reset, opened, refreshed) = tokio::join!(
            app.post("/v1/auth/confirm-reset-password", None, &body),
            join_all((0..3).map(|_| until_refused(async || sign_in().await))),
            refresh_until_refused(&app, &tokens),
        );
        reset.expect(StatusCode::NO_CONTENT);
        let opened = opened.concat();
        none_lives(&app, &opened, round).await;
        none_lives(&app, &refreshed, round).await;
        assert!(!app.lives(&tokens).await, "round {round}");
        opened_before += opened.len();
        refreshed_before += refreshed.len();
    }
    assert!(
        opened_before > 0 && refreshed_before > 0,
        "nothing was in time"
    );
}

#[tokio::test]
async fn many_sign_ins_at_the_moment_of_a_rehash_all_succeed() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let mut settings = app.settings.clone();
    settings.passwords.memory_kib = 128;
    settings.passwords.concurrency = 8;
    let other = app.replica_with(settings).await;
    let answers = join_all((0..8).map(|_| other.login_with("ann@example.com", PASSWORD))).await;
    for answer in answers {
        answer.expect(StatusCode::OK);
    }
    let hash: String = sqlx::query_scalar("SELECT password FROM credentials")
        .fetch_one(&mut app.superuser().await)
        .await
        .unwrap();
    assert!(hash.contains("m=128,"), "{hash}");
}
