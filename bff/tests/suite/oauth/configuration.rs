//! A provider is there when it is configured, and then it is configured right.

use bff::{
    app::AppState,
    config::{EnvironmentKind, Settings},
    identity::oauth::settings::OAuthSettings,
};
use http::{Method, StatusCode};
use platform::{config::Secret, shutdown::Lifetime, testing::ManualClock};
use rstest::rstest;

use super::stage::{PROVIDERS, Stage};
use crate::helpers::{Answer, TestApp};

#[tokio::test]
async fn a_provider_that_isnt_configured_isnt_there() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    for provider in PROVIDERS {
        for path in [
            "start",
            "start?return_to=//evil.example",
            "callback",
            "callback?state=a&code=b",
        ] {
            let path = format!("/v1/auth/oauth/{provider}/{path}");
            let answer = app.get(&path, None).await.expect(StatusCode::NOT_FOUND);
            assert_eq!(answer.code(), "not_found");
        }
        let path = format!("/v1/me/identities/{provider}");
        let answer = app
            .post(&path, Some(&tokens.access), &serde_json::json!({}))
            .await;
        answer.expect(StatusCode::NOT_FOUND);
    }
    let stage = Stage::start().await;
    let answer = stage.app.get("/v1/auth/oauth/myspace/start", None).await;
    answer.expect(StatusCode::NOT_FOUND);
    let request = stage
        .app
        .request(Method::POST, "/v1/auth/oauth/google/start");
    Answer::of(request)
        .await
        .expect(StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn one_provider_can_be_there_alone() {
    let stage = Stage::with(|all| {
        all.oauth.google.client_id.clear();
        // VK ID does without a secret; this one is that of the test.
        all.oauth.yandex.client_id.clear();
    })
    .await;
    for (provider, status) in [
        ("google", 404),
        ("vk", 302),
        ("yandex", 404),
        ("facebook", 302),
    ] {
        let answer = stage.start_answer(provider, "token", "/").await;
        assert_eq!(answer.status.as_u16(), status, "{provider}");
    }
}

#[tokio::test]
async fn without_tls_the_mark_has_a_plain_name() {
    let stage = Stage::with(|all| {
        all.oauth.public_url = Some("http://127.0.0.1:8080".parse().unwrap());
        all.http.allowed_origins.0.clear();
    })
    .await;
    let answer = stage
        .start_answer("vk", "cookie", "/")
        .await
        .expect(StatusCode::FOUND);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("oauth=") && !cookie.contains("Secure"),
        "{cookie}"
    );
    // And without other origins, the edge's own is where one returns to.
    let other = stage
        .start_answer("vk", "cookie", "https://app.example/")
        .await;
    other.expect(StatusCode::BAD_REQUEST);
    let own = stage
        .start_answer("vk", "cookie", "http://127.0.0.1:8080/docs/")
        .await;
    own.expect(StatusCode::FOUND);
}

fn google() -> OAuthSettings {
    let mut oauth = OAuthSettings {
        public_url: Some("https://api.example".parse().unwrap()),
        ..OAuthSettings::default()
    };
    oauth.google.client_id = "id".into();
    oauth.google.client_secret = Secret::new("secret");
    oauth
}

#[rstest]
#[case(|all: &mut OAuthSettings| all.google.client_secret = Secret::default(), "CLIENT_SECRET")]
#[case(|all: &mut OAuthSettings| all.public_url = None, "BFF_OAUTH__PUBLIC_URL")]
#[case(|all: &mut OAuthSettings| all.public_url = Some("http://api.example".parse().unwrap()), "BFF_OAUTH__PUBLIC_URL")]
#[case(|all: &mut OAuthSettings| all.public_url = Some("ftp://api.example".parse().unwrap()), "BFF_OAUTH__PUBLIC_URL")]
#[case(|all: &mut OAuthSettings| all.google.url = "http://accounts.google.com".parse().unwrap(), "BFF_OAUTH__GOOGLE")]
#[case(|all: &mut OAuthSettings| all.google.url = "https://accounts.google.com?a=b".parse().unwrap(), "BFF_OAUTH__GOOGLE")]
#[tokio::test]
async fn what_cant_work_stops_the_start_by_name(
    #[case] spoil: fn(&mut OAuthSettings),
    #[case] name: &str,
) {
    let app = TestApp::start().await;
    let build = async |oauth: OAuthSettings| {
        let settings = Settings {
            environment: EnvironmentKind::Production,
            oauth,
            ..app.settings.clone()
        };
        let mut settings = settings;
        settings.secrets.master_key = Secret::new("A".repeat(43) + "=");
        let lifetime = Lifetime::new();
        let clock = std::sync::Arc::new(ManualClock::new());
        let built = AppState::build(settings, clock, lifetime.clone()).await;
        lifetime.stop();
        built.map(drop).map_err(|error| format!("{error:#}"))
    };
    build(google()).await.unwrap();
    let mut wrong = google();
    spoil(&mut wrong);
    let error = build(wrong).await.unwrap_err();
    assert!(error.contains(name), "{error}");
}
