//! One-time codes: how many are sent, how often one may guess, when they end.

use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use platform::config::List;
use serde_json::json;

use crate::helpers::{Answer, OTHER, PASSWORD, TestApp, Tokens};

async fn register(app: &TestApp, identifier: &str, code: &str) -> Answer {
    let body = json!({ "identifier": identifier, "code": code, "password": PASSWORD, "full_name": "Ann Lee" });
    app.post("/v1/auth/register", None, &body).await
}

/// Uses a code of one of the four purposes.
async fn redeem(app: &TestApp, tokens: &Tokens, purpose: usize, code: &str) -> Answer {
    let own = json!({ "identifier": "ann@example.com", "code": code });
    let reset = json!({ "identifier": "ann@example.com", "code": code, "new_password": OTHER });
    let (token, step_up) = (Some(tokens.access.as_str()), json!({ "code": code }));
    match purpose {
        0 => register(app, "ann@example.com", code).await,
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
    let answer = register(&app, "known@example.com", &code)
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(answer.pointers(), ["/identifier"]);
}

#[tokio::test]
async fn a_hundred_wrong_codes_at_once_are_five_guesses() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann@example.com").await;
    let wrong = another(&code);
    let answers = join_all((0..100).map(|_| register(&app, "ann@example.com", &wrong))).await;
    for answer in answers {
        assert_eq!(
            answer.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
            "invalid_code"
        );
    }
    // The right one comes too late.
    let answer = register(&app, "ann@example.com", &code).await;
    assert_eq!(
        answer.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
        "invalid_code"
    );
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
            register(&app, "ann@example.com", &another(&code)).await;
        }
        app.advance(TimeDelta::seconds(61));
    }
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_number("ann@example.com", 3).await;
    // Fifteen wrong guesses within the hour: not even the right one counts.
    register(&app, "ann@example.com", &code)
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_code_ends_after_five_minutes_and_a_new_one_voids_it() {
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
    if first != second {
        register(&app, "ann@example.com", &first)
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
    }
    app.advance(TimeDelta::seconds(301));
    register(&app, "ann@example.com", &second)
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn codes_are_sent_three_times_then_once_an_hour_a_minute_apart() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        app.ask("ann@example.com", "registration", None)
            .await
            .expect(StatusCode::ACCEPTED);
        let soon = app
            .ask("ANN@example.com", "registration", None)
            .await
            .expect(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(soon.code(), "rate_limited");
        assert!(soon.header("retry-after").is_some());
        app.advance(TimeDelta::seconds(61));
    }
    let later = app
        .ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::TOO_MANY_REQUESTS);
    assert!(later.header("retry-after").unwrap().parse::<u32>().unwrap() > 3000);
    app.advance(TimeDelta::hours(1));
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    app.advance(TimeDelta::seconds(61));
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_answer_says_when_the_next_code_can_really_be_had_whoever_asks() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    for address in ["ann@example.com", "nobody@example.com"] {
        for path in ["/v1/auth/reset-password", "/v1/auth/verify-code"] {
            let address = match path {
                "/v1/auth/verify-code" => format!("x{address}"),
                _ => address.to_owned(),
            };
            let mut body = json!({ "identifier": address });
            if path == "/v1/auth/verify-code" {
                body["purpose"] = json!("registration");
            }
            for expected in [60..=60, 60..=60, 3_460..=3_480] {
                let sent = app.post(path, None, &body).await;
                let sent = sent.expect(StatusCode::ACCEPTED).json();
                let after = sent["resend_after"].as_i64().unwrap();
                assert!(expected.contains(&after), "{path} {address}: {after}");
                app.advance(TimeDelta::seconds(60));
            }
            app.advance(TimeDelta::seconds(3_480 - 60));
            let again = app.post(path, None, &body).await;
            again.expect(StatusCode::ACCEPTED);
        }
    }
}

#[tokio::test]
async fn sms_goes_to_allowed_countries_within_the_days_budget() {
    let app = TestApp::with(|settings| {
        settings.codes.sms_countries = List(vec!["US".parse().unwrap(), "GB".parse().unwrap()]);
        settings.codes.sms_per_country_per_day = 2;
    })
    .await;
    let worker = app.worker().await;
    for number in [
        "+4915112345678",
        // Jamaica has the calling code of the United States, Guernsey that of Britain.
        "+18762101234",
        "+447911123456",
        "+14155552671",
        "+14155552672",
        "+14155552673",
        "+447400123456",
    ] {
        app.ask(number, "registration", None)
            .await
            .expect(StatusCode::ACCEPTED);
    }
    // Several are sent at once, in no order.
    for number in ["+14155552671", "+14155552672", "+447400123456"] {
        worker.code_for(number).await;
    }
    assert_eq!(
        worker.recipients().await,
        ["+14155552671", "+14155552672", "+447400123456"]
    );
}

#[tokio::test]
async fn nothing_stored_holds_a_code_or_a_whole_address() {
    let app = TestApp::start().await;
    app.ask("ann.lee@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let url = app.settings.redis.url.expose();
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}:*", app.settings.redis.prefix))
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(
        keys.iter().any(|key| key.contains(":code:registration:")),
        "{keys:?}"
    );
    assert!(!keys.iter().any(|key| key.contains("ann")), "{keys:?}");
    let mut db = app.superuser().await;
    let data: Vec<String> = sqlx::query_scalar(
        "SELECT data::text FROM outbox UNION ALL SELECT audit_log::text FROM audit_log",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert_eq!(data.len(), 2);
    assert!(
        !data.iter().any(|data| data.contains("ann.lee")),
        "{data:?}"
    );
}
