//! A sign-in and a change of the password, each held at the one place where the
//! other one could slip by: no session outlives what proved it.

use std::pin::pin;

use bff::config::Settings;
use futures::future::join;
use http::{Method, StatusCode};
use platform::{config::Millis, testing::Server};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::helpers::{Answer, OTHER, PASSWORD, TestApp, Tokens, eventually};

const ANN: &str = "ann@example.com";

/// Whoever first comes to a place in the store waits there until the gate opens.
struct Gate {
    keeper: PgConnection,
}

impl Gate {
    /// A trigger with this timing is the place.
    async fn at(app: &TestApp, place: &'static str) -> Self {
        let mut keeper = app.superuser().await;
        sqlx::raw_sql(
            "CREATE SEQUENCE arrivals;
             CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                 IF nextval('arrivals') = 1 THEN PERFORM pg_advisory_xact_lock(1); END IF;
                 RETURN NEW;
             END $$;
             SELECT pg_advisory_lock(1);",
        )
        .execute(&mut keeper)
        .await
        .unwrap();
        let trigger = format!("CREATE {place} FOR EACH ROW EXECUTE FUNCTION wait()");
        sqlx::query(sqlx::AssertSqlSafe(trigger))
            .execute(&mut keeper)
            .await
            .unwrap();
        Self { keeper }
    }

    async fn somebody_waits(&mut self) {
        eventually("somebody waits at the gate", async || {
            self.waiting("advisory").await
        })
        .await;
    }

    /// Whether anybody waits for a lock of this kind.
    async fn waiting(&mut self, lock: &str) -> bool {
        let waiting = "SELECT FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = $1";
        let found = sqlx::query(waiting).bind(lock);
        found
            .fetch_optional(&mut self.keeper)
            .await
            .unwrap()
            .is_some()
    }

    async fn open(self) {
        self.keeper.close().await.unwrap();
    }
}

/// An edge that is patient with its store, and one session of ann's in it.
async fn edge(change: impl FnOnce(&mut Settings)) -> (TestApp, Tokens) {
    let app = TestApp::with(|settings| {
        settings.postgres.lock_timeout_ms = Millis(60_000);
        settings.postgres.statement_timeout_ms = Millis(60_000);
        change(settings);
    })
    .await;
    let tokens = app.signed_in(ANN).await;
    (app, tokens)
}

/// Signs in from a device that wasn't seen before, of which its owner is told.
async fn sign_in(app: &TestApp) -> Answer {
    let request = app.request(Method::POST, "/v1/auth/login");
    let body = json!({ "identifier": ANN, "password": PASSWORD });
    Answer::of(request.header("user-agent", "a new one").json(&body)).await
}

async fn change(app: &TestApp, tokens: &Tokens) -> Answer {
    let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
    let path = "/v1/auth/update-password";
    app.post(path, Some(&tokens.access), &body).await
}

/// The sign-in failed, or what it gave is worth nothing.
async fn left_nothing(app: &TestApp, answer: Answer) {
    if answer.status == StatusCode::OK {
        assert!(!app.lives(&answer.tokens()).await);
    } else {
        let answer = answer.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(answer.code(), "invalid_credentials");
    }
}

#[tokio::test]
async fn a_sign_in_that_was_written_down_before_the_change_opens_no_session_after_it() {
    let (app, tokens) = edge(|_| {}).await;
    // The notice is the last thing before the session.
    let mut gate = Gate::at(&app, "TRIGGER gate BEFORE INSERT ON outbox").await;
    let (signed_in, ()) = join(sign_in(&app), async {
        gate.somebody_waits().await;
        change(&app, &tokens).await.expect(StatusCode::NO_CONTENT);
        gate.open().await;
    })
    .await;
    left_nothing(&app, signed_in).await;
    assert!(app.lives(&tokens).await, "the session that asked is spared");
}

#[tokio::test]
async fn a_sign_in_that_begins_when_sessions_have_ended_waits_for_the_change() {
    let (app, tokens) = edge(|_| {}).await;
    let place = "CONSTRAINT TRIGGER gate AFTER INSERT ON audit_log DEFERRABLE INITIALLY DEFERRED";
    let mut gate = Gate::at(&app, place).await;
    let (changed, signed_in) = join(change(&app, &tokens), async {
        // At the commit, which is after everything else.
        gate.somebody_waits().await;
        let mut asked = pin!(sign_in(&app));
        let early = tokio::select! {
            answer = &mut asked => Some(answer),
            () = eventually("it waits", async || gate.waiting("transactionid").await) => None,
        };
        gate.open().await;
        match early {
            Some(answer) => answer,
            None => asked.await,
        }
    })
    .await;
    changed.expect(StatusCode::NO_CONTENT);
    left_nothing(&app, signed_in).await;
    assert!(app.lives(&tokens).await, "the session that asked is spared");
}

#[tokio::test]
async fn a_password_that_ends_no_sessions_isnt_changed() {
    let mut redis = Server::redis().await;
    let url = redis.url();
    let (app, tokens) = edge(|settings| settings.redis.url = url).await;
    let place = "TRIGGER gate BEFORE INSERT ON audit_log";
    let mut gate = Gate::at(&app, place).await;
    let (changed, ()) = join(change(&app, &tokens), async {
        gate.somebody_waits().await;
        redis.kill().await;
        gate.open().await;
    })
    .await;
    changed.expect(StatusCode::SERVICE_UNAVAILABLE);
    redis.restart().await;
    eventually("the password is still good", async || {
        sign_in(&app).await.status == StatusCode::OK
    })
    .await;
    app.login_with(ANN, OTHER)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}
