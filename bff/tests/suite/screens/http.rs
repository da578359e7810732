//! Reads through the whole edge.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    helpers::{Answer, TestApp},
    orders_stub::{Behaviour, OrdersStub},
};

/// An edge before a stub, and someone signed in.
pub(super) async fn edge() -> (TestApp, OrdersStub, String) {
    let orders = OrdersStub::start();
    let url = orders.url();
    let app = TestApp::with(|settings| {
        settings.orders.url = url;
        settings.orders.hedge = false;
    })
    .await;
    let tokens = app.signed_in("ann@example.com").await;
    (app, orders, tokens.access)
}

pub(super) async fn get(
    app: &TestApp,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = app.request(Method::GET, path).bearer_auth(token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn home_goes_out_with_a_tag_and_is_asked_for_again_by_it() {
    let (app, _orders, token) = edge().await;
    let first = get(&app, "/v1/screens/home", &token, &[])
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        first.header("content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(
        first.header("cache-control").as_deref(),
        Some("private, no-cache")
    );
    assert_eq!(first.json()["complete"], true);
    let etag = first.header("etag").unwrap();
    let again = get(
        &app,
        "/v1/screens/home",
        &token,
        &[("if-none-match", &etag)],
    )
    .await;
    let again = again.expect(StatusCode::NOT_MODIFIED);
    assert_eq!(again.header("etag"), Some(etag));
    assert!(again.bytes.is_empty());
}

#[tokio::test]
async fn home_without_orders_is_a_200_that_nobody_keeps() {
    let (app, orders, token) = edge().await;
    orders.will(Behaviour::Hang);
    let answer = get(
        &app,
        "/v1/screens/home",
        &token,
        &[("x-deadline-ms", "400")],
    )
    .await;
    let answer = answer.expect(StatusCode::OK);
    assert_eq!(
        answer.json()["parts"]["orders"]["code"],
        "deadline_exceeded"
    );
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(answer.header("etag"), None);
}

#[tokio::test]
async fn home_without_the_profile_is_a_problem() {
    let (app, _orders, token) = edge().await;
    let _lock = app.lock_table("users").await;
    let answer = get(
        &app,
        "/v1/screens/home",
        &token,
        &[("x-deadline-ms", "300")],
    )
    .await;
    assert_eq!(
        answer.expect(StatusCode::GATEWAY_TIMEOUT).code(),
        "deadline_exceeded"
    );
}

#[tokio::test]
async fn home_needs_someone_and_takes_no_nonsense() {
    let (app, orders, token) = edge().await;
    app.get("/v1/screens/home", None)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    for (path, deadline, pointer) in [
        ("/v1/screens/home?parts=orders,x", "100", "parts"),
        ("/v1/screens/home?part=orders", "100", "part"),
        ("/v1/screens/home", "soon", "X-Deadline-Ms"),
        ("/v1/screens/home", "-1", "X-Deadline-Ms"),
        ("/v1/screens/home", "0", "X-Deadline-Ms"),
    ] {
        let answer = get(&app, path, &token, &[("x-deadline-ms", deadline)]).await;
        assert_eq!(
            answer.expect(StatusCode::BAD_REQUEST).pointers(),
            [pointer],
            "{path}"
        );
    }
    orders.will(Behaviour::Hang);
    let none = get(
        &app,
        "/v1/screens/home?parts=orders",
        &token,
        &[("x-deadline-ms", "1")],
    )
    .await;
    let part = &none.expect(StatusCode::OK).json()["parts"]["orders"];
    assert_eq!(part["code"], "deadline_exceeded", "next to no time: {part}");
}

/// The document's schema of this name, made ready.
fn schema(document: &Value, name: &str) -> jsonschema::Validator {
    let reference = format!("#/components/schemas/{name}");
    let schema = json!({ "$ref": reference, "components": document["components"] });
    jsonschema::validator_for(&schema).unwrap()
}

#[tokio::test]
async fn however_a_part_comes_out_the_document_says_so() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| {
        settings.orders.url = orders.url();
        settings.orders.breaker.consecutive_failures = u32::MAX;
        settings.orders.breaker.min_success_ratio = 0.0;
    })
    .await;
    let token = app.signed_in("ann@example.com").await.access;
    let document = app.get("/openapi.json", None).await.json();
    let (home, report) = (schema(&document, "Home"), schema(&document, "PartReport"));
    let (mut seen, mut reports) = (BTreeSet::new(), Vec::new());
    for (behaviour, path, later) in [
        (Behaviour::Fail(Code::Unavailable), "", 0),
        (Behaviour::Fail(Code::ResourceExhausted), "", 0),
        (Behaviour::Fail(Code::Internal), "", 0),
        (Behaviour::Fail(Code::PermissionDenied), "", 0),
        (Behaviour::Hang, "", 0),
        (Behaviour::Answer, "", 0),
        (Behaviour::Answer, "?parts=orders", 0),
        // Past the soft time of orders.
        (Behaviour::Fail(Code::Internal), "", 20),
    ] {
        orders.will(behaviour);
        app.advance(TimeDelta::seconds(later));
        let path = format!("/v1/screens/home{path}");
        let answer = get(&app, &path, &token, &[]).await.expect(StatusCode::OK);
        let answer = answer.json();
        home.validate(&answer)
            .unwrap_or_else(|error| panic!("{error}: {answer}"));
        for part in answer["parts"].as_object().unwrap().values() {
            let why = ["status", "code", "source"].map(|name| part[name].as_str());
            seen.insert(why.into_iter().flatten().collect::<Vec<_>>().join(" "));
            reports.push(part.clone());
        }
    }
    let expected = [
        "denied forbidden",
        "ok l1",
        "ok live",
        "omitted",
        "stale l1",
        "unavailable deadline_exceeded",
        "unavailable internal",
        "unavailable overloaded",
        "unavailable unavailable",
    ];
    assert_eq!(seen, BTreeSet::from(expected.map(str::to_owned)));

    for part in &reports {
        for name in part.as_object().unwrap().keys() {
            let (mut null, mut without) = (part.clone(), part.clone());
            null[name] = Value::Null;
            assert!(!report.is_valid(&null), "{null}");
            without.as_object_mut().unwrap().remove(name);
            let is_extra = name == "retry_after_ms";
            assert_eq!(report.is_valid(&without), is_extra, "{without}");
        }
    }
    // What a screen shows as empty, and each other's codes.
    for (status, code) in [
        ("unavailable", "not_found"),
        ("unavailable", "forbidden"),
        ("denied", "internal"),
    ] {
        let part = json!({ "status": status, "code": code, "retryable": false });
        assert!(!report.is_valid(&part), "{part}");
    }
}

#[tokio::test]
async fn a_hop_by_hop_credential_never_travels_on() {
    let (app, orders, token) = edge().await;
    let headers = [
        ("cookie", "a=b"),
        ("x-user-id", "1"),
        ("x-request-id", "req-1"),
    ];
    get(&app, "/v1/orders", &token, &headers)
        .await
        .expect(StatusCode::OK);
    let call = &orders.calls("list_orders")[0];
    assert_eq!(call.header("x-request-id"), Some("req-1"));
    assert_eq!(call.header("cookie"), None);
    assert_eq!(call.header("x-user-id"), None);
    let sent = call.header(header::AUTHORIZATION.as_str()).unwrap();
    assert!(!sent.contains(&token), "the client's token stays here");
}
