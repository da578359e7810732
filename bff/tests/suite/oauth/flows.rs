//! A flow ends in the browser that began it, once, in time, and where it may.

use chrono::TimeDelta;
use futures::future::join_all;
use http::{Method, StatusCode};
use rstest::rstest;
use serde_json::json;

use super::stage::{RETURN_TO, Stage, parameter, session};
use crate::helpers::Answer;

fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.code(), "invalid_request");
    assert_eq!(answer.pointers(), ["state"]);
    assert_eq!(answer.header("location"), None);
    assert_eq!(session(answer), None);
}

#[tokio::test]
async fn the_mark_of_the_browser_is_short_and_lax() {
    let stage = Stage::start().await;
    let answer = stage.start_answer("vk", "cookie", RETURN_TO).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-oauth="), "{cookie}");
    for part in [
        "; Path=/;",
        "; Secure;",
        "; HttpOnly;",
        "; SameSite=Lax;",
        "; Max-Age=600",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(
        answer.header("ratelimit-policy").unwrap().split(';').next(),
        Some("\"auth\"")
    );
}

#[tokio::test]
async fn every_flow_has_its_own_secrets() {
    let stage = Stage::start().await;
    let (one, two) = (
        stage.begin("google", "token").await,
        stage.begin("google", "token").await,
    );
    for name in ["state", "nonce", "code_challenge"] {
        let of = |page: &url::Url| {
            page.query_pairs()
                .find(|(n, _)| n == name)
                .unwrap()
                .1
                .into_owned()
        };
        assert_ne!(of(&one.page), of(&two.page), "{name}");
        assert_eq!(of(&one.page).len(), 43);
    }
    assert_ne!(one.cookie, two.cookie);
}

#[tokio::test]
async fn a_callback_without_a_state_of_this_browser_is_refused() {
    let stage = Stage::start().await;
    let begun = stage.begin("vk", "cookie").await;
    let callback = stage.consent(&begun).await;
    let others = stage.begin("vk", "cookie").await;

    is_refused(&stage.come_back(&callback, None).await);
    is_refused(&stage.come_back(&callback, Some(&others.cookie)).await);
    is_refused(&stage.come_back(&callback, Some("__Host-oauth=")).await);
    // The name that is used without TLS counts for nothing.
    let plain = begun.cookie.replace("__Host-", "");
    is_refused(&stage.come_back(&callback, Some(&plain)).await);
    for state in ["", "x", &"A".repeat(43), &"A".repeat(4_000), "%00", "a*"] {
        let forged = callback.replace(&begun.state(), state);
        is_refused(&stage.come_back(&forged, Some(&begun.cookie)).await);
    }
    let missing = callback.replace("state=", "estate=");
    is_refused(&stage.come_back(&missing, Some(&begun.cookie)).await);
    assert_eq!(stage.provider.calls("exchange"), 0);

    // None of it has spent the state.
    let answer = stage.come_back(&callback, Some(&begun.cookie)).await;
    assert!(session(&answer).is_some());
}

#[tokio::test]
async fn a_state_is_good_once() {
    let stage = Stage::start().await;
    let begun = stage.begin("yandex", "cookie").await;
    let callback = stage.consent(&begun).await;
    let many = (0..20).map(|_| stage.come_back(&callback, Some(&begun.cookie)));
    let answers = join_all(many).await;
    let sessions = answers.iter().filter(|answer| session(answer).is_some());
    assert_eq!(sessions.count(), 1);
    assert_eq!(stage.provider.calls("exchange"), 1);
    is_refused(&stage.come_back(&callback, Some(&begun.cookie)).await);
}

#[tokio::test]
async fn a_refusal_spends_the_state_too() {
    let stage = Stage::start().await;
    let begun = stage.begin("google", "cookie").await;
    let refusal = format!(
        "/v1/auth/oauth/google/callback?error=access_denied&state={}",
        begun.state()
    );
    let answer = stage.come_back(&refusal, Some(&begun.cookie)).await;
    assert_eq!(
        parameter(&answer, "error").as_deref(),
        Some("access_denied")
    );
    let callback = stage.consent(&begun).await;
    is_refused(&stage.come_back(&callback, Some(&begun.cookie)).await);
}

#[rstest]
#[case(599, true)]
#[case(601, false)]
#[tokio::test]
async fn a_state_is_good_for_ten_minutes(#[case] seconds: i64, #[case] good: bool) {
    let stage = Stage::start().await;
    let begun = stage.begin("facebook", "cookie").await;
    let callback = stage.consent(&begun).await;
    stage.app.advance(TimeDelta::seconds(seconds));
    let answer = stage.come_back(&callback, Some(&begun.cookie)).await;
    assert_eq!(session(&answer).is_some(), good);
    if !good {
        is_refused(&answer);
    }
}

#[tokio::test]
async fn what_began_at_one_provider_cant_end_at_another() {
    let stage = Stage::start().await;
    let begun = stage.begin("yandex", "cookie").await;
    let callback = stage
        .consent(&begun)
        .await
        .replace("/yandex/", "/facebook/");
    is_refused(&stage.come_back(&callback, Some(&begun.cookie)).await);
}

#[tokio::test]
async fn two_tabs_of_one_browser_dont_disturb_each_other() {
    let stage = Stage::start().await;
    let first = stage.begin("vk", "cookie").await;
    let request = stage
        .app
        .request(Method::GET, "/v1/auth/oauth/google/start?mode=cookie");
    let answer = Answer::of(request.header("cookie", &first.cookie)).await;
    assert!(
        answer
            .header("set-cookie")
            .unwrap()
            .starts_with(&first.cookie)
    );
    let callback = stage.consent(&first).await;
    assert!(session(&stage.come_back(&callback, Some(&first.cookie)).await).is_some());
}

#[rstest]
#[case("code=again", "code")]
#[case("state=again", "state")]
#[case("device_id=1&device_id=2", "device_id")]
#[tokio::test]
async fn no_parameter_comes_twice(#[case] more: &str, #[case] pointer: &str) {
    let stage = Stage::start().await;
    let begun = stage.begin("google", "cookie").await;
    let callback = format!("{}&{more}", stage.consent(&begun).await);
    let answer = stage.come_back(&callback, Some(&begun.cookie)).await;
    assert_eq!(answer.expect(StatusCode::BAD_REQUEST).pointers(), [pointer]);
    assert_eq!(stage.provider.calls("exchange"), 0);
}

#[rstest]
#[case("//evil.example")]
#[case("/\\evil.example")]
#[case("/%2Fevil.example")]
#[case("/%252Fevil.example")]
#[case("/%5Cevil.example")]
#[case("/\tevil.example")]
#[case("/%0d%0aLocation:%20https://evil.example")]
#[case("javascript:alert(1)")]
#[case("https://evil.example/")]
#[case("https://app.example@evil.example/")]
#[case("https://app.example.evil.example/")]
#[case("https://user:pw@app.example/")]
#[case("http://app.example/")]
#[case("")]
#[tokio::test]
async fn nobody_is_sent_elsewhere(#[case] return_to: &str) {
    let stage = Stage::start().await;
    let answer = stage.start_answer("vk", "token", return_to).await;
    assert_eq!(answer.header("location"), None);
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(
        answer.expect(StatusCode::BAD_REQUEST).pointers(),
        ["return_to"]
    );
    // Nor who adds a provider.
    let tokens = stage.app.signed_in("bob@example.com").await;
    let (path, body) = ("/v1/me/identities/vk", json!({ "return_to": return_to }));
    let answer = stage.app.post(path, Some(&tokens.access), &body).await;
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(
        answer.expect(StatusCode::BAD_REQUEST).pointers(),
        ["/return_to"]
    );
}

#[rstest]
#[case("", "https://app.example/?ticket=")]
#[case("return_to=/welcome", "https://app.example/welcome?ticket=")]
#[case(
    "return_to=%2Fa%3Ftab%3D2%26ticket%3Dplanted%23x",
    "https://app.example/a?tab=2&ticket="
)]
#[case(
    "return_to=https%3A%2F%2Fapp.example%2Fb",
    "https://app.example/b?ticket="
)]
#[tokio::test]
async fn one_comes_back_to_where_one_wanted_to_be(#[case] query: &str, #[case] place: &str) {
    let stage = Stage::start().await;
    let path = format!("/v1/auth/oauth/vk/start?{query}");
    let answer = Answer::of(stage.app.request(Method::GET, &path))
        .await
        .expect(StatusCode::FOUND);
    let begun = super::stage::Begun::of(&answer.header("location").unwrap(), &answer);
    let callback = stage.consent(&begun).await;
    let end = stage
        .come_back(&callback, Some(&begun.cookie))
        .await
        .expect(StatusCode::FOUND);
    let location = end.header("location").unwrap();
    assert!(location.starts_with(place), "{location}");
    assert!(!location.contains("planted"), "{location}");
}

#[rstest]
#[case("mode=carrier-pigeon", "mode")]
#[case("prompt=none", "prompt")]
#[case("mode=token&mode=cookie", "mode")]
#[tokio::test]
async fn a_start_that_makes_no_sense_is_refused(#[case] query: &str, #[case] pointer: &str) {
    let stage = Stage::start().await;
    let path = format!("/v1/auth/oauth/vk/start?{query}");
    let answer = stage
        .app
        .get(&path, None)
        .await
        .expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.pointers(), [pointer]);
}

#[tokio::test]
async fn no_more_is_asked_for_than_who_someone_is_and_their_address() {
    let stage = Stage::start().await;
    for (provider, scopes) in [
        ("google", "openid email profile"),
        ("facebook", "email public_profile"),
        ("vk", "vkid.personal_info email"),
        ("yandex", "login:info login:email"),
    ] {
        let page = stage.begin(provider, "token").await.page;
        let asked = page.query_pairs().find(|(name, _)| name == "scope");
        assert_eq!(asked.unwrap().1, scopes, "{provider}");
    }
}
