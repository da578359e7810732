//! Cookies and tokens: what of them is taken, on every route there is.

use http::{Method, StatusCode};
use rstest::rstest;
use serde_json::json;

use crate::{
    helpers::{Answer, Operation, TestApp},
    orders_stub::OrdersStub,
};

#[tokio::test]
async fn no_route_takes_the_cookie_from_another_site() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    let mut walked = 0;
    for Operation { method, path, .. } in app.operations().await {
        if method == Method::GET {
            continue;
        }
        walked += 1;
        let request = || {
            let request = app.request(method.clone(), &path);
            request.header("cookie", &cookie)
        };
        let json = || {
            request()
                .header("content-type", "application/json")
                .body("{}")
        };
        for (refused, why) in [
            (json(), "no X-CSRF"),
            (json().header("x-csrf", "0"), "X-CSRF: 0"),
            (json().header("x-csrf", "1, 1"), "X-CSRF: 1, 1"),
            (
                json()
                    .header("x-csrf", "1")
                    .header("origin", "https://evil.example"),
                "a foreign Origin",
            ),
            (
                json().header("x-csrf", "1").header("origin", "null"),
                "an Origin of nowhere",
            ),
            (
                json()
                    .header("x-csrf", "1")
                    .header("origin", "https://app.example")
                    .header("origin", "https://evil.example"),
                "two Origins",
            ),
            (
                json()
                    .header("x-csrf", "1")
                    .header("sec-fetch-site", "cross-site"),
                "another site",
            ),
            (
                request().header("content-type", "text/plain").body("{}"),
                "a form",
            ),
        ] {
            let answer = Answer::of(refused).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{method} {path}: {why}"
            );
            assert_eq!(answer.code(), "csrf", "{method} {path}: {why}");
        }
        for form in [
            "text/plain",
            "Text/Plain; charset=utf-8",
            "multipart/form-data; boundary=x",
        ] {
            let request = request()
                .header("x-csrf", "1")
                .header("origin", "https://app.example")
                .header("content-type", form);
            let answer = Answer::of(request.body("{}")).await;
            let refused = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            assert_eq!(answer.status, refused, "{method} {path}: {form}");
        }
    }
    assert!(walked > 10, "{walked}");
    // None of them did anything: the session is there, and so is the user.
    let request = app.request(Method::GET, "/v1/me").header("cookie", &cookie);
    Answer::of(request).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn no_route_takes_two_proofs() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    let tokens = app.signed_in("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    for Operation { method, path, .. } in app.operations().await {
        let request = || app.request(method.clone(), &path).header("x-csrf", "1");
        for twice in [
            request()
                .header("cookie", &cookie)
                .bearer_auth(&tokens.access),
            request().header("cookie", format!("{cookie}; a=b; {cookie}")),
            request()
                .header("cookie", &cookie)
                .header("cookie", &cookie),
            request()
                .bearer_auth(&tokens.access)
                .bearer_auth(&tokens.access),
            request()
                .bearer_auth(&tokens.access)
                .header("authorization", ""),
        ] {
            let answer = Answer::of(twice).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {path}");
            assert_eq!(answer.code(), "invalid_request");
        }
    }
    app.get("/v1/me", Some(&tokens.access))
        .await
        .expect(StatusCode::OK);
}

#[rstest]
#[case::empty("__Host-session=")]
#[case::spaces("__Host-session=   ")]
#[case::quoted("__Host-session=\"AAAA\"")]
#[case::of_the_right_length(&format!("__Host-session={}", "A".repeat(64)))]
#[case::not_base64(&format!("__Host-session={}", "!".repeat(64)))]
#[case::sixteen_kib(&format!("__Host-session={}", "A".repeat(16_000)))]
#[case::among_others("a=b; __Host-session=x; c")]
#[tokio::test]
async fn a_cookie_that_is_none_proves_nobody(#[case] cookie: &str) {
    let app = TestApp::start().await;
    let request = app.request(Method::GET, "/v1/me").header("cookie", cookie);
    let answer = Answer::of(request).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(answer.code(), "unauthenticated");
}

#[rstest]
#[case::empty("")]
#[case::a_scheme_alone("Bearer")]
#[case::no_token("Bearer ")]
#[case::another_scheme("Basic YTpi")]
#[case::no_signature("Bearer v4.public.AAAA")]
#[case::a_list("Bearer a, Bearer b")]
#[case::sixteen_kib(&format!("Bearer {}", "a".repeat(16_000)))]
#[tokio::test]
async fn a_token_that_is_none_proves_nobody(#[case] value: &str) {
    let app = TestApp::start().await;
    let request = app.request(Method::GET, "/v1/me");
    let answer = Answer::of(request.header("authorization", value)).await;
    let answer = answer.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
}

#[tokio::test]
async fn only_the_cookie_of_exactly_this_name_counts() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    let value = cookie.strip_prefix("__Host-session=").unwrap();
    for name in [
        "__host-session",
        "__Host-session2",
        "Host-session",
        "x__Host-session",
        "session",
    ] {
        let request = app.request(Method::GET, "/v1/me");
        let request = request.header("cookie", format!("{name}={value}"));
        Answer::of(request).await.expect(StatusCode::UNAUTHORIZED);
    }
    // In a query or another header it is nothing at all.
    let request = app.request(Method::GET, &format!("/v1/me?__Host-session={value}"));
    Answer::of(request).await.expect(StatusCode::UNAUTHORIZED);
    let request = app
        .request(Method::GET, "/v1/me")
        .header("x-session", value);
    Answer::of(request).await.expect(StatusCode::UNAUTHORIZED);
    let request = app.request(Method::GET, "/v1/me").bearer_auth(value);
    Answer::of(request).await.expect(StatusCode::UNAUTHORIZED);
    let around = format!("a=\"b; c\"; {cookie}; d");
    let request = app.request(Method::GET, "/v1/me").header("cookie", around);
    Answer::of(request).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn what_proves_a_session_in_one_way_proves_it_in_no_other() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    let (_, secret) = cookie.split_once('=').unwrap();
    for no_access_token in [&tokens.refresh, secret] {
        app.get("/v1/me", Some(no_access_token))
            .await
            .expect(StatusCode::UNAUTHORIZED);
    }
    for no_refresh_token in [&tokens.access, secret] {
        app.refresh(no_refresh_token)
            .await
            .expect(StatusCode::UNAUTHORIZED);
    }
    for no_cookie in [&tokens.access, &tokens.refresh] {
        let request = app.request(Method::GET, "/v1/me");
        let request = request.header("cookie", format!("__Host-session={no_cookie}"));
        Answer::of(request).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert!(app.lives(&tokens).await);
}

#[tokio::test]
async fn headers_beyond_all_measure_break_nothing() {
    let app = TestApp::start().await;
    for (name, expected) in [
        ("authorization", StatusCode::UNAUTHORIZED),
        ("cookie", StatusCode::UNAUTHORIZED),
        ("x-request-id", StatusCode::UNAUTHORIZED),
        ("user-agent", StatusCode::UNAUTHORIZED),
        ("accept-language", StatusCode::UNAUTHORIZED),
        ("origin", StatusCode::UNAUTHORIZED),
    ] {
        let request = app
            .request(Method::POST, "/v1/auth/login")
            .header(name, "x".repeat(16 * 1024))
            .json(&json!({ "identifier": "ann@example.com", "password": "x" }));
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, expected, "{name}");
    }
    let tokens = app.signed_in("ann@example.com").await;
    let many = (0..90).fold(app.request(Method::GET, "/v1/me"), |request, n| {
        request.header(format!("x-user-{n}"), "admin")
    });
    let answer = Answer::of(many.bearer_auth(&tokens.access)).await;
    assert_eq!(answer.expect(StatusCode::OK).json()["role"], "customer");
}

#[tokio::test]
async fn every_401_says_how_to_prove_oneself() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    app.post("/v1/auth/logout", Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    let body = json!({});
    let deactivate = app.post("/v1/me/deactivate", Some(&tokens.access), &body);
    for answer in [
        app.refresh(&tokens.refresh).await,
        app.login("nobody@example.com").await,
        app.ask("ann@example.com", "step_up", None).await,
        deactivate.await,
    ] {
        let answer = answer.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
    }
}
