//! What an erased user did, and what was done in their name, is nowhere.

use std::process::{Command, Output};

use chrono::TimeDelta;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::house::{House, Person};
use crate::helpers::{Answer, TestApp, eventually};

async fn lines(app: &TestApp, condition: &str) -> Vec<Value> {
    let query = format!("SELECT to_jsonb(l) FROM audit_log l WHERE {condition}");
    let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(query));
    rows.fetch_all(&mut app.superuser().await).await.unwrap()
}

async fn erased(house: &House, person: &Person) {
    house
        .app
        .advance(TimeDelta::days(30) + TimeDelta::minutes(1));
    let _worker = house.app.worker().await;
    eventually("who is due is erased", async || {
        let gone = format!("user_id = '{}' AND event = 'user.erased'", person.id);
        (!lines(&house.app, &gone).await.is_empty()).then_some(())
    })
    .await;
}

async fn devices(app: &TestApp, person: &Person) -> u32 {
    let client = redis::Client::open(app.settings.redis.url.expose().as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("EXISTS")
        .arg(format!(
            "{}:devices:{}",
            app.settings.redis.prefix, person.id
        ))
        .query_async(&mut redis)
        .await
        .unwrap()
}

#[tokio::test]
async fn nothing_is_left_of_sign_ins_that_failed_of_codes_and_of_devices() {
    let house = House::new().await;
    let app = &house.app;
    let ann = house.person("ann").await;
    let wrong = json!({ "identifier": ann.email, "password": "not the password" });
    let request = app.request(Method::POST, "/v1/auth/login").json(&wrong);
    Answer::of(request.header("user-agent", "Her own browser"))
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.ask(&ann.email, "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    assert_eq!(devices(app, &ann).await, 1);
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    erased(&house, &ann).await;
    // Somebody else signed in to see whether the house stands.
    let telling = "(ip IS NOT NULL OR user_agent IS NOT NULL OR subject IS NOT NULL)
                   AND subject IS DISTINCT FROM 's***@example.com'";
    assert_eq!(lines(app, telling).await, Vec::<Value>::new());
    assert!(lines(app, "event = 'session.refused'").await.len() == 1);
    assert_eq!(devices(app, &ann).await, 0);
}

#[tokio::test]
async fn what_an_erased_administrator_did_to_others_tells_nothing_of_the_administrator() {
    let house = House::new().await;
    let app = &house.app;
    let (ann, bob) = (house.person("ann").await, house.person("bob").await);
    sqlx::query("UPDATE users SET role = 'admin' WHERE id = $1")
        .bind(ann.id)
        .execute(&mut app.superuser().await)
        .await
        .unwrap();
    let tokens = app.login(&ann.email).await.tokens();
    let path = format!("/v1/admin/users/{}/sign-out", bob.id);
    app.post(&path, Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    let ann = Person { tokens, ..ann };
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    erased(&house, &ann).await;
    let done = lines(app, "event = 'session.all_ended_by_admin'").await;
    assert_eq!(
        (&done[0]["ip"], &done[0]["user_agent"]),
        (&Value::Null, &Value::Null)
    );
    let his = format!("user_id = '{}' AND event = 'session.opened'", bob.id);
    assert_eq!(lines(app, &his).await[0]["ip"], "127.0.0.1");
}

fn restore(app: &TestApp, who: &str) -> Output {
    let settings = &app.settings;
    Command::new(env!("CARGO_BIN_EXE_bff"))
        .args(["users", "restore", who])
        .env_clear()
        .env("BFF_ENVIRONMENT", "development")
        .env("BFF_POSTGRES__URL", settings.postgres.url.expose().as_str())
        .env("BFF_REDIS__URL", settings.redis.url.expose().as_str())
        .env("BFF_REDIS__PREFIX", &settings.redis.prefix)
        .env("BFF_NATS__URL", settings.nats.url.expose().as_str())
        .env("BFF_NATS__PREFIX", &settings.nats.prefix)
        .output()
        .unwrap()
}

fn refused(done: &Output, why: &str) {
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && said.contains(why), "{done:?}");
}

#[tokio::test]
async fn until_the_erasure_an_operator_can_bring_a_deleted_user_back() {
    let house = House::new().await;
    let app = &house.app;
    let (ann, bob) = (house.person("ann").await, house.person("bob").await);
    refused(&restore(app, &ann.email), "nobody who had this is deleted");
    refused(&restore(app, &ann.id.to_string()), "isn't deleted");
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    app.login(&ann.email).await.expect(StatusCode::UNAUTHORIZED);
    let done = restore(app, "Ann@Example.com");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success() && said.contains("is back"),
        "{done:?}"
    );
    let back = app.login(&ann.email).await.expect(StatusCode::OK).tokens();
    app.get("/v1/me", Some(&back.access))
        .await
        .expect(StatusCode::OK);
    let restored = lines(app, "event = 'user.restored'").await;
    assert_eq!(restored[0]["user_id"], json!(ann.id));
    assert_eq!(restored[0]["actor_id"], Value::Null);

    house.delete(&bob).await.expect(StatusCode::NO_CONTENT);
    sqlx::query(
        "UPDATE users SET username = 'bob_name', username_canonical = 'bob_name' WHERE id = $1",
    )
    .bind(ann.id)
    .execute(&mut app.superuser().await)
    .await
    .unwrap();
    refused(&restore(app, &bob.email), "by now");
    erased(&house, &bob).await;
    refused(&restore(app, &bob.id.to_string()), "erased");
    refused(&restore(app, &bob.email), "nobody who had this is deleted");
    let nobody = "00000000-0000-7000-8000-000000000000";
    refused(&restore(app, nobody), "there is no user");
}
