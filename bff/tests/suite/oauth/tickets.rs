//! What stands between the callback and a session in token mode.

use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use rstest::rstest;
use serde_json::json;

use super::stage::{Stage, parameter, session};

async fn ticket(stage: &Stage) -> String {
    let answer = stage.journey("google", "token").await;
    assert_eq!(session(&answer), None);
    parameter(&answer, "ticket").expect("a ticket")
}

#[tokio::test]
async fn a_ticket_is_exchanged_as_if_one_had_signed_in() {
    let stage = Stage::start().await;
    let answer = stage
        .exchange(&ticket(&stage).await)
        .await
        .expect(StatusCode::OK);
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(answer.header("set-cookie"), None);
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["user"]["email"], "ann@example.com");
    let renewed = stage.app.refresh(&answer.tokens().refresh).await;
    renewed.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_ticket_is_good_for_the_exchange_alone() {
    let stage = Stage::start().await;
    let ticket = ticket(&stage).await;
    let as_token = stage.app.get("/v1/me", Some(&ticket)).await;
    as_token.expect(StatusCode::UNAUTHORIZED);
    let as_refresh_token = stage.app.refresh(&ticket).await;
    as_refresh_token.expect(StatusCode::UNAUTHORIZED);
    stage.exchange(&ticket).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn of_twenty_exchanges_at_once_one_succeeds() {
    let stage = Stage::start().await;
    let ticket = ticket(&stage).await;
    let answers = join_all((0..20).map(|_| stage.exchange(&ticket))).await;
    let (good, bad): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status == StatusCode::OK);
    assert_eq!(good.len(), 1);
    for answer in bad {
        assert_eq!(
            answer.expect(StatusCode::UNPROCESSABLE_ENTITY).code(),
            "invalid_code"
        );
    }
    let tokens = good[0].tokens();
    let list = stage
        .app
        .get("/v1/auth/sessions", Some(&tokens.access))
        .await
        .json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[rstest]
#[case(59, StatusCode::OK)]
#[case(61, StatusCode::UNPROCESSABLE_ENTITY)]
#[tokio::test]
async fn a_ticket_is_good_for_a_minute(#[case] seconds: i64, #[case] status: StatusCode) {
    let stage = Stage::start().await;
    let ticket = ticket(&stage).await;
    stage.app.advance(TimeDelta::seconds(seconds));
    stage.exchange(&ticket).await.expect(status);
}

#[tokio::test]
async fn a_made_up_ticket_is_worth_nothing() {
    let stage = Stage::start().await;
    let begun = stage.begin("google", "token").await;
    let state = begun.state();
    for text in ["", "x", &"A".repeat(43), &"A".repeat(4_000), "*", &state] {
        let answer = stage
            .exchange(text)
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.code(), "invalid_code");
    }
    let nothing = stage
        .app
        .post("/v1/auth/oauth/exchange", None, &json!({}))
        .await;
    assert_eq!(
        nothing.expect(StatusCode::BAD_REQUEST).pointers(),
        ["/ticket"]
    );
}

#[tokio::test]
async fn whoever_is_blocked_meanwhile_gets_no_session() {
    let stage = Stage::start().await;
    let ticket = ticket(&stage).await;
    stage.execute("UPDATE users SET status = 'blocked'").await;
    let answer = stage
        .exchange(&ticket)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    assert_eq!(answer.code(), "invalid_credentials");
}

#[tokio::test]
async fn ending_all_sessions_ends_tickets_too() {
    let stage = Stage::start().await;
    let tokens = stage.signed_in("google").await;
    let ticket = ticket(&stage).await;
    let ended = stage
        .app
        .post("/v1/auth/logout-all", Some(&tokens.access), &json!({}))
        .await;
    ended.expect(StatusCode::NO_CONTENT);
    stage
        .exchange(&ticket)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}
