//! Whatever is sent, the answer is the right problem, and never a 500.

use http::{Method, StatusCode};
use rstest::rstest;

use crate::helpers::{Answer, TestApp};

async fn post(app: &TestApp, body: impl Into<reqwest::Body>, content_type: &str) -> Answer {
    let request = app.request(Method::POST, "/v1/auth/register");
    Answer::of(request.header("content-type", content_type).body(body)).await
}

#[tokio::test]
async fn every_field_at_fault_is_named_at_once() {
    let app = TestApp::start().await;
    let body = r#"{"identifier": 7, "code": "123456", "full_name": "\u0000", "birth_date": "31.12.1990",
                   "username": "1x", "mode": "carrier-pigeon", "is_admin": true}"#;
    let answer = post(&app, body, "application/json")
        .await
        .expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.code(), "invalid_request");
    let mut pointers = answer.pointers();
    pointers.sort_unstable();
    let expected = [
        "/birth_date",
        "/full_name",
        "/identifier",
        "/is_admin",
        "/mode",
        "/password",
        "/username",
    ];
    assert_eq!(pointers, expected);
}

#[rstest]
#[case::broken_json("{", 400)]
#[case::not_an_object("[]", 400)]
#[case::two_values("{} {}", 400)]
#[case::nothing("", 400)]
#[case::nested_too_deeply(&"[".repeat(100_000), 400)]
#[case::a_huge_number(r#"{"identifier": 1e400}"#, 400)]
#[case::a_body_at_the_limit(&format!("{{\"identifier\": \"{}\"}}", "a".repeat(256 * 1024 - 18)), 400)]
#[case::a_body_over_the_limit(&format!("{{\"identifier\": \"{}\"}}", "a".repeat(256 * 1024)), 413)]
#[tokio::test]
async fn a_bad_body_is_refused(#[case] body: &str, #[case] status: u16) {
    let app = TestApp::start().await;
    let answer = post(&app, body.to_owned(), "application/json").await;
    assert_eq!(answer.status.as_u16(), status);
    answer.code();
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_refused() {
    let app = TestApp::start().await;
    let answer = post(
        &app,
        b"{\"identifier\": \"\xff\"}".to_vec(),
        "application/json",
    )
    .await;
    assert_eq!(
        answer.expect(StatusCode::BAD_REQUEST).code(),
        "invalid_request"
    );
}

#[rstest]
#[case("text/plain")]
#[case("application/xml")]
#[case("application/json; charset=latin-1")]
#[case("multipart/form-data; boundary=x")]
#[case("application/x-www-form-urlencoded")]
#[case("")]
#[tokio::test]
async fn another_content_type_is_refused(#[case] content_type: &str) {
    let app = TestApp::start().await;
    let answer = post(&app, "{}", content_type)
        .await
        .expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.code(), "unsupported_media_type");
}

#[tokio::test]
async fn json_with_a_charset_is_taken() {
    let app = TestApp::start().await;
    let answer = post(&app, "{}", "Application/JSON; charset=\"UTF-8\"").await;
    assert_eq!(answer.expect(StatusCode::BAD_REQUEST).pointers().len(), 4);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let app = TestApp::start().await;
    let documents = ["/docs/nope", "/docs/nope/nope.js", "/problems/nope"];
    let paths = ["/", "/v1", "/v1/nothing", "/v1/me/", "//v1/me", "/%00"];
    for path in paths.into_iter().chain(documents) {
        assert_eq!(
            app.get(path, None)
                .await
                .expect(StatusCode::NOT_FOUND)
                .code(),
            "not_found",
            "{path}"
        );
    }
    let answer = app
        .get("/v1/auth/login", None)
        .await
        .expect(StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.code(), "method_not_allowed");
    assert_eq!(answer.header("allow").as_deref(), Some("POST"));
    let method = Method::from_bytes(b"BREW").unwrap();
    let answer = Answer::of(app.request(method, "/v1/me")).await;
    answer.expect(StatusCode::METHOD_NOT_ALLOWED).code();
}

#[tokio::test]
async fn every_answer_carries_an_id_and_the_security_headers() {
    let app = TestApp::start().await;
    let with_id = async |id: &str| {
        let answer = Answer::of(
            app.request(Method::GET, "/v1/me")
                .header("x-request-id", id),
        )
        .await;
        assert_eq!(
            answer.header("x-content-type-options").as_deref(),
            Some("nosniff")
        );
        assert_eq!(
            answer.header("referrer-policy").as_deref(),
            Some("no-referrer")
        );
        assert_eq!(
            answer.json()["request_id"].as_str().map(str::to_owned),
            answer.header("x-request-id")
        );
        answer.header("x-request-id").unwrap()
    };
    assert_eq!(with_id("trace.me_7-x").await, "trace.me_7-x");
    assert_ne!(with_id("no spaces").await, "no spaces");
    assert_ne!(with_id(&"x".repeat(65)).await, "x".repeat(65));
    assert_eq!(with_id("").await.len(), 32);
}

#[tokio::test]
async fn every_code_has_a_page() {
    let app = TestApp::start().await;
    let codes = app
        .get("/problems", None)
        .await
        .expect(StatusCode::OK)
        .json();
    for code in codes.as_array().unwrap() {
        let page = app
            .get(&format!("/problems/{}", code.as_str().unwrap()), None)
            .await;
        let page = page.expect(StatusCode::OK);
        assert!(page.header("content-security-policy").is_some());
        assert!(
            page.header("content-type")
                .is_some_and(|kind| kind.starts_with("text/html"))
        );
        let html = String::from_utf8(page.bytes).unwrap();
        assert!(!html.contains('`'), "{html}");
        assert_eq!(
            html.matches("<code>").count(),
            html.matches("</code>").count()
        );
    }
    let page = app.get("/problems/csrf", None).await;
    let html = String::from_utf8(page.bytes).unwrap();
    assert!(html.contains("<code>X-CSRF: 1</code>"), "{html}");
}

#[tokio::test]
async fn pages_of_allowed_origins_alone_may_call_from_a_browser() {
    let app = TestApp::start().await;
    let preflight = async |origin: &str| {
        let request = app
            .request(Method::OPTIONS, "/v1/auth/login")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,x-csrf,traceparent",
            );
        Answer::of(request).await
    };
    let origin = "access-control-allow-origin";
    let ours = preflight("https://app.example").await;
    assert_eq!(ours.header(origin).as_deref(), Some("https://app.example"));
    let headers = ours.header("access-control-allow-headers").unwrap();
    for header in [
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "last-event-id",
        "traceparent",
        "x-csrf",
        "x-deadline-ms",
        "x-request-id",
    ] {
        let mut allowed = headers.split(',').map(str::trim);
        assert!(
            allowed.any(|allowed| allowed == header),
            "{header}: {headers}"
        );
    }
    assert_eq!(preflight("https://evil.example").await.header(origin), None);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_so_long_and_no_longer() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let app = TestApp::with(|settings| {
        settings.http.body_timeout_ms = platform::config::Millis(200);
    })
    .await;
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/auth/refresh HTTP/1.1\r\nhost: edge\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[rstest]
#[case::outside(r#"{"identifier": "a@example.com", "identifier": "b@example.com"}"#)]
#[case::inside(r#"{"a": [{"amount": "1.00", "amount": "2.00"}]}"#)]
#[case::written_in_another_way(r#"{"mode": "token", "mod\u0065": "cookie"}"#)]
#[tokio::test]
async fn no_name_stands_twice_in_an_object(#[case] body: &'static str) {
    let app = TestApp::start().await;
    let answer = post(&app, body, "application/json").await;
    let problem = answer.expect(StatusCode::BAD_REQUEST).json();
    assert_eq!(problem["errors"][0]["code"], "malformed_json");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("twice"), "{detail}");
}
