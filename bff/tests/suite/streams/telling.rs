use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Listener, app};
use crate::{
    helpers::{Answer, TestApp},
    money::{Bank, id},
};

#[tokio::test]
async fn a_transfer_is_told_to_both_sides_on_every_replica_and_to_nobody_else() {
    let bank = Bank::of(app().await).await;
    let other = bank.app.replica().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    let eve = bank.person("eve", 1).await;
    let _worker = bank.app.worker().await;
    let mut streams = Vec::new();
    for (app, person) in [
        (&bank.app, &ann),
        (&other, &ann),
        (&other, &bob),
        (&other, &eve),
    ] {
        let mut stream = Listener::open(app, &person.token, None).await;
        stream.in_step().await;
        streams.push(stream);
    }
    let posted = bank.transfer(&ann, &bob, "1.00").await;
    let posted = posted.expect(StatusCode::CREATED).json()["transfer"].take();
    let later = bank.transfer(&eve, &bob, "0.50").await;
    let later = id(&later.expect(StatusCode::CREATED).json()["transfer"]);

    let mut of_eve = streams.pop().unwrap();
    for stream in &mut streams {
        let told = until_transfer(stream, &id(&posted)).await;
        let fields: Vec<&String> = told.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["id", "occurred_at"], "nobody else's id");
        let at: DateTime<Utc> = told["occurred_at"].as_str().unwrap().parse().unwrap();
        let created: DateTime<Utc> = posted["created_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(at.timestamp_millis(), created.timestamp_millis());
    }
    // What came before hers, she would have been told before.
    loop {
        let told = of_eve.until("transfer.posted").await;
        assert_ne!(told["id"], posted["id"]);
        if told["id"] == later {
            break;
        }
    }
}

async fn until_transfer(stream: &mut Listener, id: &str) -> Value {
    loop {
        let told = stream.until("transfer.posted").await;
        if told["id"] == id {
            return told;
        }
    }
}

async fn listener_with_cookie(app: &TestApp, cookie: &str) -> Listener {
    let request = app.request(Method::GET, "/v1/events");
    Listener::of(request.header("cookie", cookie)).await
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_no_other() {
    let app = app().await;
    let first = app.signed_in("ann@example.com").await;
    let second = app
        .login("ann@example.com")
        .await
        .expect(StatusCode::OK)
        .tokens();
    let cookie = app.cookie("ann@example.com").await;
    let mut ends = Listener::open(&app, &first.access, None).await;
    let mut stays = Listener::open(&app, &second.access, None).await;
    let mut of_cookie = listener_with_cookie(&app, &cookie).await;
    app.post("/v1/auth/logout", Some(&first.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    assert_eq!(ends.end().await, "session_ended");
    let request = app
        .request(Method::POST, "/v1/auth/logout")
        .json(&json!({}));
    let request = request.header("x-csrf", "1").header("cookie", &cookie);
    Answer::of(request).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(of_cookie.end().await, "session_ended");
    stays.in_step().await;
}

#[tokio::test]
async fn the_other_devices_are_told_of_a_session_that_was_ended() {
    let app = app().await;
    let _worker = app.worker().await;
    let first = app.signed_in("ann@example.com").await;
    let second = app.login("ann@example.com").await.expect(StatusCode::OK);
    let (session, second) = (second.json()["session_id"].take(), second.tokens());
    let mut told = Listener::open(&app, &first.access, None).await;
    told.in_step().await;
    app.post("/v1/auth/logout", Some(&second.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    assert_eq!(told.until("session.revoked").await["id"], session);
}

#[tokio::test]
async fn nobody_listens_without_signing_in_and_a_strange_event_id_is_named() {
    let app = app().await;
    let answer = app.get("/v1/events", None).await;
    answer.expect(StatusCode::UNAUTHORIZED);
    let ann = app.signed_in("ann@example.com").await;
    for strange in [
        "",
        "x",
        "1",
        "1-",
        "-1-1",
        "1-1-1",
        "18446744073709551616-0",
        "é",
    ] {
        let request = app
            .request(Method::GET, "/v1/events")
            .bearer_auth(&ann.access);
        let answer = Answer::of(request.header("last-event-id", strange)).await;
        let problem: Value = answer.expect(StatusCode::BAD_REQUEST).json();
        assert_eq!(
            problem["errors"][0]["pointer"], "Last-Event-ID",
            "{strange}"
        );
    }
}
