//! Two programs side by side, as they run in production.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    helpers::{Answer, BOUND, OTHER, PASSWORD, TestApp, Tokens, within},
    life::house::House,
    program::Program,
    worker::TestWorker,
};

/// The header that proves a session, by its name and value.
type Proof = (&'static str, String);

impl Program {
    async fn post(&self, path: &str, proof: Option<&Proof>, body: &Value) -> Answer {
        self.send(Method::POST, path, proof, body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        proof: Option<&Proof>,
        body: &Value,
    ) -> Answer {
        let request = self.request(method, path).json(body);
        let request = request.header("x-csrf", "1");
        Answer::of(match proof {
            Some((name, value)) => request.header(*name, value),
            None => request,
        })
        .await
    }

    async fn login(&self, email: &str) -> Tokens {
        let body = json!({ "identifier": email, "password": PASSWORD });
        let answer = self.post("/v1/auth/login", None, &body).await;
        answer.expect(StatusCode::OK).tokens()
    }

    async fn cookie(&self, email: &str) -> Proof {
        let body = json!({ "identifier": email, "password": PASSWORD, "mode": "cookie" });
        let answer = self.post("/v1/auth/login", None, &body).await;
        let cookie = answer.expect(StatusCode::OK).header("set-cookie").unwrap();
        ("cookie", cookie.split(';').next().unwrap().to_owned())
    }

    async fn me(&self, proof: &Proof) -> StatusCode {
        let request = self.request(Method::GET, "/v1/me");
        Answer::of(request.header(proof.0, &proof.1)).await.status
    }
}

fn bearer(tokens: &Tokens) -> Proof {
    ("authorization", format!("Bearer {}", tokens.access))
}

#[tokio::test]
async fn what_ends_a_session_on_one_is_known_to_the_other_within_a_second() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let (here, there) = tokio::join!(Program::start(&app), Program::start(&app));
    for (path, by_cookie) in [
        ("/v1/auth/logout", false),
        ("/v1/auth/logout", true),
        ("/v1/auth/logout-all", false),
        ("/v1/auth/logout-all", true),
    ] {
        let proof = match by_cookie {
            true => here.cookie("ann@example.com").await,
            false => bearer(&here.login("ann@example.com").await),
        };
        // Both have just seen it: what they remember must not outlive it.
        assert_eq!(there.me(&proof).await, StatusCode::OK);
        let ended = here.post(path, Some(&proof), &json!({})).await;
        ended.expect(StatusCode::NO_CONTENT);
        assert_eq!(here.me(&proof).await, StatusCode::UNAUTHORIZED);
        within(BOUND, path, async || {
            there.me(&proof).await == StatusCode::UNAUTHORIZED
        })
        .await;
    }
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_everywhere_within_a_second() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let (here, there) = tokio::join!(Program::start(&app), Program::start(&app));
    let kept = bearer(&here.login("ann@example.com").await);
    let others = [
        bearer(&there.login("ann@example.com").await),
        there.cookie("ann@example.com").await,
    ];
    for other in &others {
        assert_eq!(there.me(other).await, StatusCode::OK);
    }
    let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
    let changed = here.post("/v1/auth/update-password", Some(&kept), &body);
    changed.await.expect(StatusCode::NO_CONTENT);
    for other in &others {
        within(BOUND, "the other program knows", async || {
            there.me(other).await == StatusCode::UNAUTHORIZED
        })
        .await;
    }
    assert_eq!(here.me(&kept).await, StatusCode::OK);
    assert_eq!(there.me(&kept).await, StatusCode::OK);
}

/// What ends all sessions of a user, beside what the user does to a session.
#[derive(Debug, Clone, Copy)]
enum End {
    Reset,
    Role,
    Block,
    SignedOutByAdmin,
    Theft,
    Deactivation,
    Deletion,
}

struct Stage {
    house: House,
    worker: TestWorker,
    admin: Proof,
    here: Program,
}

impl Stage {
    async fn bring_about(&self, end: End, email: &str, user: Uuid, tokens: &Tokens) {
        let own = bearer(tokens);
        let path = format!("/v1/admin/users/{user}");
        let change = async |change: Value| {
            let sent = self
                .here
                .send(Method::PATCH, &path, Some(&self.admin), &change);
            sent.await.expect(StatusCode::OK);
        };
        let done = async |method, path: &str, proof, body: Value| {
            let sent = self.here.send(method, path, proof, &body);
            sent.await.expect(StatusCode::NO_CONTENT);
        };
        match end {
            End::Role => change(json!({ "role": "support" })).await,
            End::Block => change(json!({ "status": "blocked" })).await,
            End::SignedOutByAdmin => {
                let path = format!("{path}/sign-out");
                done(Method::POST, &path, Some(&self.admin), json!({})).await;
            }
            End::Deactivation => {
                done(Method::POST, "/v1/me/deactivate", Some(&own), json!({})).await;
            }
            End::Deletion => done(Method::DELETE, "/v1/me", Some(&own), json!({})).await,
            End::Reset => {
                let body = json!({ "identifier": email });
                let asked = self.here.post("/v1/auth/reset-password", None, &body);
                asked.await.expect(StatusCode::ACCEPTED);
                let code = self.worker.code_for(email).await;
                let body = json!({ "identifier": email, "code": code, "new_password": OTHER });
                let path = "/v1/auth/confirm-reset-password";
                done(Method::POST, path, None, body).await;
            }
            End::Theft => {
                let body = json!({ "refresh_token": tokens.refresh });
                let refresh = || self.here.post("/v1/auth/refresh", None, &body);
                refresh().await.expect(StatusCode::OK);
                refresh().await.expect(StatusCode::UNAUTHORIZED);
            }
        }
    }
}

#[tokio::test]
async fn whatever_ends_sessions_ends_them_everywhere_within_a_second() {
    let house = House::new().await;
    let app = &house.app;
    let admin = house.admin().await;
    let start = || {
        let mut command = app.command(&["serve"]);
        // A displaced token is a stolen one at once.
        command.env("BFF_SESSIONS__REFRESH_GRACE_S", "0");
        Program::run(app, command)
    };
    let (here, there) = tokio::join!(start(), start());
    let worker = app.worker().await;
    let stage = Stage {
        admin: bearer(&admin.tokens),
        worker,
        here,
        house,
    };
    for (number, end) in [
        End::Reset,
        End::Role,
        End::Block,
        End::SignedOutByAdmin,
        End::Theft,
        End::Deactivation,
        End::Deletion,
    ]
    .into_iter()
    .enumerate()
    {
        let ann = stage.house.person(&format!("ann{number}")).await;
        let tokens = there.login(&ann.email).await;
        let mut proofs = vec![bearer(&tokens)];
        // Theft ends the one session alone.
        if !matches!(end, End::Theft) {
            proofs.push(there.cookie(&ann.email).await);
            proofs.push(bearer(&ann.tokens));
        }
        for proof in &proofs {
            assert_eq!(there.me(proof).await, StatusCode::OK, "{end:?}");
        }
        stage.bring_about(end, &ann.email, ann.id, &tokens).await;
        within(BOUND, &format!("{end:?}"), async || {
            for proof in &proofs {
                if there.me(proof).await != StatusCode::UNAUTHORIZED {
                    return false;
                }
            }
            true
        })
        .await;
    }
}
