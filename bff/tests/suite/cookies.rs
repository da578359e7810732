//! Sessions in a browser's cookie.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use serde_json::json;

use crate::helpers::{Answer, PASSWORD, TestApp};

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
