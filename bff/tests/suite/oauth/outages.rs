//! A provider, or what the edge keeps its flows in, is away.

use std::time::Instant;

use chrono::TimeDelta;
use http::StatusCode;
use platform::{config::Millis, testing::Server};
use rstest::rstest;

use super::{
    fault::Fault::{self, *},
    stage::{RETURN_TO, Stage, parameter, session},
};

#[rstest]
#[case("google", ExchangeHangs)]
#[case("vk", DataHangs)]
#[tokio::test]
async fn a_provider_that_hangs_is_waited_for_so_long_and_no_longer(
    #[case] provider: &str,
    #[case] fault: Fault,
) {
    let stage = Stage::with(|all| all.oauth.timeout_ms = Millis(300)).await;
    stage.provider.script(|script| script.fault = Some(fault));
    let began = Instant::now();
    let answer = stage.journey(provider, "cookie").await;
    assert!(began.elapsed().as_secs() < 10);
    assert_eq!(
        parameter(&answer, "error").as_deref(),
        Some("deadline_exceeded")
    );
    assert_eq!(session(&answer), None);
}

#[rstest]
#[case(DiscoveryFails)]
#[case(DiscoveryOfAnother)]
#[tokio::test]
async fn without_discovery_nobody_is_sent_anywhere(#[case] fault: Fault) {
    let stage = Stage::start().await;
    stage.provider.script(|script| script.fault = Some(fault));
    let answer = stage.start_answer("google", "token", RETURN_TO).await;
    assert_eq!(answer.header("location"), None);
    let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "unavailable");
    assert!(answer.header("retry-after").is_some());
    stage.provider.script(|script| script.fault = None);
    stage.signed_in("google").await;
}

#[tokio::test]
async fn a_provider_that_keeps_failing_isnt_called_for_a_while() {
    let stage = Stage::start().await;
    stage
        .provider
        .script(|script| script.fault = Some(ExchangeFails));
    for _ in 0..8 {
        let answer = stage.journey("yandex", "token").await;
        assert_eq!(parameter(&answer, "error").as_deref(), Some("unavailable"));
    }
    let calls = stage.provider.calls("exchange");
    assert!(calls < 8, "{calls}");
    // Another one is another one.
    stage.provider.script(|script| script.fault = None);
    stage.signed_in("vk").await;
    let answer = stage.journey("yandex", "token").await;
    assert_eq!(parameter(&answer, "error").as_deref(), Some("unavailable"));
    stage.app.advance(TimeDelta::seconds(2));
    stage.signed_in("yandex").await;
}

#[tokio::test]
async fn discovery_and_keys_are_fetched_once_an_hour() {
    let stage = Stage::start().await;
    for _ in 0..3 {
        stage.signed_in("google").await;
    }
    assert_eq!(
        (
            stage.provider.calls("discovery"),
            stage.provider.calls("keys")
        ),
        (1, 1)
    );
    stage.app.advance(TimeDelta::minutes(59));
    stage.signed_in("google").await;
    assert_eq!(
        (
            stage.provider.calls("discovery"),
            stage.provider.calls("keys")
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_new_key_is_looked_for_once_a_minute_at_most() {
    let stage = Stage::start().await;
    stage.signed_in("google").await;
    stage
        .provider
        .script(|script| script.fault = Some(UnknownKid));
    for _ in 0..3 {
        stage.journey("google", "token").await;
    }
    assert_eq!(stage.provider.calls("keys"), 1);
    stage.app.advance(TimeDelta::seconds(61));
    for _ in 0..3 {
        stage.journey("google", "token").await;
    }
    assert_eq!(stage.provider.calls("keys"), 2);

    stage.provider.script(|script| {
        script.fault = None;
        script.kid = "second".into();
    });
    stage.app.advance(TimeDelta::seconds(61));
    stage.signed_in("google").await;
    assert_eq!(stage.provider.calls("keys"), 3);
}

#[tokio::test]
async fn without_redis_nobody_is_signed_in_and_nobody_is_told_off() {
    let redis = Server::redis().await;
    let stage = Stage::with(|all| all.redis.url = redis.url()).await;
    let begun = stage.begin("vk", "cookie").await;
    let callback = stage.consent(&begun).await;
    redis.stop();
    let start = stage.start_answer("vk", "cookie", RETURN_TO).await;
    let back = stage.come_back(&callback, Some(&begun.cookie)).await;
    let exchange = stage.exchange(&"A".repeat(43)).await;
    for answer in [start, back, exchange] {
        let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.code(), "unavailable");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(answer.header("location"), None);
    }
    redis.cont();
}
