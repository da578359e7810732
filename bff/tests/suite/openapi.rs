//! The OpenAPI document is the contract: what it says is served, and its
//! changes are reviewed like code.

use std::collections::HashSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    helpers::{Answer, Operation, TestApp},
    orders_stub::OrdersStub,
};

#[tokio::test]
async fn the_document_changes_only_on_purpose() {
    let app = TestApp::start().await;
    let document = app
        .get("/openapi.json", None)
        .await
        .expect(StatusCode::OK)
        .json();
    insta::assert_json_snapshot!("openapi", document);
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document: Value = serde_json::from_str(&bff::edge::router::openapi().unwrap()).unwrap();
    let (mut waiting, mut found) = (vec![&document], 0);
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                    found += 1;
                }
                waiting.extend(members.values());
            }
            Value::Array(members) => waiting.extend(members),
            _ => {}
        }
    }
    assert!(found > 0);
}

/// An edge with everything behind it that a route may need.
async fn whole(orders: &OrdersStub) -> TestApp {
    TestApp::with(|settings| {
        settings.orders.url = orders.url();
        settings.oauth.public_url = Some("https://api.example".parse().unwrap());
        settings.oauth.vk.client_id = "portico".into();
    })
    .await
}

#[tokio::test]
async fn every_operation_of_the_document_is_served() {
    let orders = OrdersStub::start();
    let app = whole(&orders).await;
    let operations = app.operations().await;
    assert!(operations.len() > 40, "{}", operations.len());
    // Every route counts requests; what there isn't, doesn't. An account or an
    // item of this id isn't there either, but the route to it is.
    let nothing = app.get("/v1/nothing", None).await;
    assert_eq!(nothing.header("ratelimit"), None);
    let page = app.request(Method::HEAD, "/problems");
    let page = Answer::of(page).await.expect(StatusCode::OK);
    assert!(page.header("ratelimit").is_some(), "HEAD is a GET");
    for Operation { method, path, .. } in operations {
        let answer = Answer::of(app.request(method.clone(), &path)).await;
        let status = answer.status;
        assert!(
            answer.header("ratelimit").is_some(),
            "{method} {path}: {status}"
        );
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(!status.is_server_error(), "{method} {path}: {status}");
    }
}

#[tokio::test]
async fn the_document_says_which_operations_need_someone() {
    let orders = OrdersStub::start();
    let app = whole(&orders).await;
    let mut ids = HashSet::new();
    for Operation {
        method, path, said, ..
    } in app.operations().await
    {
        let open = said["security"].as_array();
        let open = open.is_some_and(|schemes| schemes.contains(&json!({})));
        let request = app.request(method.clone(), &path).json(&json!({}));
        let refused = Answer::of(request).await.status == StatusCode::UNAUTHORIZED;
        assert_eq!(open, !refused, "{method} {path}");
        let id = said["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id), "{said}: another one has its name");
    }
    let document = app.get("/openapi.json", None).await.json();
    let both = json!([{ "access_token": [] }, { "session_cookie": [] }]);
    assert_eq!(document["security"], both);
}

#[tokio::test]
async fn a_path_of_the_document_takes_no_other_methods() {
    let orders = OrdersStub::start();
    let app = whole(&orders).await;
    let operations = app.operations().await;
    let mut refused = 0;
    for Operation { template, path, .. } in &operations {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            let method: Method = method.parse().unwrap();
            let is_documented = |other: &Operation| {
                other.method == method && (other.template == *template || other.path == *path)
            };
            if operations.iter().any(is_documented) {
                continue;
            }
            let answer = Answer::of(app.request(method.clone(), path)).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}

#[tokio::test]
async fn the_interactive_page_loads_everything_from_here() {
    let app = TestApp::start().await;
    let page = app.get("/docs/", None).await.expect(StatusCode::OK);
    let html = String::from_utf8(page.bytes.clone()).unwrap();
    assert!(!html.contains("https://"), "{html}");
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'self'")
    );
    app.get("/docs/swagger-ui-bundle.js", None)
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn what_an_operation_does_is_said_in_one_short_sentence() {
    let app = TestApp::start().await;
    for Operation { template, said, .. } in app.operations().await {
        let summary = said["summary"].as_str().unwrap();
        let is_one = summary.find(['.', '\n']) == Some(summary.len() - 1);
        assert!(is_one && summary.len() <= 60, "{template}: {summary}");
    }
}

/// Whether each text of a schema says what it may be.
fn is_bounded(document: &Value, schema: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix('#').unwrap();
        return is_bounded(document, document.pointer(name).unwrap());
    }
    let is_text = schema["type"] == "string" || schema["type"] == json!(["string", "null"]);
    let bounds = ["maxLength", "pattern", "enum", "format"];
    let says = |bound: &&str| schema.get(bound).is_some();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let one_of = schema["oneOf"].as_array().into_iter().flatten();
    let mut inner = properties.map(|(_, inner)| inner).chain(one_of);
    (!is_text || bounds.iter().any(says)) && inner.all(|inner| is_bounded(document, inner))
}

#[tokio::test]
async fn every_text_that_can_be_sent_says_what_it_may_be() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json", None).await.json();
    for Operation { template, said, .. } in app.operations().await {
        for parameter in said["parameters"].as_array().into_iter().flatten() {
            // HTTP says what that is.
            let is_http = parameter["name"] == "If-None-Match";
            let is_bounded = is_bounded(&document, &parameter["schema"]);
            assert!(is_http || is_bounded, "{template}: {parameter}");
        }
        let contents = said["requestBody"]["content"].as_object();
        for (kind, content) in contents.into_iter().flatten() {
            let is_bounded = is_bounded(&document, &content["schema"]);
            assert!(is_bounded, "{template}: {kind}: {content}");
        }
    }
}
