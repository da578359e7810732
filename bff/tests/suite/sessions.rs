//! Sessions: how they are proved, renewed and ended.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use http::{Method, StatusCode};
use platform::testing::Server;
use serde_json::json;

use crate::helpers::{Answer, BOUND, TestApp, eventually, within};

#[tokio::test]
async fn a_refresh_gives_a_new_pair_and_the_chain_goes_on() {
    let app = TestApp::start().await;
    let mut tokens = app.signed_in("ann@example.com").await;
    for _ in 0..3 {
        app.advance(TimeDelta::minutes(4));
        let next = app
            .refresh(&tokens.refresh)
            .await
            .expect(StatusCode::OK)
            .tokens();
        assert_ne!(next.refresh, tokens.refresh);
        assert_eq!(next.session, tokens.session);
        assert!(app.is_alive(&next).await);
        tokens = next;
    }
}

#[tokio::test]
async fn twenty_refreshes_at_once_give_one_successor() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let answers = join_all((0..20).map(|_| app.refresh(&tokens.refresh))).await;
    let successors: std::collections::HashSet<_> = answers
        .into_iter()
        .map(|answer| answer.expect(StatusCode::OK).tokens().refresh)
        .collect();
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn within_the_grace_time_a_displaced_token_joins_the_living_chain() {
    let app = TestApp::standing_still(|_| ()).await;
    let first = app.signed_in("ann@example.com").await;
    let second = app
        .refresh(&first.refresh)
        .await
        .expect(StatusCode::OK)
        .tokens();
    let third = app
        .refresh(&second.refresh)
        .await
        .expect(StatusCode::OK)
        .tokens();
    app.advance(TimeDelta::seconds(30));
    assert_eq!(
        app.refresh(&first.refresh).await.tokens().refresh,
        second.refresh
    );
    assert_eq!(
        app.refresh(&second.refresh).await.tokens().refresh,
        third.refresh
    );
    app.refresh(&third.refresh).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn after_the_grace_time_a_displaced_token_is_theft_and_ends_the_session() {
    let app = TestApp::standing_still(|_| ()).await;
    let first = app.signed_in("ann@example.com").await;
    let second = app
        .refresh(&first.refresh)
        .await
        .expect(StatusCode::OK)
        .tokens();
    app.advance(TimeDelta::milliseconds(30_001));
    assert_eq!(
        app.refresh(&first.refresh)
            .await
            .expect(StatusCode::UNAUTHORIZED)
            .code(),
        "unauthenticated"
    );
    app.refresh(&second.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    assert!(!app.is_alive(&second).await);
    let mut db = app.superuser().await;
    let stolen: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit_log WHERE event = 'session.stolen'")
            .fetch_one(&mut db)
            .await
            .unwrap();
    assert_eq!(stolen, 1);
}

#[tokio::test]
async fn a_made_up_refresh_token_harms_nobody() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let mut forged = tokens.refresh.clone().into_bytes();
    forged[40] = if forged[40] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for text in [
        forged.as_str(),
        "",
        "x",
        &"A".repeat(91),
        &"A".repeat(4_000),
    ] {
        app.refresh(text).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert!(app.is_alive(&tokens).await);
    app.refresh(&tokens.refresh).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_in_any_case_after_thirty_days() {
    let app = TestApp::start().await;
    let mut tokens = app.signed_in("ann@example.com").await;
    for _ in 0..3 {
        app.advance(TimeDelta::days(9));
        tokens = app
            .refresh(&tokens.refresh)
            .await
            .expect(StatusCode::OK)
            .tokens();
    }
    app.advance(TimeDelta::days(4));
    app.refresh(&tokens.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);

    let idle = app
        .login("ann@example.com")
        .await
        .expect(StatusCode::OK)
        .tokens();
    app.advance(TimeDelta::days(15));
    app.refresh(&idle.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_access_token_is_good_for_five_minutes() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    assert!(app.is_alive(&tokens).await);
    app.advance(TimeDelta::seconds(331));
    let answer = app
        .get("/v1/me", Some(&tokens.access))
        .await
        .expect(StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
}

#[tokio::test]
async fn signing_out_ends_access_at_once_on_every_replica() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let tokens = app.signed_in("ann@example.com").await;
    assert!(other.is_alive(&tokens).await);
    app.post("/v1/auth/logout", Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    assert!(!app.is_alive(&tokens).await);
    other
        .refresh(&tokens.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    within(BOUND, "the other replica knows", async || {
        !other.is_alive(&tokens).await
    })
    .await;
}

#[tokio::test]
async fn without_nats_what_ended_is_known_to_every_replica_within_five_seconds() {
    let mut nats = Server::nats().await;
    let app = TestApp::with(|settings| settings.nats.url = nats.url()).await;
    let other = app.replica().await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    let tokens = app.login("ann@example.com").await.tokens();
    let by_cookie = async || {
        let request = other.request(Method::GET, "/v1/me");
        Answer::of(request.header("cookie", &cookie)).await.status
    };
    assert!(other.is_alive(&tokens).await);
    assert_eq!(by_cookie().await, StatusCode::OK);
    nats.kill().await;
    app.post("/v1/auth/logout-all", Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    let bound = Duration::from_secs(5);
    within(bound, "the other replica knows", async || {
        !other.is_alive(&tokens).await && by_cookie().await == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_starts_later_knows_what_ended_before() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    app.post("/v1/auth/logout", Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    let late = app.replica().await;
    eventually("the late replica knows", async || {
        !late.is_alive(&tokens).await
    })
    .await;
}
