//! Who is who, by the provider's own id of the person.

use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use rstest::rstest;
use serde_json::Value;

use super::stage::{PROVIDERS, RETURN_TO, Stage, parameter, session};
use crate::helpers::{Answer, Tokens};

#[rstest]
#[case("google")]
#[case("facebook")]
#[case("vk")]
#[case("yandex")]
#[tokio::test]
async fn a_person_signs_up_and_in_again_in_either_mode(#[case] provider: &str) {
    let stage = Stage::start().await;
    let first = stage.signed_in(provider).await;
    let me = stage.me(&first).await;
    assert_eq!(me["full_name"], "Ann Lee");
    assert_eq!(me["role"], "customer");
    assert_eq!(me["identities"], serde_json::json!([provider]));
    // Google alone vouches for the address.
    let email = if provider == "google" {
        "ann@example.com".into()
    } else {
        Value::Null
    };
    assert_eq!(me["email"], email);
    assert_eq!(me["email_verified_at"].is_null(), email.is_null());
    assert!(me["last_login_at"].is_string());

    let again = stage.journey(provider, "cookie").await;
    assert_eq!(again.header("location").as_deref(), Some(RETURN_TO));
    let cookie = session(&again).expect("a session");
    let request = stage
        .app
        .request(http::Method::GET, "/v1/me")
        .header("cookie", cookie);
    let same = Answer::of(request).await.expect(StatusCode::OK).json();
    assert_eq!(same["id"], me["id"]);
    assert_eq!(stage.count("SELECT count(*) FROM users").await, 1);
    let opened =
        "SELECT count(*) FROM audit_log WHERE event = 'session.opened' AND detail ? 'provider'";
    assert_eq!(stage.count(opened).await, 2);
    let registered =
        "SELECT count(*) FROM outbox WHERE subject = 'evt.accounts.user.registered.v1'";
    assert_eq!(stage.count(registered).await, 1);
}

#[tokio::test]
async fn the_session_cookie_is_the_usual_one() {
    let stage = Stage::start().await;
    let answer = stage.journey("vk", "cookie").await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 1);
    let cookie = cookies[0].to_str().unwrap();
    for part in [
        "__Host-session=",
        "; Path=/;",
        "; Secure;",
        "; HttpOnly;",
        "; SameSite=Strict;",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
}

#[tokio::test]
async fn one_needs_neither_an_address_nor_a_name_nor_a_password() {
    let stage = Stage::start().await;
    stage.person("7", None);
    stage
        .provider
        .script(|script| script.person.name = " \u{7}\n ".into());
    let me = stage.me(&stage.signed_in("facebook").await).await;
    for field in ["email", "phone", "username", "full_name"] {
        assert!(me[field].is_null(), "{field}: {me}");
    }
    assert_eq!(stage.count("SELECT count(*) FROM credentials").await, 0);
}

#[tokio::test]
async fn a_name_is_held_to_the_rules_of_names_whoever_tells_it() {
    let stage = Stage::start().await;
    stage
        .provider
        .script(|script| script.person.name = "Ann\u{202e} \u{2066}Lee\u{200f}".into());
    let me = stage.me(&stage.signed_in("google").await).await;
    assert_eq!(me["full_name"], "Ann Lee");
}

#[tokio::test]
async fn the_subject_decides_whatever_else_changes() {
    let stage = Stage::start().await;
    let me = stage.me(&stage.signed_in("google").await).await;
    stage.person("1001", Some("new@example.com"));
    let moved = stage.me(&stage.signed_in("google").await).await;
    assert_eq!(moved["id"], me["id"]);
    assert_eq!(moved["email"], "ann@example.com");
    // The same address in other hands is someone else.
    stage
        .provider
        .script(|script| script.person.subject = "2002".into());
    let other = stage.me(&stage.signed_in("google").await).await;
    assert_ne!(other["id"], me["id"]);
}

#[tokio::test]
async fn one_id_at_two_providers_is_two_people() {
    let stage = Stage::start().await;
    let mut ids = Vec::new();
    for provider in ["facebook", "vk", "yandex"] {
        let me = stage.me(&stage.signed_in(provider).await).await;
        ids.push(me["id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn many_first_sign_ins_at_once_make_one_user() {
    let stage = Stage::start().await;
    let answers = join_all((0..8).map(|_| stage.journey("google", "token"))).await;
    for answer in answers {
        assert!(
            parameter(&answer, "ticket").is_some(),
            "{:?}",
            answer.headers
        );
    }
    assert_eq!(stage.count("SELECT count(*) FROM users").await, 1);
    assert_eq!(stage.count("SELECT count(*) FROM identities").await, 1);
}

#[rstest]
#[case("UPDATE users SET status = 'blocked'")]
#[case("UPDATE users SET status = 'deleted', deleted_at = now(), erase_after = now()")]
#[case("UPDATE users SET status = 'erased', deleted_at = now(), erase_after = now(), erased_at = now(),
        email = NULL, email_canonical = NULL, email_verified_at = NULL, full_name = NULL, last_login_at = NULL")]
#[tokio::test]
async fn whoever_may_not_sign_in_may_not_sign_in_so_either(#[case] statement: &'static str) {
    let stage = Stage::start().await;
    stage.signed_in("google").await;
    stage.execute(statement).await;
    for mode in ["token", "cookie"] {
        let answer = stage.journey("google", mode).await;
        assert_eq!(
            parameter(&answer, "error").as_deref(),
            Some("invalid_credentials")
        );
        assert_eq!(parameter(&answer, "ticket"), None);
        assert_eq!(session(&answer), None);
    }
    let refused =
        "SELECT count(*) FROM audit_log WHERE event = 'session.refused' AND user_id IS NOT NULL";
    assert_eq!(stage.count(refused).await, 2);
    assert_eq!(stage.count("SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn the_deactivated_come_back_in_time_and_not_later() {
    let stage = Stage::start().await;
    let tokens = stage.signed_in("vk").await;
    let leave = async |tokens: &Tokens| {
        let none = serde_json::json!({});
        let left = stage
            .app
            .post("/v1/me/deactivate", Some(&tokens.access), &none)
            .await;
        left.expect(StatusCode::NO_CONTENT);
    };
    leave(&tokens).await;
    let again = stage.signed_in("vk").await;
    leave(&again).await;
    assert!(session(&stage.journey("vk", "cookie").await).is_some());
    let back = "SELECT count(*) FROM audit_log WHERE event = 'user.reactivated'";
    assert_eq!(stage.count(back).await, 2);

    leave(&stage.signed_in("vk").await).await;
    stage.app.advance(TimeDelta::days(31));
    let answer = stage.journey("vk", "cookie").await;
    assert_eq!(
        parameter(&answer, "error").as_deref(),
        Some("invalid_credentials")
    );
    let answer = stage.journey("vk", "token").await;
    let ticket = parameter(&answer, "ticket").expect("a ticket");
    stage
        .exchange(&ticket)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    assert_eq!(stage.count(back).await, 2);
}

#[tokio::test]
async fn nothing_that_is_written_down_holds_an_address_a_code_or_a_token() {
    let stage = Stage::start().await;
    stage.person("the-subject", Some("ann@example.com"));
    for provider in PROVIDERS {
        stage.signed_in(provider).await;
    }
    let told = "SELECT count(*) FROM (
            SELECT audit_log::text AS line FROM audit_log UNION ALL SELECT outbox::text FROM outbox) AS lines
        WHERE line ~ '(ann@example|the-subject|code-|token-)'";
    assert_eq!(stage.count(told).await, 0);
}
