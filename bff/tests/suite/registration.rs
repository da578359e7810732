//! One-time codes, and registering with them.

use chrono::TimeDelta;
use futures::future::join_all;
use http::{Method, StatusCode};
use platform::config::List;
use serde_json::{Value, json};

use crate::helpers::{Answer, PASSWORD, TestApp};

async fn ask(app: &TestApp, identifier: &str) -> Answer {
    let body = json!({ "identifier": identifier, "purpose": "registration" });
    app.post("/v1/auth/verify-code", None, &body).await
}

fn registration(identifier: &str, code: &str) -> Value {
    json!({ "identifier": identifier, "code": code, "password": PASSWORD, "full_name": "Ann Lee" })
}

async fn register(app: &TestApp, identifier: &str, code: &str) -> Answer {
    app.post("/v1/auth/register", None, &registration(identifier, code))
        .await
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn a_code_comes_by_mail_and_registers_its_owner() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let sent = ask(&app, "Ann@Example.com")
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
    register(&app, "ann@example.com", &code)
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_code_comes_by_sms_too() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    ask(&app, "(415) 555-2671")
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("+14155552671").await;
    let answer = register(&app, "+1 415 555 2671", &code)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(answer.json()["user"]["phone"], "+14155552671");
}

#[tokio::test]
async fn whether_an_address_is_known_shows_in_nothing() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.user("known@example.com").await;
    let known = ask(&app, "known@example.com")
        .await
        .expect(StatusCode::ACCEPTED);
    let unknown = ask(&app, "unknown@example.com")
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
    ask(&app, "ann@example.com")
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
        ask(&app, "ann@example.com")
            .await
            .expect(StatusCode::ACCEPTED);
        let code = worker.code_number("ann@example.com", round).await;
        for _ in 0..5 {
            register(&app, "ann@example.com", &another(&code)).await;
        }
        app.advance(TimeDelta::seconds(61));
    }
    ask(&app, "ann@example.com")
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_number("ann@example.com", 3).await;
    // Fifteen wrong guesses within the hour: not even the right one counts.
    register(&app, "ann@example.com", &code)
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn one_code_in_fifty_requests_at_once_registers_one_user() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    ask(&app, "ann@example.com")
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann@example.com").await;
    let answers = join_all((0..50).map(|_| register(&app, "ann@example.com", &code))).await;
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
async fn a_code_ends_after_five_minutes_and_a_new_one_voids_it() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    ask(&app, "ann@example.com")
        .await
        .expect(StatusCode::ACCEPTED);
    let first = worker.code_number("ann@example.com", 0).await;
    app.advance(TimeDelta::seconds(61));
    ask(&app, "ann@example.com")
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
        ask(&app, "ann@example.com")
            .await
            .expect(StatusCode::ACCEPTED);
        let soon = ask(&app, "ANN@example.com")
            .await
            .expect(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(soon.code(), "rate_limited");
        assert!(soon.header("retry-after").is_some());
        app.advance(TimeDelta::seconds(61));
    }
    let later = ask(&app, "ann@example.com")
        .await
        .expect(StatusCode::TOO_MANY_REQUESTS);
    assert!(later.header("retry-after").unwrap().parse::<u32>().unwrap() > 3000);
    app.advance(TimeDelta::hours(1));
    ask(&app, "ann@example.com")
        .await
        .expect(StatusCode::ACCEPTED);
    app.advance(TimeDelta::seconds(61));
    ask(&app, "ann@example.com")
        .await
        .expect(StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_refused_password_or_name_leaves_the_code_good() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    ask(&app, "bob@example.com")
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
    register(&app, "bob@example.com", &code)
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn sms_goes_to_allowed_countries_within_the_days_budget() {
    let app = TestApp::with(|settings| {
        settings.codes.sms_countries = List(vec![1, 44]);
        settings.codes.sms_per_country_per_day = 2;
    })
    .await;
    let worker = app.worker().await;
    for number in [
        "+4915112345678",
        "+14155552671",
        "+14155552672",
        "+14155552673",
        "+447911123456",
    ] {
        ask(&app, number).await.expect(StatusCode::ACCEPTED);
    }
    // Several are sent at once, in no order.
    for number in ["+14155552671", "+14155552672", "+447911123456"] {
        worker.code_for(number).await;
    }
    assert_eq!(
        worker.recipients().await,
        ["+14155552671", "+14155552672", "+447911123456"]
    );
}

#[tokio::test]
async fn nothing_stored_holds_a_code_or_a_whole_address() {
    let app = TestApp::start().await;
    ask(&app, "ann.lee@example.com")
        .await
        .expect(StatusCode::ACCEPTED);
    let mut redis = redis_connection(&app).await;
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

async fn redis_connection(app: &TestApp) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(app.settings.redis.url.expose().as_str()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn registering_does_not_take_a_cookie_for_another_site() {
    let app = TestApp::start().await;
    let mut body = registration("ann@example.com", "123456");
    body["mode"] = json!("cookie");
    let request = app.request(Method::POST, "/v1/auth/register").json(&body);
    let answer = Answer::of(request.header("sec-fetch-site", "cross-site")).await;
    assert_eq!(answer.expect(StatusCode::FORBIDDEN).code(), "csrf");
}
