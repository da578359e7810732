use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{get, patch, person};
use crate::helpers::TestApp;

#[tokio::test]
async fn users_are_found_by_parts_of_names_and_addresses_in_pages() {
    let app = TestApp::start().await;
    let admin = person(&app, "ada", "admin").await;
    let mut bobs = Vec::new();
    for n in 0..5 {
        bobs.push(person(&app, &format!("bob_{n}"), "customer").await.id);
    }
    bobs.reverse();
    let ids = |answer: &Value| -> Vec<Uuid> {
        let items = answer["items"].as_array().unwrap().iter();
        items
            .map(|user| user["id"].as_str().unwrap().parse().unwrap())
            .collect()
    };
    let ask = async |query: &str| {
        let path = format!("/v1/admin/users?{query}");
        get(&app, &admin, &path).await
    };
    let found = async |query: &str| ids(&ask(query).await.expect(StatusCode::OK).json());
    assert_eq!(found("query=BOB_").await, bobs);
    assert!(
        found("query=b_b").await.is_empty(),
        "what was typed, not a pattern"
    );
    assert!(found("query=%25").await.is_empty());
    assert_eq!(found(&format!("query={}", bobs[1])).await, [bobs[1]]);
    assert_eq!(found("role=admin").await, [admin.id]);
    assert!(found("status=blocked").await.is_empty());
    assert_eq!(found("query=bob&role=customer&status=active").await, bobs);

    let path = "/v1/admin/users?query=bob&limit=2";
    let pages = app.pages(path, &admin.tokens.access).await;
    assert_eq!(ids(&json!({ "items": pages })), bobs);
    let first = ask("query=bob&limit=2").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let other = format!("query=ada&limit=2&cursor={cursor}");
    ask(&other).await.expect(StatusCode::BAD_REQUEST);
    for bad in [
        "role=root",
        "status=gone",
        "limit=0",
        "limit=101",
        "sort=id",
        "cursor=x",
    ] {
        ask(bad).await.expect(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn the_trail_says_who_did_what_to_whom_and_is_read_in_pages() {
    let app = TestApp::start().await;
    let admin = person(&app, "ada", "admin").await;
    let bob = person(&app, "bob", "customer").await;
    patch(&app, &admin, bob.id, json!({ "role": "support" }))
        .await
        .expect(StatusCode::OK);
    let ask = async |query: &str| get(&app, &admin, &format!("/v1/admin/audit?{query}")).await;
    let lines = async |query: &str| {
        let page = ask(query).await.expect(StatusCode::OK).json();
        page["items"].as_array().unwrap().clone()
    };
    let changed = lines("event=user.role_changed").await;
    let [line] = &changed[..] else {
        panic!("{changed:?}")
    };
    assert_eq!(line["user_id"], json!(bob.id));
    assert_eq!(line["actor_id"], json!(admin.id));
    assert_eq!(
        line["detail"],
        json!({ "from": "customer", "to": "support" })
    );
    assert_eq!(line["ip"], "127.0.0.1");
    assert_eq!(lines(&format!("actor_id={}", admin.id)).await.len(), 2);

    let all = lines("").await;
    let paged = app.pages("/v1/admin/audit?limit=1", &admin.tokens.access);
    assert_eq!(paged.await, all);
    let newest = all[0]["at"].as_str().unwrap();
    assert!(lines(&format!("until={newest}")).await.len() < all.len());
    assert!(!lines(&format!("from={newest}")).await.is_empty());
    for bad in [
        "user_id=1",
        "from=yesterday",
        "from=-5000-01-01T00:00:00Z",
        "until=%2B262000-01-01T00:00:00Z",
        "limit=x",
        "who=bob",
    ] {
        ask(bad).await.expect(StatusCode::BAD_REQUEST);
    }
}
