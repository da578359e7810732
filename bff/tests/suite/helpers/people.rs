//! People, and how they come in.

use http::StatusCode;
use platform::clock::Clock as _;
use serde_json::{Value, json};

use super::{Answer, PASSWORD, TestApp, Tokens};

impl TestApp {
    /// Puts a user straight into the store, as if long registered.
    pub async fn user(&self, email: &str) -> Value {
        use sqlx::Connection as _;

        let hasher =
            bff::identity::password::Hasher::new(&self.settings.passwords).expect("settings");
        let password = bff::identity::identifier::Password::new(PASSWORD).expect("a password");
        let hash = hasher
            .hash(password, vec![])
            .await
            .expect("idle")
            .expect("strong");
        let id = self.clock.new_id();
        let mut db = self.superuser().await;
        sqlx::query(
            "INSERT INTO users (id, full_name, email, email_canonical, email_verified_at, created_at, updated_at)
             VALUES ($1, 'Ann Lee', $2, lower($2), now(), now(), now())",
        )
        .bind(id)
        .bind(email)
        .execute(&mut db)
        .await
        .expect("a user");
        sqlx::query(
            "INSERT INTO credentials (user_id, password, changed_at) VALUES ($1, $2, now())",
        )
        .bind(id)
        .bind(hash)
        .execute(&mut db)
        .await
        .expect("credentials");
        db.close().await.expect("closes");
        json!({ "id": id, "email": email })
    }

    /// Signs in, in token mode.
    pub async fn login(&self, email: &str) -> Answer {
        self.login_with(email, PASSWORD).await
    }

    /// Signs in with a password, in token mode.
    pub async fn login_with(&self, identifier: &str, password: &str) -> Answer {
        let body = json!({ "identifier": identifier, "password": password });
        self.post("/v1/auth/login", None, &body).await
    }

    /// Registers with a code.
    pub async fn register(&self, identifier: &str, code: &str) -> Answer {
        let body = json!({ "identifier": identifier, "code": code, "password": PASSWORD, "full_name": "Ann Lee" });
        self.post("/v1/auth/register", None, &body).await
    }

    /// Proves again who one is.
    pub async fn step_up(&self, tokens: &Tokens, proof: &Value) -> Answer {
        self.post("/v1/auth/step-up", Some(&tokens.access), proof)
            .await
    }

    /// Renews a session's tokens.
    pub async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.post("/v1/auth/refresh", None, &body).await
    }

    /// Whether any of both tokens is good for anything.
    pub async fn lives(&self, tokens: &Tokens) -> bool {
        self.is_alive(tokens).await || self.refresh(&tokens.refresh).await.status == StatusCode::OK
    }

    /// Whether an access token is taken.
    pub async fn is_alive(&self, tokens: &Tokens) -> bool {
        self.get("/v1/me", Some(&tokens.access)).await.status == StatusCode::OK
    }

    /// Asks for a code.
    pub async fn ask(&self, identifier: &str, purpose: &str, token: Option<&str>) -> Answer {
        let body = json!({ "identifier": identifier, "purpose": purpose });
        self.post("/v1/auth/verify-code", token, &body).await
    }

    /// A signed-in user's tokens.
    pub async fn signed_in(&self, email: &str) -> Tokens {
        self.user(email).await;
        self.login(email).await.expect(StatusCode::OK).tokens()
    }

    /// Signs in, in cookie mode. Returns the cookie as it is to be sent.
    pub async fn cookie(&self, email: &str) -> String {
        let body = json!({ "identifier": email, "password": PASSWORD, "mode": "cookie" });
        let answer = self
            .post("/v1/auth/login", None, &body)
            .await
            .expect(StatusCode::OK);
        let cookie = answer.header("set-cookie").expect("a cookie");
        cookie.split(';').next().expect("a pair").to_owned()
    }
}
