//! Looking after users: who may, and what follows.

mod changes;
mod lists;
mod operator;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::{Answer, TestApp, Tokens};

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

async fn events(app: &TestApp, by: &Person, user: Uuid) -> Vec<String> {
    let path = format!("/v1/admin/audit?user_id={user}");
    let lines = get(app, by, &path).await.expect(StatusCode::OK).json();
    let lines = lines["items"].as_array().unwrap().iter();
    lines
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect()
}
