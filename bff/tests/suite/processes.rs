//! Two programs side by side, as they run in production.

use std::{process::Stdio, time::Duration};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{Instant, timeout},
};

use crate::helpers::{Answer, OTHER, PASSWORD, TestApp};

/// What every replica has to know within.
const BOUND: Duration = Duration::from_secs(1);

/// `bff serve` on the stores of a [`TestApp`].
struct Program {
    url: String,
    client: reqwest::Client,
    _child: Child,
}

impl Program {
    async fn start(app: &TestApp) -> Self {
        let settings = &app.settings;
        let mut child = Command::new(env!("CARGO_BIN_EXE_bff"))
            .arg("serve")
            .env_clear()
            .env("BFF_ENVIRONMENT", "development")
            .env("BFF_HTTP__LISTEN", "127.0.0.1:0")
            .env("BFF_OPS__LISTEN", "127.0.0.1:0")
            .env("BFF_POSTGRES__URL", settings.postgres.url.expose().as_str())
            .env("BFF_POSTGRES__MAX_CONNECTIONS", "4")
            .env("BFF_REDIS__URL", settings.redis.url.expose().as_str())
            .env("BFF_REDIS__PREFIX", &settings.redis.prefix)
            .env("BFF_NATS__URL", settings.nats.url.expose().as_str())
            .env("BFF_NATS__PREFIX", &settings.nats.prefix)
            .env("BFF_TOKENS__KEYS_FILE", &settings.tokens.keys_file)
            .env("BFF_PASSWORDS__MEMORY_KIB", "64")
            .env("BFF_PASSWORDS__ITERATIONS", "1")
            .env("BFF_LIMITS__AUTH__PER_MINUTE", "100000")
            .env("BFF_LIMITS__AUTH__BURST", "10000")
            .env("BFF_TELEMETRY__LOG_FORMAT", "json")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it runs");
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["message"] == "public listener" {
                    return format!("http://{}", line["address"].as_str().unwrap());
                }
            }
        };
        let url = timeout(Duration::from_secs(20), listening).await.unwrap();
        // Whatever it says from here on is read, so that it never waits.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            url,
            client: app.client.clone(),
            _child: child,
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Signs in: the header that proves it, by its name and value.
    async fn sign_in(&self, mode: &str) -> (&'static str, String) {
        let body = json!({ "identifier": "ann@example.com", "password": PASSWORD, "mode": mode });
        let request = self.request(Method::POST, "/v1/auth/login").json(&body);
        let answer = Answer::of(request).await.expect(StatusCode::OK);
        match mode {
            "cookie" => {
                let cookie = answer.header("set-cookie").unwrap();
                ("cookie", cookie.split(';').next().unwrap().to_owned())
            }
            _ => (
                "authorization",
                format!("Bearer {}", answer.tokens().access),
            ),
        }
    }

    async fn me(&self, proof: &(&'static str, String)) -> StatusCode {
        let request = self.request(Method::GET, "/v1/me");
        Answer::of(request.header(proof.0, &proof.1)).await.status
    }
}

#[tokio::test]
async fn what_ends_a_session_on_one_is_known_to_the_other_within_a_second() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let (here, there) = tokio::join!(Program::start(&app), Program::start(&app));
    for (mode, path, body) in [
        ("token", "/v1/auth/logout", json!({})),
        ("cookie", "/v1/auth/logout", json!({})),
        ("token", "/v1/auth/logout-all", json!({})),
        ("cookie", "/v1/auth/logout-all", json!({})),
    ] {
        let proof = here.sign_in(mode).await;
        // Both have just seen it: what they remember must not outlive it.
        assert_eq!(there.me(&proof).await, StatusCode::OK);
        let request = here.request(Method::POST, path).json(&body);
        let request = request.header("x-csrf", "1").header(proof.0, &proof.1);
        Answer::of(request).await.expect(StatusCode::NO_CONTENT);
        let ended = Instant::now();
        assert_eq!(here.me(&proof).await, StatusCode::UNAUTHORIZED);
        while there.me(&proof).await != StatusCode::UNAUTHORIZED {
            assert!(ended.elapsed() < BOUND, "{mode} {path}");
        }
    }
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_everywhere_within_a_second() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let (here, there) = tokio::join!(Program::start(&app), Program::start(&app));
    let kept = here.sign_in("token").await;
    let others = [there.sign_in("token").await, there.sign_in("cookie").await];
    for other in &others {
        assert_eq!(there.me(other).await, StatusCode::OK);
    }
    let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
    let request = here
        .request(Method::POST, "/v1/auth/update-password")
        .json(&body);
    let request = request.header(kept.0, &kept.1);
    Answer::of(request).await.expect(StatusCode::NO_CONTENT);
    let changed = Instant::now();
    for other in &others {
        while there.me(other).await != StatusCode::UNAUTHORIZED {
            assert!(changed.elapsed() < BOUND, "{}", other.0);
        }
    }
    assert_eq!(here.me(&kept).await, StatusCode::OK);
    assert_eq!(there.me(&kept).await, StatusCode::OK);
}
