//! What ends sessions while something else goes on leaves none alive.

use futures::future::join_all;
use http::StatusCode;
use platform::config::Seconds;
use serde_json::json;

use crate::helpers::{Answer, OTHER, PASSWORD, TestApp};

/// How often what raced with an end came before it, and after it.
#[derive(Debug, Default)]
pub struct Outcomes {
    before: usize,
    after: usize,
}

impl Outcomes {
    /// Rounds at least, and at most.
    const ROUNDS: (usize, usize) = (8, 150);

    /// Whether there is another round: until both have happened.
    ///
    /// # Panics
    /// When one of both never happens: then the race shows nothing.
    pub fn need(&self, round: usize) -> bool {
        let both = self.before > 0 && self.after > 0;
        assert!(both || round < Self::ROUNDS.1, "{self:?}");
        !both || round < Self::ROUNDS.0
    }

    /// Takes note of an answer, and says whether it came before.
    pub fn note(&mut self, answer: &Answer) -> bool {
        match answer.status {
            StatusCode::OK => self.before += 1,
            StatusCode::UNAUTHORIZED => self.after += 1,
            other => panic!("{other}"),
        }
        answer.status == StatusCode::OK
    }
}

#[tokio::test]
async fn refreshing_while_signing_out_leaves_nothing_alive() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let (mut outcomes, mut round) = (Outcomes::default(), 0);
    while outcomes.need(round) {
        let tokens = app.login("ann@example.com").await.tokens();
        let path = ["/v1/auth/logout", "/v1/auth/logout-all"][round % 2];
        let body = json!({});
        let end = app.post(path, Some(&tokens.access), &body);
        let refresh = app.refresh(&tokens.refresh);
        // Each of them is sent first in turn.
        let (refreshed, ended) = if round % 4 < 2 {
            tokio::join!(refresh, end)
        } else {
            let (ended, refreshed) = tokio::join!(end, refresh);
            (refreshed, ended)
        };
        ended.expect(StatusCode::NO_CONTENT);
        if outcomes.note(&refreshed) {
            assert!(!app.lives(&refreshed.tokens()).await, "round {round}");
        }
        assert!(!app.lives(&tokens).await, "round {round}");
        round += 1;
    }
}

#[tokio::test]
async fn signing_in_and_refreshing_while_the_password_changes_leaves_one_session_alive() {
    let app = TestApp::start().await;
    let mut tokens = app.signed_in("ann@example.com").await;
    let sign_in = |password| app.login_with("ann@example.com", password);
    let passwords = [PASSWORD, OTHER];
    let (mut sign_ins, mut refreshes, mut round) = (Outcomes::default(), Outcomes::default(), 0);
    while sign_ins.need(round) || refreshes.need(round) {
        let (current, new) = (passwords[round % 2], passwords[(round + 1) % 2]);
        let other = sign_in(current).await.tokens();
        let body = json!({ "current_password": current, "new_password": new });
        let (changed, opened, own, others) = tokio::join!(
            app.post("/v1/auth/update-password", Some(&tokens.access), &body),
            join_all((0..4).map(|_| sign_in(current))),
            app.refresh(&tokens.refresh),
            app.refresh(&other.refresh),
        );
        changed.expect(StatusCode::NO_CONTENT);
        for answer in &opened {
            if sign_ins.note(answer) {
                assert!(!app.lives(&answer.tokens()).await, "round {round}");
            }
        }
        if refreshes.note(&others) {
            assert!(!app.lives(&others.tokens()).await, "round {round}");
        }
        assert!(!app.lives(&other).await, "round {round}");
        tokens = own.expect(StatusCode::OK).tokens();
        // What came too late was wrong, and five of these would make the next wait.
        app.advance(chrono::TimeDelta::hours(1));
        tokens = app
            .refresh(&tokens.refresh)
            .await
            .expect(StatusCode::OK)
            .tokens();
        round += 1;
    }
}

#[tokio::test]
async fn signing_in_and_refreshing_while_the_password_is_reset_leaves_nothing_alive() {
    let app = TestApp::with(|settings| {
        settings.codes.resend_after_s = Seconds(0);
        settings.codes.send_burst = 1_000;
    })
    .await;
    let worker = app.worker().await;
    app.user("ann@example.com").await;
    let passwords = [PASSWORD, OTHER];
    let (mut sign_ins, mut refreshes, mut round) = (Outcomes::default(), Outcomes::default(), 0);
    while sign_ins.need(round) || refreshes.need(round) {
        let (current, new) = (passwords[round % 2], passwords[(round + 1) % 2]);
        let sign_in = || app.login_with("ann@example.com", current);
        let tokens = sign_in().await.tokens();
        let body = json!({ "identifier": "ann@example.com" });
        let asked = app.post("/v1/auth/reset-password", None, &body).await;
        asked.expect(StatusCode::ACCEPTED);
        let code = worker.code_number("ann@example.com", round).await;
        let body = json!({ "identifier": "ann@example.com", "code": code, "new_password": new });
        let (reset, opened, refreshed) = tokio::join!(
            app.post("/v1/auth/confirm-reset-password", None, &body),
            join_all((0..6).map(|_| sign_in())),
            app.refresh(&tokens.refresh),
        );
        reset.expect(StatusCode::NO_CONTENT);
        for answer in &opened {
            if sign_ins.note(answer) {
                assert!(!app.lives(&answer.tokens()).await, "round {round}");
            }
        }
        if refreshes.note(&refreshed) {
            assert!(!app.lives(&refreshed.tokens()).await, "round {round}");
        }
        assert!(!app.lives(&tokens).await, "round {round}");
        app.advance(chrono::TimeDelta::hours(1));
        round += 1;
    }
}
