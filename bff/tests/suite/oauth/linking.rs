//! The signed-in add and remove providers.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use serde_json::json;

use super::stage::{Begun, RETURN_TO, Stage, parameter, session};
use crate::helpers::{Answer, Tokens};

async fn ask(stage: &Stage, tokens: &Tokens, provider: &str) -> Answer {
    let path = format!("/v1/me/identities/{provider}");
    stage
        .app
        .post(
            &path,
            Some(&tokens.access),
            &json!({ "return_to": RETURN_TO }),
        )
        .await
}

async fn begin(stage: &Stage, tokens: &Tokens, provider: &str) -> Begun {
    let answer = ask(stage, tokens, provider).await.expect(StatusCode::OK);
    Begun::of(
        answer.json()["authorization_url"].as_str().unwrap(),
        &answer,
    )
}

async fn link(stage: &Stage, tokens: &Tokens, provider: &str) -> Answer {
    let begun = begin(stage, tokens, provider).await;
    let callback = stage.consent(&begun).await;
    stage.come_back(&callback, Some(&begun.cookie)).await
}

async fn unlink(stage: &Stage, tokens: &Tokens, provider: &str) -> Answer {
    let path = format!("/v1/me/identities/{provider}");
    let request = stage
        .app
        .request(Method::DELETE, &path)
        .bearer_auth(&tokens.access);
    Answer::of(request).await
}

#[tokio::test]
async fn the_signed_in_add_a_provider_and_sign_in_through_it() {
    let stage = Stage::start().await;
    let tokens = stage.app.signed_in("bob@example.com").await;
    let answer = link(&stage, &tokens, "yandex").await;
    assert_eq!(answer.header("location").as_deref(), Some(RETURN_TO));
    assert_eq!(session(&answer), None);
    let me = stage.me(&tokens).await;
    assert_eq!(me["identities"], json!(["yandex"]));
    assert_eq!(me["email"], "bob@example.com");
    let same = stage.me(&stage.signed_in("yandex").await).await;
    assert_eq!(same["id"], me["id"]);
    // Once more changes nothing.
    assert_eq!(
        parameter(&link(&stage, &tokens, "yandex").await, "error"),
        None
    );
    assert_eq!(stage.count("SELECT count(*) FROM identities").await, 1);
}

#[tokio::test]
async fn what_is_linked_to_someone_else_stays_theirs() {
    let stage = Stage::start().await;
    stage.signed_in("vk").await;
    let bob = stage.app.signed_in("bob@example.com").await;
    let answer = link(&stage, &bob, "vk").await;
    assert_eq!(parameter(&answer, "error").as_deref(), Some("conflict"));
    // And of one provider there is one account.
    stage.person("2002", None);
    assert_eq!(parameter(&link(&stage, &bob, "vk").await, "error"), None);
    stage.person("3003", None);
    let answer = link(&stage, &bob, "vk").await;
    assert_eq!(parameter(&answer, "error").as_deref(), Some("conflict"));
    // Nor does a proved address add a second.
    let ann = stage.app.signed_in("ann@example.com").await;
    stage.person("4004", Some("ann@example.com"));
    stage.signed_in("google").await;
    stage.person("5005", Some("ann@example.com"));
    let answer = stage.journey("google", "cookie").await;
    assert_eq!(parameter(&answer, "error").as_deref(), Some("conflict"));
    assert_eq!(stage.me(&ann).await["identities"], json!(["google"]));
}

#[tokio::test]
async fn adding_and_removing_need_a_step_up() {
    let stage = Stage::start().await;
    let tokens = stage.app.signed_in("bob@example.com").await;
    link(&stage, &tokens, "vk").await;
    stage.app.advance(TimeDelta::minutes(11));
    let tokens = stage.app.refresh(&tokens.refresh).await.tokens();
    for answer in [
        ask(&stage, &tokens, "google").await,
        unlink(&stage, &tokens, "vk").await,
    ] {
        assert_eq!(
            answer.expect(StatusCode::FORBIDDEN).code(),
            "step_up_required"
        );
    }
    let body = json!({ "password": crate::helpers::PASSWORD });
    let proved = stage.app.step_up(&tokens, &body).await;
    proved.expect(StatusCode::NO_CONTENT);
    unlink(&stage, &tokens, "vk")
        .await
        .expect(StatusCode::NO_CONTENT);
    ask(&stage, &tokens, "google").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn nobody_adds_a_provider_for_someone_else() {
    let stage = Stage::start().await;
    let answer = stage
        .app
        .post("/v1/me/identities/google", None, &json!({}))
        .await;
    answer.expect(StatusCode::UNAUTHORIZED);
    // Another site can't with the cookie.
    stage.app.user("bob@example.com").await;
    let cookie = stage.app.cookie("bob@example.com").await;
    for method in [Method::POST, Method::DELETE] {
        let request = stage
            .app
            .request(method, "/v1/me/identities/google")
            .json(&json!({}));
        let answer = Answer::of(request.header("cookie", &cookie)).await;
        assert_eq!(answer.expect(StatusCode::FORBIDDEN).code(), "csrf");
    }
    // Nor can another browser come back.
    let tokens = stage.app.login("bob@example.com").await.tokens();
    let begun = begin(&stage, &tokens, "google").await;
    let callback = stage.consent(&begun).await;
    let foreign = stage.begin("google", "cookie").await.cookie;
    let answer = stage.come_back(&callback, Some(&foreign)).await;
    answer.expect(StatusCode::BAD_REQUEST);
    assert_eq!(stage.count("SELECT count(*) FROM identities").await, 0);
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_links_nothing() {
    let stage = Stage::start().await;
    let tokens = stage.app.signed_in("bob@example.com").await;
    let begun = begin(&stage, &tokens, "vk").await;
    let callback = stage.consent(&begun).await;
    stage
        .app
        .post("/v1/auth/logout", Some(&tokens.access), &json!({}))
        .await;
    let answer = stage.come_back(&callback, Some(&begun.cookie)).await;
    assert_eq!(
        parameter(&answer, "error").as_deref(),
        Some("invalid_credentials")
    );
    assert_eq!(stage.count("SELECT count(*) FROM identities").await, 0);
}

#[tokio::test]
async fn a_start_is_never_taken_for_adding() {
    let stage = Stage::start().await;
    stage.app.user("bob@example.com").await;
    let session_cookie = stage.app.cookie("bob@example.com").await;
    let request = stage
        .app
        .request(Method::GET, "/v1/auth/oauth/vk/start?return_to=/welcome");
    let answer = Answer::of(request.header("cookie", &session_cookie)).await;
    let begun = Begun::of(&answer.header("location").unwrap(), &answer);
    let callback = stage.consent(&begun).await;
    let both = format!("{}; {session_cookie}", begun.cookie);
    let answer = stage.come_back(&callback, Some(&both)).await;
    assert!(parameter(&answer, "ticket").is_some());
    let bobs = "SELECT count(*) FROM identities i JOIN users u ON u.id = i.user_id WHERE u.email IS NOT NULL";
    assert_eq!(stage.count(bobs).await, 0);
}

#[tokio::test]
async fn a_provider_is_removed() {
    let stage = Stage::start().await;
    let tokens = stage.app.signed_in("ann@example.com").await;
    stage.signed_in("google").await;
    unlink(&stage, &tokens, "google")
        .await
        .expect(StatusCode::NO_CONTENT);
    assert!(
        stage.me(&tokens).await["identities"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    unlink(&stage, &tokens, "google")
        .await
        .expect(StatusCode::NOT_FOUND);
    unlink(&stage, &tokens, "vk")
        .await
        .expect(StatusCode::NOT_FOUND);
    unlink(&stage, &tokens, "myspace")
        .await
        .expect(StatusCode::NOT_FOUND);
    let written = "SELECT count(*) FROM audit_log WHERE event = 'identity.unlinked'";
    assert_eq!(stage.count(written).await, 1);
}

#[tokio::test]
async fn the_last_way_to_sign_in_stays() {
    let stage = Stage::start().await;
    // With an address, but without a password.
    let tokens = stage.signed_in("google").await;
    let answer = unlink(&stage, &tokens, "google").await;
    assert_eq!(
        answer.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
        "last_sign_in_method"
    );
    assert_eq!(stage.me(&tokens).await["identities"], json!(["google"]));

    link(&stage, &tokens, "vk").await;
    // Both at once: one of them stays.
    let (one, two) = tokio::join!(
        unlink(&stage, &tokens, "google"),
        unlink(&stage, &tokens, "vk")
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422]);
    assert_eq!(stage.count("SELECT count(*) FROM identities").await, 1);
}

#[tokio::test]
async fn the_owner_of_the_address_is_told_of_both() {
    let stage = Stage::start().await;
    let worker = stage.app.worker().await;
    let tokens = stage.app.signed_in("ann@example.com").await;
    link(&stage, &tokens, "vk").await;
    unlink(&stage, &tokens, "vk")
        .await
        .expect(StatusCode::NO_CONTENT);
    // By a proved address too, without being asked.
    stage.journey("google", "cookie").await;
    worker.all_handled(&stage.app).await;
    let mails = worker.mails_to("ann@example.com");
    let told = |text: &str| mails.iter().filter(|mail| mail.contains(text)).count();
    assert_eq!(told("sign in to your account through VK"), 2, "{mails:?}");
    assert_eq!(told("through Google"), 1, "{mails:?}");
}

#[tokio::test]
async fn whoever_just_signed_up_is_told_nothing() {
    let stage = Stage::start().await;
    let worker = stage.app.worker().await;
    stage.journey("google", "cookie").await;
    worker.all_handled(&stage.app).await;
    assert!(worker.mails_to("ann@example.com").is_empty());
}
