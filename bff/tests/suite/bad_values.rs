//! What every route of a kind refuses alike.

use http::{Method, StatusCode};
use proto::orders::MAX_QUERY_CHARS;
use rstest::rstest;

use crate::{
    helpers::{Answer, TestApp},
    orders_stub::OrdersStub,
};

#[tokio::test]
async fn what_wants_no_body_takes_none_of_a_form_either() {
    let app = TestApp::start().await;
    let token = app.signed_in("ann@example.com").await.access;
    let mut tried = 0;
    for operation in app.operations().await {
        let has_body = operation.said.get("requestBody").is_some();
        if has_body || operation.method.is_safe() {
            continue;
        }
        let (method, path) = (operation.method, operation.path);
        let send = async |kind: Option<&str>, token: &str| {
            let request = app.request(method.clone(), &path).bearer_auth(token);
            let request = match kind {
                Some(kind) => request.header("content-type", kind),
                None => request,
            };
            Answer::of(request).await.status
        };
        for kind in [
            "application/x-www-form-urlencoded",
            "text/plain",
            "multipart/form-data; boundary=x",
        ] {
            let refused = send(Some(kind), &token).await;
            assert_eq!(
                refused,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{path}: {kind}"
            );
        }
        // As nobody, so that it is looked at and nothing happens.
        for kind in [None, Some("application/json")] {
            let taken = send(kind, "nobody").await;
            assert_eq!(taken, StatusCode::UNAUTHORIZED, "{path}: {kind:?}");
        }
        tried += 1;
    }
    assert!(tried > 8, "{tried}");
}

#[rstest]
#[case("/v1/items")]
#[case("/v1/orders")]
#[case("/v1/accounts")]
#[case("/v1/transfers")]
#[case("/v1/admin/users")]
#[case("/v1/admin/audit")]
#[tokio::test]
async fn a_cursor_that_no_page_gave_is_refused_alike_by_every_list(#[case] path: &str) {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    sqlx::query("UPDATE users SET role = 'admin'")
        .execute(&mut app.superuser().await)
        .await
        .unwrap();
    let token = app.login("ann@example.com").await.tokens().access;
    for cursor in ["", "%20", "a%3D", &"a".repeat(513)] {
        let path = format!("{path}?cursor={cursor}");
        let answer = app.get(&path, Some(&token)).await;
        let answer = answer.expect(StatusCode::BAD_REQUEST);
        assert_eq!(answer.pointers(), ["cursor"], "{path}");
        assert_eq!(answer.json()["errors"][0]["code"], "invalid", "{path}");
    }
}

#[rstest]
#[case("/v1/screens/home")]
#[case("/v1/orders")]
#[tokio::test]
async fn a_deadline_is_a_time_to_come(#[case] path: &str) {
    let app = TestApp::start().await;
    let token = app.signed_in("ann@example.com").await.access;
    for wrong in ["0", "-1", "1.5", "soon", ""] {
        let request = app.request(Method::GET, path).bearer_auth(&token);
        let answer = Answer::of(request.header("x-deadline-ms", wrong)).await;
        let answer = answer.expect(StatusCode::BAD_REQUEST);
        assert_eq!(answer.pointers(), ["X-Deadline-Ms"], "{wrong:?}");
    }
}

#[tokio::test]
async fn more_words_than_orders_searches_for_are_refused_before_it_is_asked() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    let search = async |words: &str| app.get(&format!("/v1/items?query={words}"), None).await;
    // In characters, without the space around them.
    let most = format!("%20{}%20", "%C3%BC".repeat(MAX_QUERY_CHARS));
    search(&most).await.expect(StatusCode::OK);
    let asked = orders.count("list_items");
    let answer = search(&"a".repeat(MAX_QUERY_CHARS + 1)).await;
    let answer = answer.expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.pointers(), ["query"]);
    assert_eq!(answer.json()["errors"][0]["code"], "too_long");
    assert_eq!(orders.count("list_items"), asked);
}
