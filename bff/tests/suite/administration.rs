//! Looking after users: who may, and what follows.

use std::process::Command;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::{Answer, TestApp, Tokens, eventually};

/// A user with a role, signed in.
struct Person {
    id: Uuid,
    tokens: Tokens,
}

async fn person(app: &TestApp, name: &str, role: &str) -> Person {
    let email = format!("{name}@example.com");
    let user = app.user(&email).await;
    let id = user["id"].as_str().unwrap().parse().unwrap();
    sqlx::query("UPDATE users SET role = $2::user_role WHERE id = $1")
        .bind(id)
        .bind(role)
        .execute(&mut app.superuser().await)
        .await
        .unwrap();
    let tokens = app.login(&email).await.expect(StatusCode::OK).tokens();
    Person { id, tokens }
}

async fn patch(app: &TestApp, by: &Person, user: Uuid, change: Value) -> Answer {
    let path = format!("/v1/admin/users/{user}");
    let request = app.request(Method::PATCH, &path).json(&change);
    Answer::of(request.bearer_auth(&by.tokens.access)).await
}

async fn sign_out(app: &TestApp, by: &Person, user: Uuid) -> Answer {
    let path = format!("/v1/admin/users/{user}/sign-out");
    app.post(&path, Some(&by.tokens.access), &json!({})).await
}

async fn get(app: &TestApp, by: &Person, path: &str) -> Answer {
    app.get(path, Some(&by.tokens.access)).await
}

async fn is_alive(app: &TestApp, tokens: &Tokens) -> bool {
    app.get("/v1/me", Some(&tokens.access)).await.status == StatusCode::OK
}

async fn events(app: &TestApp, by: &Person, user: Uuid) -> Vec<String> {
    let path = format!("/v1/admin/audit?user_id={user}");
    let lines = get(app, by, &path).await.expect(StatusCode::OK).json();
    let lines = lines["items"].as_array().unwrap().iter();
    lines
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect()
}

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
    assert!(is_alive(&app, &other.tokens).await);
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
    assert!(is_alive(&app, &admin.tokens).await && is_alive(&app, &peer.tokens).await);
    for nobody in [Uuid::nil(), Uuid::max()] {
        let refused = patch(&app, &admin, nobody, json!({ "role": "support" })).await;
        refused.expect(StatusCode::NOT_FOUND);
        let refused = sign_out(&app, &admin, nobody).await;
        refused.expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_change_of_role_counts_from_the_next_request_on_every_replica() {
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
    assert!(!is_alive(&app, &sue.tokens).await);
    eventually("the other replica knows", async || {
        let token = get(&other, &sue, "/v1/admin/users").await.status;
        let cookie = list().await.status;
        (token == StatusCode::UNAUTHORIZED && cookie == token).then_some(())
    })
    .await;
    let body = json!({ "refresh_token": sue.tokens.refresh });
    let refused = app.post("/v1/auth/refresh", None, &body).await;
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
    let wrong = json!({ "identifier": "bob@example.com", "password": "something else" });
    let wrong = app.post("/v1/auth/login", None, &wrong).await;

    patch(&app, &admin, bob.id, json!({ "status": "blocked" }))
        .await
        .expect(StatusCode::OK);
    assert!(!is_alive(&app, &bob.tokens).await);
    let refused = app.login("bob@example.com").await;
    assert_eq!(refused.status, wrong.status);
    assert_eq!(refused.code(), wrong.code());

    patch(&app, &admin, bob.id, json!({ "status": "active" }))
        .await
        .expect(StatusCode::OK);
    let back = app.login("bob@example.com").await.expect(StatusCode::OK);
    assert!(is_alive(&app, &back.tokens()).await);
    assert!(!is_alive(&app, &bob.tokens).await, "what ended stays so");
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
        assert!(!is_alive(&app, tokens).await);
        eventually("the other replica knows", async || {
            (!is_alive(&other, tokens).await).then_some(())
        })
        .await;
    }
    assert!(is_alive(&app, &admin.tokens).await);
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
    assert!(is_alive(&app, &bob.tokens).await);
}

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

    let mut pages = Vec::new();
    let mut query = "query=bob&limit=2".to_owned();
    loop {
        let page = ask(&query).await.expect(StatusCode::OK).json();
        pages.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        let other = format!("query=ada&limit=2&cursor={cursor}");
        ask(&other).await.expect(StatusCode::BAD_REQUEST);
        query = format!("query=bob&limit=2&cursor={cursor}");
    }
    assert_eq!(pages, bobs);
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
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ask(&format!("limit=1{cursor}")).await;
        let page = page.expect(StatusCode::OK).json();
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let newest = all[0]["at"].as_str().unwrap();
    assert!(lines(&format!("until={newest}")).await.len() < all.len());
    assert!(!lines(&format!("from={newest}")).await.is_empty());
    for bad in ["user_id=1", "from=yesterday", "limit=x", "who=bob"] {
        ask(bad).await.expect(StatusCode::BAD_REQUEST);
    }
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
    assert!(is_alive(&app, &bob.tokens).await);
}

#[tokio::test]
async fn the_first_administrator_is_made_at_the_command_line() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let promote = |who: &str| {
        Command::new(env!("CARGO_BIN_EXE_bff"))
            .args(["users", "promote", who])
            .env_clear()
            .env("BFF_ENVIRONMENT", "development")
            .env(
                "BFF_POSTGRES__URL",
                app.settings.postgres.url.expose().as_str(),
            )
            .env("BFF_REDIS__URL", app.settings.redis.url.expose().as_str())
            .env("BFF_REDIS__PREFIX", &app.settings.redis.prefix)
            .env("BFF_NATS__URL", app.settings.nats.url.expose().as_str())
            .env("BFF_NATS__PREFIX", &app.settings.nats.prefix)
            .output()
            .unwrap()
    };
    let nobody = promote("nobody@example.com");
    assert!(!nobody.status.success());
    let done = promote("Ann@Example.com");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    assert!(said.contains("is admin"), "{said}");
    eventually("the session without the role has ended", async || {
        (!is_alive(&app, &tokens).await).then_some(())
    })
    .await;
    let admin = app.login("ann@example.com").await.expect(StatusCode::OK);
    let admin = admin.tokens().access;
    app.get("/v1/admin/users", Some(&admin))
        .await
        .expect(StatusCode::OK);
    let line = app.get("/v1/admin/audit?event=user.role_changed", Some(&admin));
    assert_eq!(line.await.json()["items"][0]["actor_id"], Value::Null);
}
