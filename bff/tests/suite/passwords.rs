//! Changing a password, and choosing one anew.

use bff::identity::settings::PasswordSettings;
use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use serde_json::json;

use crate::helpers::{Answer, OTHER, PASSWORD, TestApp, Tokens};

async fn update(app: &TestApp, tokens: &Tokens, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "new_password": new });
    let path = "/v1/auth/update-password";
    app.post(path, Some(&tokens.access), &body).await
}

async fn reset(app: &TestApp, identifier: &str) -> Answer {
    let body = json!({ "identifier": identifier });
    app.post("/v1/auth/reset-password", None, &body).await
}

async fn confirm(app: &TestApp, identifier: &str, code: &str, new: &str) -> Answer {
    let body = json!({ "identifier": identifier, "code": code, "new_password": new });
    app.post("/v1/auth/confirm-reset-password", None, &body)
        .await
}

#[tokio::test]
async fn changing_it_ends_all_other_sessions() {
    let app = TestApp::start().await;
    let here = app.signed_in("ann@example.com").await;
    let there = app.login("ann@example.com").await.tokens();
    update(&app, &here, PASSWORD, OTHER)
        .await
        .expect(StatusCode::NO_CONTENT);
    assert!(app.is_alive(&here).await);
    app.refresh(&here.refresh).await.expect(StatusCode::OK);
    assert!(!app.lives(&there).await);
    app.login("ann@example.com")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.login_with("ann@example.com", OTHER)
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn changing_it_takes_the_one_before() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    for _ in 0..5 {
        let wrong = update(&app, &tokens, "not the password", OTHER).await;
        let wrong = wrong.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(wrong.code(), "invalid_credentials");
    }
    // Guessing here has to wait like guessing at sign-in.
    update(&app, &tokens, PASSWORD, OTHER)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.advance(TimeDelta::milliseconds(1_100));
    update(&app, &tokens, PASSWORD, OTHER)
        .await
        .expect(StatusCode::NO_CONTENT);
    let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
    app.post("/v1/auth/update-password", None, &body)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_new_password_that_breaks_rules_is_told_which() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann.kowalski@example.com").await;
    reset(&app, "ann.kowalski@example.com")
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann.kowalski@example.com").await;
    for (password, expected) in [
        ("short", "too_short"),
        (&*"long ".repeat(26), "too_long"),
        ("Password1", "too_common"),
        ("aaaaaaaaaa1", "too_guessable"),
        ("ann.kowalski 7Kq!vX", "contains_identity"),
    ] {
        for answer in [
            update(&app, &tokens, PASSWORD, password).await,
            confirm(&app, "ann.kowalski@example.com", &code, password).await,
        ] {
            let answer = answer.expect(StatusCode::BAD_REQUEST);
            assert_eq!(answer.pointers()[0], "/new_password");
            let errors = answer.json()["errors"].to_string();
            assert!(errors.contains(expected), "{errors}");
        }
    }
    // The code is still good.
    confirm(&app, "ann.kowalski@example.com", &code, OTHER)
        .await
        .expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_long_password_counts_as_it_was_typed() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let words = "Nine quiet harbour lamps beside seventy copper kettles under oak trees, \
                 and plum orbit cello rivers of slate wander past the old mill house ";
    let mut current = PASSWORD.to_owned();
    for length in [64, 128] {
        // Spaces at its ends are a part of it.
        let new = format!(" {} ", &words[..length - 2]);
        update(&app, &tokens, &current, &new)
            .await
            .expect(StatusCode::NO_CONTENT);
        for other in [&new[..length - 1], new.trim(), &new.to_lowercase()] {
            app.login_with("ann@example.com", other)
                .await
                .expect(StatusCode::UNAUTHORIZED);
        }
        app.login_with("ann@example.com", &new)
            .await
            .expect(StatusCode::OK);
        current = new;
    }
}

#[tokio::test]
async fn a_code_replaces_a_forgotten_password_and_ends_everything() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let before = app.signed_in("Ann@example.com").await;
    app.ask("ann@example.com", "step_up", Some(&before.access))
        .await
        .expect(StatusCode::ACCEPTED);
    let other = worker.code_number("Ann@example.com", 0).await;
    app.advance(TimeDelta::seconds(61));
    let sent = reset(&app, "ann@EXAMPLE.com").await;
    assert_eq!(
        sent.expect(StatusCode::ACCEPTED).json(),
        json!({ "expires_in": 300, "resend_after": 60 })
    );
    let code = worker.code_number("Ann@example.com", 1).await;
    let answer = confirm(&app, "ann@example.com", &code, OTHER)
        .await
        .expect(StatusCode::NO_CONTENT);
    assert!(answer.bytes.is_empty() && answer.header("set-cookie").is_none());
    assert!(!app.lives(&before).await);
    app.login("ann@example.com")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    let now = app.login_with("ann@example.com", OTHER).await.tokens();
    // The code works once, and the other open one is void.
    confirm(&app, "ann@example.com", &code, PASSWORD)
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    app.step_up(&now, &json!({ "code": other }))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn asking_for_a_code_tells_nothing_however_often() {
    // Or waits would end some milliseconds apart.
    let app = TestApp::standing_still(|_| ()).await;
    let worker = app.worker().await;
    app.user("ann@example.com").await;
    app.user("blocked@example.com").await;
    let mut db = app.superuser().await;
    sqlx::query("UPDATE users SET status = 'blocked' WHERE email = 'blocked@example.com'")
        .execute(&mut db)
        .await
        .unwrap();
    for _ in 0..5 {
        let mut answers = Vec::new();
        for who in [
            "ann@example.com",
            "blocked@example.com",
            "nobody@example.com",
        ] {
            let answer = reset(&app, who).await.expect(StatusCode::ACCEPTED);
            answers.push(answer.telling());
            let wrong = confirm(&app, who, "000000", OTHER).await;
            assert_eq!(
                wrong.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
                "invalid_code"
            );
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
        app.advance(TimeDelta::seconds(40));
    }
    worker.all_handled(&app).await;
    // At 0 s, 80 s and 160 s; in between it was too soon.
    assert_eq!(worker.recipients().await, ["ann@example.com"; 3]);
}

#[tokio::test]
async fn a_hundred_guesses_at_once_are_five() {
    let app = TestApp::with(|settings| settings.passwords.queue = 200).await;
    app.user("ann@example.com").await;
    let guesses = (0..100).map(async |n| {
        app.login_with("ann@example.com", &format!("guess number {n}"))
            .await
            .expect(StatusCode::UNAUTHORIZED)
    });
    join_all(guesses).await;
    let mut db = app.superuser().await;
    let checked: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM audit_log WHERE event = 'session.refused' AND detail->>'blocked' = 'false'",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    // One more after a second, and another after two, on a slow machine.
    assert!((5..=8).contains(&checked), "{checked}");
}

#[tokio::test]
async fn beyond_the_queue_of_hashes_the_edge_is_overloaded_for_everybody_alike() {
    let app = TestApp::with(|settings| {
        settings.passwords = PasswordSettings {
            concurrency: 1,
            queue: 1,
            ..PasswordSettings::default()
        };
    })
    .await;
    app.user("ann@example.com").await;
    let sign_in = async |n: usize| {
        let who = ["ann@example.com", "nobody@example.com"][n % 2];
        app.login_with(who, "not the password").await
    };
    let answers = join_all((0..20).map(sign_in)).await;
    for who in 0..2 {
        let of_one = answers.iter().skip(who).step_by(2);
        let refused: Vec<_> = of_one
            .filter(|answer| answer.status != StatusCode::UNAUTHORIZED)
            .collect();
        assert!(!refused.is_empty(), "{who}: one hash at a time");
        for answer in refused {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.code(), "overloaded");
            assert!(answer.header("retry-after").is_some());
        }
    }
    let hashed = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::UNAUTHORIZED);
    assert!(hashed.count() >= 2, "one runs and one waits");
    // And then it isn't any more.
    app.advance(TimeDelta::hours(1));
    app.login("ann@example.com").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn ones_own_phone_number_is_no_password_however_it_is_written() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("+14155552671", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("+14155552671").await;
    for password in ["4155552671", "14155552671", "zq 004155552671 kv"] {
        let body = json!({ "identifier": "+14155552671", "code": code, "password": password, "full_name": "Ann" });
        let refused = app.post("/v1/auth/register", None, &body).await;
        let refused = refused.expect(StatusCode::BAD_REQUEST).json();
        let codes = refused["errors"].as_array().unwrap().iter();
        let mut codes = codes.map(|error| error["code"].clone());
        assert!(codes.any(|code| code == "contains_identity"), "{refused}");
    }
}

#[tokio::test]
async fn the_longest_password_may_come_taken_apart() {
    use unicode_normalization::UnicodeNormalization as _;

    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    // Syllables of three letters, which are 384 bytes put together and 1152 apart.
    let password: String = (0..128u32)
        .filter_map(|n| char::from_u32(0xAC01 + n * 1_036 % 11_000 / 28 * 28))
        .collect();
    let apart: String = password.nfd().collect();
    assert!(apart.len() > 1024, "{}", apart.len());
    update(&app, &tokens, PASSWORD, &apart)
        .await
        .expect(StatusCode::NO_CONTENT);
    app.login_with("ann@example.com", &password)
        .await
        .expect(StatusCode::OK);
}
