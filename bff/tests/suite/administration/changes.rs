use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::{Person, events, get, patch, person, sign_out};
use crate::helpers::{Answer, BOUND, TestApp, eventually, within};

#[tokio::test]
async fn support_reads_and_administrators_change() {
    let app = TestApp::start().await;
    let customer = person(&app, "cora", "customer").await;
    let support = person(&app, "sue", "support").await;
    let admin = person(&app, "ada", "admin").await;
    let other = person(&app, "otto", "customer").await;
    let user = format!("/v1/admin/users/{}", other.id);
    for path in ["/v1/admin/users", &user, "/v1/admin/audit"] {
        app.get(path, None).await.expect(StatusCode::UNAUTHORIZED);
        let refused = get(&app, &customer, path).await;
        assert_eq!(refused.expect(StatusCode::FORBIDDEN).code(), "forbidden");
        get(&app, &support, path).await.expect(StatusCode::OK);
        get(&app, &admin, path).await.expect(StatusCode::OK);
    }
    for below in [&customer, &support] {
        let refused = patch(&app, below, other.id, json!({ "status": "blocked" })).await;
        refused.expect(StatusCode::FORBIDDEN);
        let refused = sign_out(&app, below, other.id).await;
        refused.expect(StatusCode::FORBIDDEN);
    }
    assert!(app.is_alive(&other.tokens).await);
    let changed = patch(&app, &admin, other.id, json!({ "status": "blocked" })).await;
    assert_eq!(changed.expect(StatusCode::OK).json()["status"], "blocked");
}

#[tokio::test]
async fn nobody_changes_themselves_or_someone_of_their_rank() {
    let app = TestApp::start().await;
    let admin = person(&app, "ada", "admin").await;
    let peer = person(&app, "abe", "admin").await;
    for user in [admin.id, peer.id] {
        for change in [json!({ "role": "support" }), json!({ "status": "blocked" })] {
            let refused = patch(&app, &admin, user, change).await;
            assert_eq!(refused.expect(StatusCode::FORBIDDEN).code(), "forbidden");
        }
        sign_out(&app, &admin, user)
            .await
            .expect(StatusCode::FORBIDDEN);
    }
    assert!(app.is_alive(&admin.tokens).await && app.is_alive(&peer.tokens).await);
    for nobody in [Uuid::nil(), Uuid::max()] {
        let refused = patch(&app, &admin, nobody, json!({ "role": "support" })).await;
        refused.expect(StatusCode::NOT_FOUND);
        let refused = sign_out(&app, &admin, nobody).await;
        refused.expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_change_of_role_counts_from_the_next_request_and_elsewhere_within_a_second() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let admin = person(&app, "ada", "admin").await;
    let sue = person(&app, "sue", "support").await;
    let cookie = app.cookie("sue@example.com").await;
    let list = || {
        let request = other.request(Method::GET, "/v1/admin/users");
        Answer::of(request.header("cookie", &cookie))
    };
    list().await.expect(StatusCode::OK);
    get(&other, &sue, "/v1/admin/users")
        .await
        .expect(StatusCode::OK);

    let changed = patch(&app, &admin, sue.id, json!({ "role": "customer" })).await;
    assert_eq!(changed.expect(StatusCode::OK).json()["role"], "customer");
    assert!(!app.is_alive(&sue.tokens).await);
    within(BOUND, "the other replica knows", async || {
        let token = get(&other, &sue, "/v1/admin/users").await.status;
        let cookie = list().await.status;
        token == StatusCode::UNAUTHORIZED && cookie == token
    })
    .await;
    let refused = app.refresh(&sue.tokens.refresh).await;
    refused.expect(StatusCode::UNAUTHORIZED);

    let again = app.login("sue@example.com").await.expect(StatusCode::OK);
    let again = Person {
        id: sue.id,
        tokens: again.tokens(),
    };
    get(&app, &again, "/v1/admin/users")
        .await
        .expect(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_is_blocked_is_out_until_let_in_again() {
    let app = TestApp::start().await;
    let admin = person(&app, "ada", "admin").await;
    let bob = person(&app, "bob", "customer").await;
    let wrong = app.login_with("bob@example.com", "something else").await;

    patch(&app, &admin, bob.id, json!({ "status": "blocked" }))
        .await
        .expect(StatusCode::OK);
    assert!(!app.is_alive(&bob.tokens).await);
    let refused = app.login("bob@example.com").await;
    assert_eq!(refused.status, wrong.status);
    assert_eq!(refused.code(), wrong.code());

    patch(&app, &admin, bob.id, json!({ "status": "active" }))
        .await
        .expect(StatusCode::OK);
    let back = app.login("bob@example.com").await.expect(StatusCode::OK);
    assert!(app.is_alive(&back.tokens()).await);
    assert!(!app.is_alive(&bob.tokens).await, "what ended stays so");
    let trail = events(&app, &admin, bob.id).await;
    let changes = trail.iter().filter(|event| *event == "user.status_changed");
    assert_eq!(changes.count(), 2);
}

#[tokio::test]
async fn signing_someone_out_ends_all_their_sessions_and_no_more() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let admin = person(&app, "ada", "admin").await;
    let bob = person(&app, "bob", "customer").await;
    let phone = app
        .login("bob@example.com")
        .await
        .expect(StatusCode::OK)
        .tokens();
    sign_out(&app, &admin, bob.id)
        .await
        .expect(StatusCode::NO_CONTENT);
    for tokens in [&bob.tokens, &phone] {
        assert!(!app.is_alive(tokens).await);
        within(BOUND, "the other replica knows", async || {
            !other.is_alive(tokens).await
        })
        .await;
    }
    assert!(app.is_alive(&admin.tokens).await);
    app.login("bob@example.com").await.expect(StatusCode::OK);
    let trail = events(&app, &admin, bob.id).await;
    assert!(trail.contains(&"session.all_ended_by_admin".to_owned()));
}

#[tokio::test]
async fn a_demoted_administrators_token_changes_nothing_even_before_it_is_known_to_be_dead() {
    let app = TestApp::start().await;
    let admin = person(&app, "ada", "admin").await;
    let bob = person(&app, "bob", "customer").await;
    // Behind the program's back: nothing is told to anyone.
    sqlx::query("UPDATE users SET role = 'support' WHERE id = $1")
        .bind(admin.id)
        .execute(&mut app.superuser().await)
        .await
        .unwrap();
    let refused = patch(&app, &admin, bob.id, json!({ "role": "admin" })).await;
    refused.expect(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn while_redis_is_away_nothing_is_changed_halfway() {
    let mut redis = platform::testing::Server::redis().await;
    let app = TestApp::with(|settings| {
        settings.redis.url = redis.url();
        settings.redis.response_timeout_ms = platform::config::Millis(200);
    })
    .await;
    let admin = person(&app, "ada", "admin").await;
    let bob = person(&app, "bob", "customer").await;
    redis.kill().await;
    let refused = patch(&app, &admin, bob.id, json!({ "status": "blocked" })).await;
    let refused = refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.header("retry-after").is_some());
    redis.restart().await;
    let path = format!("/v1/admin/users/{}", bob.id);
    let shown = eventually("redis is back", async || {
        let answer = get(&app, &admin, &path).await;
        (answer.status == StatusCode::OK).then_some(answer)
    })
    .await;
    assert_eq!(shown.json()["status"], "active");
    assert!(app.is_alive(&bob.tokens).await);
}

#[tokio::test]
async fn what_is_no_change_is_refused_or_changes_nothing() {
    let app = TestApp::start().await;
    let admin = person(&app, "ada", "admin").await;
    let bob = person(&app, "bob", "customer").await;
    for bad in [
        json!({ "status": "deleted" }),
        json!({ "status": "deactivated" }),
        json!({ "role": "root" }),
        json!({ "role": 3 }),
        json!({ "password": "x" }),
        json!([]),
    ] {
        let refused = patch(&app, &admin, bob.id, bad).await;
        refused.expect(StatusCode::BAD_REQUEST);
    }
    for same in [json!({}), json!({ "role": "customer", "status": "active" })] {
        let shown = patch(&app, &admin, bob.id, same).await;
        shown.expect(StatusCode::OK);
    }
    assert!(app.is_alive(&bob.tokens).await);
}
