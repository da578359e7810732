//! Between the edge and Redis.

use std::time::Instant;

use http::{Method, StatusCode};
use platform::{
    config::Millis,
    testing::{Fault, Loss, Server},
};
use rstest::rstest;

use super::{BOUND, Edge, MS, assert_unavailable, median_of, timed};
use crate::helpers::{Answer, Tokens, eventually};

/// Everything that can't be done without Redis says so, in time.
async fn assert_closed(edge: &Edge, tokens: &Tokens, cookie: &str) {
    let app = edge.app();
    let by_cookie = app.request(Method::GET, "/v1/me").header("cookie", cookie);
    for work in [
        timed(app.login("ann@example.com")).await,
        timed(app.ask("cat@example.com", "registration", None)).await,
        timed(app.refresh(&tokens.refresh)).await,
        timed(Answer::of(by_cookie)).await,
    ] {
        let (answer, took) = work;
        assert_unavailable(answer);
        assert!(took < BOUND, "{took:?}");
    }
}

async fn assert_heals(edge: &Edge, tokens: &Tokens, cookie: &str) {
    let app = edge.app();
    eventually("sign-in heals", async || {
        app.advance(chrono::TimeDelta::seconds(2));
        app.login("ann@example.com").await.status == StatusCode::OK
    })
    .await;
    let request = app.request(Method::GET, "/v1/me").header("cookie", cookie);
    Answer::of(request).await.expect(StatusCode::OK);
    app.refresh(&tokens.refresh).await.expect(StatusCode::OK);
}

#[rstest]
#[case::nothing_passes(Fault::BlackHole)]
#[case::connections_are_refused(Fault::Refuse)]
#[case::answers_come_too_late(Fault::Latency { delay: MS(2_000), jitter: MS(50) })]
#[case::hardly_anything_passes(Fault::Bandwidth(1))]
#[tokio::test]
async fn without_answers_from_redis_reads_by_token_go_on_and_the_rest_is_503(#[case] fault: Fault) {
    let edge = Edge::start().await;
    let tokens = edge.app().signed_in("ann@example.com").await;
    let cookie = edge.app().cookie("ann@example.com").await;
    edge.redis.set(fault);
    // What was seen of the cookie within the last second still counts.
    edge.app().advance(chrono::TimeDelta::seconds(2));
    assert_closed(&edge, &tokens, &cookie).await;
    assert_closed(&edge, &tokens, &cookie).await;
    for _ in 0..10 {
        let home = edge.home(&tokens.access).await.expect(StatusCode::OK);
        assert_eq!(home.json()["complete"], true);
    }
    // By now it isn't waited for, but by one call a second that asks whether it is back.
    assert_eq!(
        edge.app().readyz().await["circuits"]["redis.identity"],
        "open"
    );
    let took = median_of(50, async || {
        assert_unavailable(edge.app().refresh(&tokens.refresh).await);
    })
    .await;
    assert!(took < MS(250) / 4, "{took:?}");
    edge.redis.heal();
    assert_heals(&edge, &tokens, &cookie).await;
}

#[tokio::test]
async fn a_late_redis_costs_time_and_nothing_else_within_its_limits() {
    let edge = Edge::start().await;
    let tokens = edge.app().signed_in("ann@example.com").await;
    edge.redis.set(Fault::Latency {
        delay: MS(10),
        jitter: MS(3),
    });
    edge.app()
        .login("ann@example.com")
        .await
        .expect(StatusCode::OK);
    let home = edge.home(&tokens.access).await.expect(StatusCode::OK);
    assert_eq!(home.json()["complete"], true);
}

#[tokio::test]
async fn connections_that_are_cut_are_made_again_and_nobody_is_signed_out() {
    let edge = Edge::start().await;
    let app = edge.app();
    let mut tokens = app.signed_in("ann@example.com").await;
    for _ in 0..10 {
        edge.redis.cut();
        // The first may find out; it isn't the user's fault.
        let first = app.login("ann@example.com").await.status;
        assert!(matches!(first.as_u16(), 200 | 503), "{first}");
        tokens = eventually("it is renewed", async || {
            let answer = app.refresh(&tokens.refresh).await;
            assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
            (answer.status == StatusCode::OK).then(|| answer.tokens())
        })
        .await;
        assert!(app.is_alive(&tokens).await);
    }
}

#[tokio::test]
async fn a_connection_that_is_forgotten_on_the_way_is_made_anew() {
    let edge = Edge::start().await;
    let app = edge.app();
    app.signed_in("ann@example.com").await;
    edge.redis.abandon();
    assert_unavailable(app.login("ann@example.com").await);
    eventually("sign-in heals", async || {
        app.advance(chrono::TimeDelta::seconds(2));
        app.login("ann@example.com").await.status == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_renewal_that_was_not_heard_of_is_repeated_and_no_theft() {
    let edge = Edge::start().await;
    let app = edge.app();
    let first = app.signed_in("ann@example.com").await;
    // By now Redis knows the script.
    let tokens = app.refresh(&first.refresh).await.tokens();
    edge.redis.set(Fault::LoseAnswer(Loss::to(
        tokens.session.clone().leak().as_bytes(),
    )));
    assert_unavailable(app.refresh(&tokens.refresh).await);
    assert_eq!(edge.redis.lost(), 1, "it was done");
    let renewed = eventually("Redis is found again", async || {
        let answer = app.refresh(&tokens.refresh).await;
        assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
        (answer.status == StatusCode::OK).then(|| answer.tokens())
    })
    .await;
    assert_eq!(renewed.session, tokens.session);
    let later = app.refresh(&renewed.refresh).await;
    let later = later.expect(StatusCode::OK).tokens();
    assert!(app.lives(&later).await, "nobody was robbed");
    let robbed = "SELECT count(*) FROM audit_log WHERE event LIKE '%stolen%'";
    assert_eq!(edge.bank.count(robbed).await, 0);
}

#[rstest]
#[case::everything("ALL")]
#[case::writes("WRITE")]
#[tokio::test]
async fn while_redis_pauses_its_clients_the_same_holds(#[case] what: &str) {
    let redis = Server::redis().await;
    let url = redis.url();
    let edge = Edge::with(|settings| {
        settings.redis.url = url;
        settings.redis.response_timeout_ms = Millis(100);
    })
    .await;
    let tokens = edge.app().signed_in("ann@example.com").await;
    let cookie = edge.app().cookie("ann@example.com").await;
    let began = Instant::now();
    let pause = MS(4_000);
    redis.pause_clients(pause, what).await;
    edge.app().advance(chrono::TimeDelta::seconds(2));
    assert_closed(&edge, &tokens, &cookie).await;
    let home = edge.home(&tokens.access).await.expect(StatusCode::OK);
    assert_eq!(home.json()["complete"], true);
    assert!(began.elapsed() < pause, "it still pauses");
    assert_heals(&edge, &tokens, &cookie).await;
}
