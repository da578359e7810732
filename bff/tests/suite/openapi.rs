//! The OpenAPI document is the contract: what it says is served, and its
//! changes are reviewed like code.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::{
    helpers::{Answer, TestApp},
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

#[tokio::test]
async fn every_operation_of_the_document_is_served() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| {
        settings.orders.url = orders.url();
        settings.oauth.public_url = Some("https://api.example".parse().unwrap());
        settings.oauth.vk.client_id = "portico".into();
    })
    .await;
    let document = app
        .get("/openapi.json", None)
        .await
        .expect(StatusCode::OK)
        .json();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path
            .replace("{id}", &uuid::Uuid::nil().to_string())
            .replace("{code}", "internal")
            .replace("{provider}", "vk");
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = Answer::of(app.request(method.clone(), &path)).await;
            assert_ne!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert!(
                answer.status != StatusCode::NOT_FOUND || path.contains("00000000"),
                "{method} {path}"
            );
            // No orders service is there in this test.
            assert_ne!(
                answer.status,
                StatusCode::INTERNAL_SERVER_ERROR,
                "{method} {path}"
            );
        }
    }
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
