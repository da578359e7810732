//! One-time codes: how many are sent, how often one may guess, when they end.

use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use serde_json::json;

use crate::helpers::{Answer, OTHER, TestApp, Tokens};

/// Uses a code of one of the four purposes.
async fn redeem(app: &TestApp, tokens: &Tokens, purpose: usize, code: &str) -> Answer {
    let own = json!({ "identifier": "ann@example.com", "code": code });
    let reset = json!({ "identifier": "ann@example.com", "code": code, "new_password": OTHER });
    let (token, step_up) = (Some(tokens.access.as_str()), json!({ "code": code }));
    match purpose {
        0 => app.register("ann@example.com", code).await,
        1 => app.post("/v1/me/identifiers", token, &own).await,
        2 => app.post("/v1/auth/step-up", token, &step_up).await,
        _ => {
            let path = "/v1/auth/confirm-reset-password";
            app.post(path, None, &reset).await
        }
    }
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

/// A code for each of the four purposes, all of one address.
async fn four_codes(app: &TestApp, tokens: &Tokens) -> Vec<String> {
    let worker = app.worker().await;
    let mut codes = Vec::new();
    for purpose in ["registration", "add_identifier", "step_up", "reset"] {
        let asked = match purpose {
            "reset" => {
                let body = json!({ "identifier": "ann@example.com" });
                app.post("/v1/auth/reset-password", None, &body).await
            }
            purpose => {
                let token = Some(tokens.access.as_str());
                app.ask("ann@example.com", purpose, token).await
            }
        };
        asked.expect(StatusCode::ACCEPTED);
        codes.push(worker.code_number("ann@example.com", codes.len()).await);
        app.advance(TimeDelta::seconds(1));
    }
    codes
}

#[tokio::test]
async fn guesses_at_once_are_counted_over_all_purposes_of_an_address() {
    for (guesses, is_spent) in [(3, false), (4, true)] {
        let app = TestApp::with(|settings| {
            settings.codes.resend_after_s = platform::config::Seconds(0);
            settings.codes.send_burst = 10;
        })
        .await;
        let tokens = app.signed_in("ann@example.com").await;
        let codes = four_codes(&app, &tokens).await;
        let wrong: Vec<_> = codes.iter().map(|code| another(code)).collect();
        let all = (0..4 * guesses).map(|n| redeem(&app, &tokens, n % 4, &wrong[n % 4]));
        for answer in join_all(all).await {
            let answer = answer.expect(StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(answer.code(), "invalid_code");
        }
        // No code has lost its five attempts; sixteen are more than the address has.
        for (purpose, code) in codes.iter().enumerate() {
            let answer = redeem(&app, &tokens, purpose, code).await;
            let is_refused = answer.status == StatusCode::UNPROCESSABLE_ENTITY;
            assert_eq!(is_refused, is_spent, "{purpose}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn whether_an_address_is_known_shows_in_nothing() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.user("known@example.com").await;
    let known = app
        .ask("known@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let unknown = app
        .ask("unknown@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    assert_eq!(known.json(), unknown.json());
    // Its owner is told by the code that someone tries; taken shows only then.
    let code = worker.code_for("known@example.com").await;
    let answer = app
        .register("known@example.com", &code)
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(answer.pointers(), ["/identifier"]);
}

#[tokio::test]
async fn a_hundred_wrong_codes_at_once_are_five_guesses() {
    for (wrong_ones, status) in [
        (4, StatusCode::CREATED),
        (5, StatusCode::UNPROCESSABLE_ENTITY),
        (100, StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        // The address itself may be guessed at for longer.
        let app = TestApp::with(|settings| settings.codes.attempts_per_hour = 1_000).await;
        let worker = app.worker().await;
        app.ask("ann@example.com", "registration", None)
            .await
            .expect(StatusCode::ACCEPTED);
        let code = worker.code_for("ann@example.com").await;
        let wrong = another(&code);
        let guesses = (0..wrong_ones).map(|_| app.register("ann@example.com", &wrong));
        for answer in join_all(guesses).await {
            let answer = answer.expect(StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(answer.code(), "invalid_code");
        }
        let right = app.register("ann@example.com", &code).await;
        assert_eq!(right.status, status, "after {wrong_ones}");
    }
}

#[tokio::test]
async fn guesses_are_counted_over_all_codes_of_an_address() {
    let app = TestApp::with(|settings| settings.codes.send_burst = 10).await;
    let worker = app.worker().await;
    for round in 0..3 {
        app.ask("ann@example.com", "registration", None)
            .await
            .expect(StatusCode::ACCEPTED);
        let code = worker.code_number("ann@example.com", round).await;
        for _ in 0..5 {
            app.register("ann@example.com", &another(&code)).await;
        }
        app.advance(TimeDelta::seconds(61));
    }
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_number("ann@example.com", 3).await;
    // Fifteen wrong guesses within the hour: not even the right one counts.
    app.register("ann@example.com", &code)
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_code_is_good_for_five_minutes_and_no_longer() {
    for (seconds, status) in [
        (299, StatusCode::CREATED),
        (301, StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let app = TestApp::standing_still(|_| ()).await;
        let worker = app.worker().await;
        app.ask("ann@example.com", "registration", None)
            .await
            .expect(StatusCode::ACCEPTED);
        let code = worker.code_for("ann@example.com").await;
        app.advance(TimeDelta::seconds(seconds));
        let answer = app.register("ann@example.com", &code).await;
        assert_eq!(answer.status, status, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_new_code_voids_the_one_before() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let first = worker.code_number("ann@example.com", 0).await;
    app.advance(TimeDelta::seconds(61));
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let second = worker.code_number("ann@example.com", 1).await;
    // One in a million is the same again.
    if first != second {
        app.register("ann@example.com", &first)
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
    }
    app.register("ann@example.com", &second)
        .await
        .expect(StatusCode::CREATED);
}
