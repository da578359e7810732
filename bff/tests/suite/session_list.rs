//! Sessions beside one another.

use chrono::TimeDelta;
use http::{Method, StatusCode};

use crate::helpers::{Answer, TestApp};

#[tokio::test]
async fn the_eleventh_session_displaces_the_oldest() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let mut all = Vec::new();
    for _ in 0..11 {
        app.advance(TimeDelta::seconds(1));
        all.push(
            app.login("ann@example.com")
                .await
                .expect(StatusCode::OK)
                .tokens(),
        );
    }
    let list = app
        .get("/v1/auth/sessions", Some(&all[10].access))
        .await
        .expect(StatusCode::OK)
        .json();
    assert_eq!(list["items"].as_array().unwrap().len(), 10);
    assert_eq!(list["items"][0]["current"], true);
    assert!(!app.is_alive(&all[0]).await);
    assert!(app.is_alive(&all[1]).await);
}

#[tokio::test]
async fn one_can_end_ones_own_sessions_and_nobody_elses() {
    let app = TestApp::start().await;
    let here = app.signed_in("ann@example.com").await;
    let there = app
        .login("ann@example.com")
        .await
        .expect(StatusCode::OK)
        .tokens();
    let bob = app.signed_in("bob@example.com").await;
    let end = async |token: &str, id: &str| {
        let path = format!("/v1/auth/sessions/{id}");
        Answer::of(app.request(Method::DELETE, &path).bearer_auth(token))
            .await
            .status
    };
    assert_eq!(
        end(&bob.access, &there.session).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(end(&here.access, "not-a-uuid").await, StatusCode::NOT_FOUND);
    assert_eq!(
        end(&here.access, &there.session).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        end(&here.access, &there.session).await,
        StatusCode::NOT_FOUND
    );
    assert!(!app.is_alive(&there).await);
    assert!(app.is_alive(&here).await);
}

#[tokio::test]
async fn an_access_token_doesnt_outlive_its_session() {
    let app = TestApp::start().await;
    let mut tokens = app.signed_in("ann@example.com").await;
    for _ in 0..29 {
        app.advance(TimeDelta::days(1));
        tokens = app.refresh(&tokens.refresh).await.tokens();
    }
    app.advance(TimeDelta::days(1) - TimeDelta::seconds(60));
    let last = app.refresh(&tokens.refresh).await.expect(StatusCode::OK);
    let left = last.json()["expires_in"].as_i64().unwrap();
    // The test itself takes time.
    assert!((40..=60).contains(&left), "{left}");
    let last = last.tokens();
    assert!(app.is_alive(&last).await);
    // And what clocks may be apart.
    app.advance(TimeDelta::seconds(91));
    assert!(!app.is_alive(&last).await);
}

#[tokio::test]
async fn a_shorter_session_beside_it_doesnt_take_a_longer_one_from_the_list() {
    let app = TestApp::start().await;
    app.signed_in("ann@example.com").await;
    let mut settings = app.settings.clone();
    settings.sessions.absolute_s = platform::config::Seconds(60);
    let short_lived = app.replica_with(settings).await;
    short_lived
        .login("ann@example.com")
        .await
        .expect(StatusCode::OK);
    let client = redis::Client::open(app.settings.redis.url.expose().as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM users")
        .fetch_one(&mut app.superuser().await)
        .await
        .unwrap();
    let left: i64 = redis::cmd("TTL")
        .arg(format!("{}:user-sessions:{id}", app.settings.redis.prefix))
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(left > 29 * 24 * 3600, "{left}");
}
