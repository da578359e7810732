//! How often codes are sent, where to, and what is kept of them.

use chrono::TimeDelta;
use http::StatusCode;
use platform::config::List;
use serde_json::json;

use crate::helpers::TestApp;

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
