use std::process::Command;

use bff::notify::{SmsSender, settings::SmsSettings};
use platform::config::Secret;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, header_exists, method, path},
};

use crate::{
    helpers::eventually,
    messaging::{Logs, Messaging},
};

#[tokio::test]
async fn a_code_reaches_its_owner_through_the_sms_hook_once() {
    let (logs, _guard) = Logs::capture();
    let mut messaging = Messaging::new().await;
    let hook = MockServer::start().await;
    let call = || {
        Mock::given(method("POST"))
            .and(path("/send"))
            .and(header("authorization", "Bearer hook-secret"))
            .and(header_exists("idempotency-key"))
    };
    call()
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .expect(1)
        .mount(&hook)
        .await;
    call()
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&hook)
        .await;
    messaging.sms_to(&format!("{}/send", hook.uri()));
    messaging.sms.secret = Secret::new("hook-secret");
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("+14155550123", "271828"))
        .await;
    eventually("it is marked", async || messaging.handled().await == 1).await;

    let calls = hook.received_requests().await.unwrap();
    let body: Value = calls[1].body_json().unwrap();
    assert_eq!(
        body,
        json!({
            "to": "+14155550123",
            "text": "271828 is your Portico code, good for 5 minutes. Tell it to nobody.",
        })
    );
    let key = |call: usize| calls[call].headers["idempotency-key"].clone();
    assert_eq!(key(0), key(1), "the hook can tell a repeat");
    for secret in ["271828", "4155550123", "hook-secret"] {
        let text = logs.text();
        let told = text.lines().find(|line| line.contains(secret));
        assert_eq!(told, None, "{secret} is in the log");
    }
    messaging.finish().await;
}

#[tokio::test]
async fn an_sms_that_the_hook_refuses_is_a_dead_letter() {
    let mut messaging = Messaging::new().await;
    let hook = MockServer::start().await;
    let refusal = ResponseTemplate::new(422).set_body_string("no such number +14155550123");
    Mock::given(method("POST"))
        .respond_with(refusal)
        .expect(1)
        .mount(&hook)
        .await;
    messaging.sms_to(&hook.uri());
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("+14155550123", "271828"))
        .await;
    eventually("it is a dead letter", async || {
        messaging
            .dead_letters()
            .await
            .contains("the SMS hook answered 422 (to +1***23)")
    })
    .await;
    messaging.finish().await;
}

#[tokio::test]
async fn without_a_hook_sms_are_written_or_given_up_with_a_reason() {
    let mut messaging = Messaging::new().await;
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("+14155550123", "271828"))
        .await;
    eventually("it is a dead letter", async || {
        messaging
            .dead_letters()
            .await
            .contains("no way to send SMS is configured")
    })
    .await;
    messaging.lifetime.stop();

    let directory = tempfile::tempdir().unwrap();
    messaging.sms_to(&format!("file://{}", directory.path().display()));
    messaging.lifetime = platform::shutdown::Lifetime::new();
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("+14155550123", "314159"))
        .await;
    eventually("it is marked", async || messaging.handled().await == 1).await;
    let file = std::fs::read_dir(directory.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("To: +14155550123\n\n314159 is"), "{text}");
    messaging.finish().await;
}

#[test]
fn a_url_that_is_no_hook_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "the test's own client")]
    let client = reqwest::Client::new();
    let settings = SmsSettings {
        url: Some("ftp://there".parse().unwrap()),
        ..SmsSettings::default()
    };
    let error = SmsSender::new(&settings, client).unwrap_err().to_string();
    assert!(error.starts_with("BFF_SMS__URL: expected"), "{error}");
}

#[test]
fn production_sends_no_sms_without_a_list_of_countries() {
    let run = |command: &str, variables: &[(&str, &str)]| {
        Command::new(env!("CARGO_BIN_EXE_bff"))
            .arg(command)
            .env_clear()
            .env("BFF_SMS__URL", "https://sms.example/send")
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    };
    for command in ["serve", "worker", "check-config"] {
        let refused = run(command, &[]);
        let why = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{command}");
        assert!(why.contains("BFF_CODES__SMS_COUNTRIES"), "{command}: {why}");
    }
    for good in [
        ("BFF_CODES__SMS_COUNTRIES", "US,GB"),
        ("BFF_SMS__URL", "file:///tmp/sms"),
        ("BFF_ENVIRONMENT", "development"),
    ] {
        let done = run("check-config", &[good]);
        assert!(done.status.success(), "{good:?}: {done:?}");
    }
    let no_country = run("check-config", &[("BFF_CODES__SMS_COUNTRIES", "1,44")]);
    assert!(!no_country.status.success());
}
