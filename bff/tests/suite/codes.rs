//! One-time codes: how many are sent, how often one may guess, when they end.

use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use platform::config::List;
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
    worker.all_handled(&app).await;
    assert_eq!(
        worker.recipients().await,
        ["+14155552671", "+14155552672", "+447400123456"]
    );
}

#[tokio::test]
async fn beyond_the_days_budget_nothing_is_sent_and_only_the_operator_hears_of_it() {
    let metrics = platform::telemetry::metrics_handle();
    let app = TestApp::with(|settings| settings.codes.sms_per_day = 2).await;
    let worker = app.worker().await;
    let mut answers = Vec::new();
    // Three countries, so that it is the day's budget of all that is spent.
    for number in ["+14155552671", "+4915112345678", "+447911123456"] {
        let answer = app.ask(number, "registration", None).await;
        answers.push(answer.expect(StatusCode::ACCEPTED).telling());
    }
    assert_eq!(answers[0], answers[2]);
    worker.all_handled(&app).await;
    assert_eq!(
        worker.recipients().await,
        ["+14155552671", "+4915112345678"]
    );
    let told = metrics.render();
    assert!(
        told.contains("codes_not_sent_total{reason=\"budget\"}"),
        "{told}"
    );
    // It is a day's.
    app.advance(TimeDelta::days(1));
    let next = app.ask("+447911123456", "registration", None).await;
    next.expect(StatusCode::ACCEPTED);
    worker.code_for("+447911123456").await;
}

#[tokio::test]
async fn nothing_stored_holds_a_code_or_a_whole_address() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("ann.lee@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann.lee@example.com").await;
    worker.all_handled(&app).await;
    let redis = app.redis_dump().await;
    let is_code = |line: &String| line.contains(":code:registration:");
    assert!(redis.iter().any(is_code), "{redis:?}");
    let accounts = app.accounts_dump().await;
    for table in ["outbox ", "audit_log "] {
        let is_row = |line: &String| line.starts_with(table);
        assert!(accounts.iter().any(is_row), "{table}: {accounts:?}");
    }
    for line in redis.iter().chain(&accounts) {
        assert!(!line.contains("ann.lee"), "{line}");
        let mut numbers = line.split(|c: char| !c.is_ascii_digit());
        assert!(!numbers.any(|number| number == code), "{code}: {line}");
    }
}
