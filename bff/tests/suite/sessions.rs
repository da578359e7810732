//! Sessions: how they are proved, renewed and ended.

use chrono::TimeDelta;
use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;

use crate::helpers::{Answer, TestApp, Tokens, eventually};

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.post("/v1/auth/refresh", None, &json!({ "refresh_token": token }))
        .await
}

async fn is_alive(app: &TestApp, tokens: &Tokens) -> bool {
    app.get("/v1/me", Some(&tokens.access)).await.status == StatusCode::OK
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_and_the_chain_goes_on() {
    let app = TestApp::start().await;
    let mut tokens = app.signed_in("ann@example.com").await;
    for _ in 0..3 {
        app.advance(TimeDelta::minutes(4));
        let next = refresh(&app, &tokens.refresh)
            .await
            .expect(StatusCode::OK)
            .tokens();
        assert_ne!(next.refresh, tokens.refresh);
        assert_eq!(next.session, tokens.session);
        assert!(is_alive(&app, &next).await);
        tokens = next;
    }
}

#[tokio::test]
async fn twenty_refreshes_at_once_give_one_successor() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let answers = join_all((0..20).map(|_| refresh(&app, &tokens.refresh))).await;
    let successors: std::collections::HashSet<_> = answers
        .into_iter()
        .map(|answer| answer.expect(StatusCode::OK).tokens().refresh)
        .collect();
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn within_the_grace_time_a_displaced_token_joins_the_living_chain() {
    let app = TestApp::start().await;
    let first = app.signed_in("ann@example.com").await;
    let second = refresh(&app, &first.refresh)
        .await
        .expect(StatusCode::OK)
        .tokens();
    let third = refresh(&app, &second.refresh)
        .await
        .expect(StatusCode::OK)
        .tokens();
    app.advance(TimeDelta::seconds(29));
    assert_eq!(
        refresh(&app, &first.refresh).await.tokens().refresh,
        second.refresh
    );
    assert_eq!(
        refresh(&app, &second.refresh).await.tokens().refresh,
        third.refresh
    );
    refresh(&app, &third.refresh).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn after_the_grace_time_a_displaced_token_is_theft_and_ends_the_session() {
    let app = TestApp::start().await;
    let first = app.signed_in("ann@example.com").await;
    let second = refresh(&app, &first.refresh)
        .await
        .expect(StatusCode::OK)
        .tokens();
    app.advance(TimeDelta::seconds(31));
    assert_eq!(
        refresh(&app, &first.refresh)
            .await
            .expect(StatusCode::UNAUTHORIZED)
            .code(),
        "unauthenticated"
    );
    refresh(&app, &second.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    assert!(!is_alive(&app, &second).await);
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
        refresh(&app, text).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert!(is_alive(&app, &tokens).await);
    refresh(&app, &tokens.refresh).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_in_any_case_after_thirty_days() {
    let app = TestApp::start().await;
    let mut tokens = app.signed_in("ann@example.com").await;
    for _ in 0..3 {
        app.advance(TimeDelta::days(9));
        tokens = refresh(&app, &tokens.refresh)
            .await
            .expect(StatusCode::OK)
            .tokens();
    }
    app.advance(TimeDelta::days(4));
    refresh(&app, &tokens.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);

    let idle = app
        .login("ann@example.com")
        .await
        .expect(StatusCode::OK)
        .tokens();
    app.advance(TimeDelta::days(15));
    refresh(&app, &idle.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_access_token_is_good_for_five_minutes() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    assert!(is_alive(&app, &tokens).await);
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
    assert!(is_alive(&other, &tokens).await);
    app.post("/v1/auth/logout", Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    assert!(!is_alive(&app, &tokens).await);
    refresh(&other, &tokens.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    eventually("the other replica knows", async || {
        (!is_alive(&other, &tokens).await).then_some(())
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
        (!is_alive(&late, &tokens).await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn refreshing_while_signing_out_leaves_nothing_alive() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    for _ in 0..10 {
        let tokens = app
            .login("ann@example.com")
            .await
            .expect(StatusCode::OK)
            .tokens();
        let body = json!({});
        let (refreshed, _) = tokio::join!(
            refresh(&app, &tokens.refresh),
            app.post("/v1/auth/logout", Some(&tokens.access), &body),
        );
        if refreshed.status == StatusCode::OK {
            let new = refreshed.tokens();
            assert!(!is_alive(&app, &new).await);
            refresh(&app, &new.refresh)
                .await
                .expect(StatusCode::UNAUTHORIZED);
        }
        assert!(!is_alive(&app, &tokens).await);
    }
}

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
    assert!(!is_alive(&app, &all[0]).await);
    assert!(is_alive(&app, &all[1]).await);
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
    assert!(!is_alive(&app, &there).await);
    assert!(is_alive(&app, &here).await);
}

#[tokio::test]
async fn a_cookie_session_reads_freely_and_writes_only_from_our_pages() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    let get = app.request(Method::GET, "/v1/me").header("cookie", &cookie);
    Answer::of(get).await.expect(StatusCode::OK);

    let logout = || {
        app.request(Method::POST, "/v1/auth/logout")
            .header("cookie", &cookie)
    };
    for request in [
        logout(),
        logout().header("x-csrf", "0"),
        logout()
            .header("x-csrf", "1")
            .header("origin", "https://evil.example"),
        logout().header("x-csrf", "1").header("origin", "null"),
        logout()
            .header("x-csrf", "1")
            .header("sec-fetch-site", "cross-site"),
        logout()
            .header("origin", "https://app.example")
            .header("content-type", "text/plain"),
    ] {
        assert_eq!(
            Answer::of(request)
                .await
                .expect(StatusCode::FORBIDDEN)
                .code(),
            "csrf"
        );
    }
    let request = logout()
        .header("x-csrf", "1")
        .header("origin", "https://app.example");
    let answer = Answer::of(request).await.expect(StatusCode::NO_CONTENT);
    assert!(
        answer
            .header("set-cookie")
            .is_some_and(|cookie| cookie.contains("Max-Age=0"))
    );
    let get = app.request(Method::GET, "/v1/me").header("cookie", &cookie);
    Answer::of(get).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_cookie_session_slides_for_twelve_hours() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    let me = async || {
        Answer::of(app.request(Method::GET, "/v1/me").header("cookie", &cookie))
            .await
            .status
    };
    for _ in 0..3 {
        app.advance(TimeDelta::hours(11));
        assert_eq!(me().await, StatusCode::OK);
    }
    app.advance(TimeDelta::hours(13));
    assert_eq!(me().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_site_cannot_sign_its_visitor_in() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let form = [
        ("identifier", "ann@example.com"),
        ("password", crate::helpers::PASSWORD),
        ("mode", "cookie"),
    ];
    let request = app.request(Method::POST, "/v1/auth/login").form(&form);
    let answer = Answer::of(request.header("origin", "https://evil.example")).await;
    assert_eq!(answer.expect(StatusCode::FORBIDDEN).code(), "csrf");
}

#[tokio::test]
async fn two_proofs_at_once_are_refused() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    let me = || app.request(Method::GET, "/v1/me");
    for request in [
        me().header("cookie", &cookie).bearer_auth(&tokens.access),
        me().header("cookie", format!("{cookie}; {cookie}")),
        me().header("cookie", &cookie).header("cookie", &cookie),
        me().bearer_auth(&tokens.access).bearer_auth(&tokens.access),
    ] {
        assert_eq!(
            Answer::of(request)
                .await
                .expect(StatusCode::BAD_REQUEST)
                .code(),
            "invalid_request"
        );
    }
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer v4.public.AAAA",
    ] {
        let answer = Answer::of(me().header("authorization", value)).await;
        answer.expect(StatusCode::UNAUTHORIZED);
    }
    let huge = format!("Bearer {}", "a".repeat(16_000));
    Answer::of(me().header("authorization", huge))
        .await
        .expect(StatusCode::UNAUTHORIZED);
}
