//! Sessions in a browser's cookie.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use platform::testing::Server;
use serde_json::json;

use crate::{
    helpers::{Answer, PASSWORD, TestApp},
    stored::Monitor,
};

async fn me(app: &TestApp, cookie: &str) -> StatusCode {
    let request = app.request(Method::GET, "/v1/me");
    Answer::of(request.header("cookie", cookie)).await.status
}

#[tokio::test]
async fn our_own_pages_sign_out_and_the_cookie_goes() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    assert_eq!(me(&app, &cookie).await, StatusCode::OK);
    let request = app
        .request(Method::POST, "/v1/auth/logout")
        .header("cookie", &cookie)
        .header("x-csrf", "1")
        .header("origin", "https://app.example");
    let answer = Answer::of(request).await.expect(StatusCode::NO_CONTENT);
    let forgotten = answer.header("set-cookie").unwrap();
    assert!(forgotten.contains("Max-Age=0"), "{forgotten}");
    assert_eq!(me(&app, &cookie).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_cookie_session_slides_for_twelve_hours() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    for _ in 0..3 {
        app.advance(TimeDelta::hours(11));
        assert_eq!(me(&app, &cookie).await, StatusCode::OK);
    }
    app.advance(TimeDelta::hours(13));
    assert_eq!(me(&app, &cookie).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_cookie_session_ends_after_thirty_days_however_much_it_is_used() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    for _ in 0..65 {
        app.advance(TimeDelta::hours(11));
        assert_eq!(me(&app, &cookie).await, StatusCode::OK);
    }
    app.advance(TimeDelta::hours(6));
    assert_eq!(me(&app, &cookie).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_sign_in_gives_another_cookie() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let first = app.cookie("ann@example.com").await;
    // One that the client brought along, from wherever, is never taken over.
    let body = json!({ "identifier": "ann@example.com", "password": PASSWORD, "mode": "cookie" });
    let request = app
        .request(Method::POST, "/v1/auth/login")
        .header("cookie", &first)
        .header("x-csrf", "1")
        .json(&body);
    let answer = Answer::of(request).await.expect(StatusCode::OK);
    let second = answer.header("set-cookie").unwrap();
    assert!(!second.starts_with(&first), "{second}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(second.contains(attribute), "{attribute}: {second}");
    }
    assert!(!second.contains("Domain"), "{second}");
}

#[tokio::test]
async fn another_site_cannot_sign_its_visitor_in() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let form = [
        ("identifier", "ann@example.com"),
        ("password", PASSWORD),
        ("mode", "cookie"),
    ];
    let request = app.request(Method::POST, "/v1/auth/login").form(&form);
    let answer = Answer::of(request.header("origin", "https://evil.example")).await;
    assert_eq!(answer.expect(StatusCode::FORBIDDEN).code(), "csrf");
}

#[tokio::test]
async fn another_site_cannot_register_its_visitor() {
    let app = TestApp::start().await;
    let body = json!({ "identifier": "ann@example.com", "code": "123456", "password": PASSWORD,
                       "full_name": "Ann Lee", "mode": "cookie" });
    let request = app.request(Method::POST, "/v1/auth/register").json(&body);
    let answer = Answer::of(request.header("sec-fetch-site", "cross-site")).await;
    assert_eq!(answer.expect(StatusCode::FORBIDDEN).code(), "csrf");
}

#[tokio::test]
async fn what_a_page_can_read_holds_nothing_that_proves_the_session() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let email = "ann@example.com";
    app.ask(email, "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for(email).await;
    let register = json!({ "identifier": email, "code": code, "password": PASSWORD,
                           "full_name": "Ann Lee", "mode": "cookie" });
    let registered = app.post("/v1/auth/register", None, &register).await;
    let login = json!({ "identifier": email, "password": PASSWORD, "mode": "cookie" });
    let signed_in = app.post("/v1/auth/login", None, &login).await;
    for answer in [
        registered.expect(StatusCode::CREATED),
        signed_in.expect(StatusCode::OK),
    ] {
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly"), "{cookie}");
        let (pair, _) = cookie.split_once(';').unwrap();
        let (_, secret) = pair.split_once('=').unwrap();
        let json = answer.json();
        let members: Vec<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(members, ["user"]);
        // What the session's own page is told by later answers is no more.
        let mut told = vec![answer];
        for path in ["/v1/me", "/v1/auth/sessions", "/v1/me/export"] {
            let request = app.request(Method::GET, path).header("cookie", pair);
            told.push(Answer::of(request).await);
        }
        for answer in told {
            let mut headers = answer.headers.clone();
            headers.remove("set-cookie");
            let text = format!("{headers:?} {}", String::from_utf8_lossy(&answer.bytes));
            for proof in [secret, "v4.public", "access_token", "refresh_token"] {
                assert!(!text.contains(proof), "{proof}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn a_cookie_costs_one_command_of_redis_and_none_within_a_second() {
    let redis = Server::redis().await;
    let app = TestApp::standing_still(|settings| settings.redis.url = redis.url()).await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    let tokens = app.login("ann@example.com").await.tokens();
    // Redis learns the scripts, and what else is cached is.
    assert_eq!(me(&app, &cookie).await, StatusCode::OK);
    assert!(app.is_alive(&tokens).await);
    let mut monitor = Monitor::of(&app).await;
    for _ in 0..3 {
        app.advance(TimeDelta::milliseconds(1_001));
        assert!(app.is_alive(&tokens).await);
        assert_eq!(monitor.commands().await, [""; 0], "a token costs none");
        assert_eq!(me(&app, &cookie).await, StatusCode::OK);
        let commands = monitor.commands().await;
        assert!(commands.len() == 1, "{commands:?}");
        app.advance(TimeDelta::milliseconds(999));
        for _ in 0..3 {
            assert_eq!(me(&app, &cookie).await, StatusCode::OK);
        }
        assert_eq!(monitor.commands().await, [""; 0], "it was just seen");
    }
}
