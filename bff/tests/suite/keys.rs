//! The keys that sign tokens: how they come, change and go while the edge runs.

use std::{
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bff::{
    app::AppState,
    config::{EnvironmentKind, Settings},
    identity::keys::{KeyFile, Rotation},
};
use chrono::TimeDelta;
use http::StatusCode;
use platform::{clock::Clock as _, config::Secret, shutdown::Lifetime, testing::ManualClock};

use crate::helpers::{TestApp, eventually};

/// Which key signed a token.
fn key_of(token: &str) -> String {
    let footer = token.rsplit('.').next().unwrap();
    let footer = URL_SAFE_NO_PAD.decode(footer).unwrap();
    let footer: serde_json::Value = serde_json::from_slice(&footer).unwrap();
    footer["kid"].as_str().unwrap().to_owned()
}

async fn published(app: &TestApp) -> Vec<String> {
    let keys = app.get("/.well-known/paseto-keys", None).await.json();
    let all = keys["keys"].as_array().unwrap();
    all.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn rotate(app: &TestApp, lead: TimeDelta) {
    change(app, |keys| {
        let plan = Rotation {
            lead,
            overlap: TimeDelta::seconds(330),
            lifetime: TimeDelta::days(90),
            token_lifetime: TimeDelta::seconds(300),
        };
        keys.rotate(app.clock.now(), plan).unwrap();
    });
}

fn change(app: &TestApp, change: impl FnOnce(&mut KeyFile)) {
    let file = &app.settings.tokens.keys_file;
    let mut keys = KeyFile::read(file).unwrap();
    change(&mut keys);
    keys.write(file, None).unwrap();
}

async fn status(app: &TestApp, token: &str) -> StatusCode {
    app.get("/v1/me", Some(token)).await.status
}

#[tokio::test]
async fn the_next_key_is_published_first_then_signs_and_the_old_ones_tokens_live_their_life() {
    let app = TestApp::start().await;
    let before = app.signed_in("ann@example.com").await;
    rotate(&app, TimeDelta::minutes(5));
    eventually("both keys are published", async || {
        (published(&app).await.len() == 2).then_some(())
    })
    .await;
    let sign_in = async || {
        let answer = app.login("ann@example.com").await;
        answer.expect(StatusCode::OK).tokens().access
    };
    assert_eq!(key_of(&sign_in().await), key_of(&before.access));

    app.advance(TimeDelta::seconds(301));
    let after = sign_in().await;
    assert_ne!(key_of(&after), key_of(&before.access));
    assert_eq!(status(&app, &before.access).await, StatusCode::OK);
    assert_eq!(status(&app, &after).await, StatusCode::OK);

    app.advance(TimeDelta::seconds(361));
    assert_eq!(published(&app).await, [key_of(&after)]);
}

#[tokio::test]
async fn the_tokens_of_a_retired_key_are_refused_also_those_that_were_seen_before() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let before = app.signed_in("ann@example.com").await;
    for replica in [&app, &other] {
        assert_eq!(status(replica, &before.access).await, StatusCode::OK);
    }
    rotate(&app, TimeDelta::zero());
    change(&app, |keys| {
        let (now, lifetime) = (app.clock.now(), TimeDelta::seconds(300));
        keys.retire(&key_of(&before.access), now, lifetime).unwrap();
    });
    for replica in [&app, &other] {
        eventually("the old key is forgotten", async || {
            (status(replica, &before.access).await == StatusCode::UNAUTHORIZED).then_some(())
        })
        .await;
    }
    let renewed = app.refresh(&before.refresh).await;
    let renewed = renewed.expect(StatusCode::OK).tokens().access;
    assert_eq!(published(&app).await, [key_of(&renewed)]);
    eventually("the other replica has the new key", async || {
        (status(&other, &renewed).await == StatusCode::OK).then_some(())
    })
    .await;
}

async fn start(change: impl FnOnce(&mut Settings)) -> Result<AppState, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut settings = Settings::default();
    settings.secrets.master_key = Secret::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    change(&mut settings);
    let (clock, lifetime) = (Arc::new(ManualClock::new()), Lifetime::new());
    let state = AppState::build(settings, clock, lifetime.clone()).await;
    lifetime.stop();
    state.map_err(|error| format!("{error:#}"))
}

#[tokio::test]
async fn production_doesnt_start_without_a_key_that_signs_and_says_why() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("signing.json");
    let reason = start(|settings| settings.tokens.keys_file.clone_from(&file))
        .await
        .unwrap_err();
    assert!(reason.contains("BFF_TOKENS__KEYS_FILE"), "{reason}");
    assert!(reason.contains("bff keys generate"), "{reason}");
    assert!(!file.exists());

    let mut keys = KeyFile::default();
    let long_ago = ManualClock::new().now() - TimeDelta::days(91);
    keys.generate(long_ago, TimeDelta::days(90)).unwrap();
    keys.write(&file, None).unwrap();
    let reason = start(|settings| settings.tokens.keys_file.clone_from(&file))
        .await
        .unwrap_err();
    assert!(reason.contains("bff keys rotate"), "{reason}");
}

#[tokio::test]
async fn development_makes_keys_of_its_own_with_the_public_ones_beside() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("keys").join("signing.json");
    start(|settings| {
        settings.tokens.keys_file.clone_from(&file);
        settings.environment = EnvironmentKind::Development;
    })
    .await
    .unwrap();
    let keys = KeyFile::read(&file).unwrap();
    let public = std::fs::read(file.with_file_name("public.json")).unwrap();
    let public: platform::paseto::PublicKeys = serde_json::from_slice(&public).unwrap();
    assert_eq!(public, keys.public_keys().unwrap());
}

fn bff(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bff"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn an_operator_makes_rotates_lists_and_retires_keys() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let keys = |command: &str, more: &[&str]| {
        let files = ["--file", "secret.json", "--public-file", "public.json"];
        let files = if command == "list" {
            &files[..2]
        } else {
            &files
        };
        let output = bff(
            directory.path(),
            &[&["keys", command], files, more].concat(),
        );
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("k4.secret"), "{text}");
        (output.status.success(), text)
    };
    assert!(keys("generate", &[]).0);
    let made = std::fs::read(directory.path().join("secret.json")).unwrap();
    assert!(keys("generate", &[]).0);
    assert_eq!(
        std::fs::read(directory.path().join("secret.json")).unwrap(),
        made
    );
    let mode = std::fs::metadata(directory.path().join("secret.json")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);

    let (_, list) = keys("list", &[]);
    let first = list.split_whitespace().last().unwrap().to_owned();
    assert!(first.starts_with("k4.pid."), "{list}");
    assert!(!keys("retire", &["--kid", &first]).0, "the only key stays");
    assert!(
        !keys("rotate", &["--overlap-s", "329"]).0,
        "too short an overlap"
    );
    assert!(keys("rotate", &["--lead-s", "0"]).0);
    let (_, list) = keys("list", &[]);
    assert!(
        list.contains("signs") && list.contains("verifies"),
        "{list}"
    );
    assert!(keys("retire", &["--kid", &first]).0);

    let public = std::fs::read_to_string(directory.path().join("public.json")).unwrap();
    assert!(
        !public.contains(&first) && !public.contains("secret"),
        "{public}"
    );
}
