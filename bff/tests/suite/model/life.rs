use chrono::TimeDelta;
use http::{Method, StatusCode};
use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::json;

use super::{MOST, Step};
use crate::helpers::{Answer, OTHER, PASSWORD, TestApp, Tokens};

const PASSWORDS: [&str; 2] = [PASSWORD, OTHER];

/// What the model knows of a session.
pub(super) struct Session {
    pub(super) is_alive: bool,
    /// The chain so far, the current one last.
    pub(super) chain: Vec<Tokens>,
    /// When each of them but the last was displaced.
    pub(super) displaced: Vec<i64>,
    /// Every access token, with when it was made.
    pub(super) access: Vec<(String, i64)>,
}

/// The real user and the model of them.
pub(super) struct Life<'a> {
    pub(super) app: &'a TestApp,
    pub(super) email: String,
    /// Which of both passwords is right.
    pub(super) password: usize,
    pub(super) sessions: Vec<Session>,
    /// Seconds since the beginning.
    pub(super) now: i64,
}

impl Life<'_> {
    async fn post(&self, path: &str, token: Option<&str>, body: serde_json::Value) -> Answer {
        self.app.post(path, token, &body).await
    }

    pub(super) fn opened(&mut self, tokens: Tokens) {
        self.sessions.push(Session {
            is_alive: true,
            access: vec![(tokens.access.clone(), self.now)],
            chain: vec![tokens],
            displaced: Vec::new(),
        });
        let alive: Vec<usize> = self.alive().collect();
        if alive.len() > MOST {
            self.sessions[alive[0]].is_alive = false;
        }
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = usize> {
        let all = self.sessions.iter().enumerate();
        all.filter(|(_, session)| session.is_alive).map(|(n, _)| n)
    }

    /// A session with an access token that is good, if the number names one.
    fn acting(&self, number: usize) -> Option<(usize, String)> {
        let number = number % self.sessions.len().max(1);
        let session = self.sessions.get(number)?;
        let (access, made) = session.access.last()?;
        (session.is_alive && self.now - made < 240).then(|| (number, access.clone()))
    }

    async fn login(&mut self, password: &str) -> Answer {
        // Two sessions of one millisecond would have no order.
        self.app.advance(TimeDelta::milliseconds(2));
        let body = json!({ "identifier": self.email, "password": password });
        self.post("/v1/auth/login", None, body).await
    }

    pub(super) async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let count = self.sessions.len().max(1);
        match *step {
            Step::Login => {
                let answer = self.login(PASSWORDS[self.password]).await;
                prop_assert_eq!(answer.status, StatusCode::OK);
                self.opened(answer.tokens());
            }
            Step::LoginWithOldPassword => {
                let answer = self.login(PASSWORDS[1 - self.password]).await;
                prop_assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
                // Or five in a row would make the next one wait.
                let answer = self.login(PASSWORDS[self.password]).await;
                prop_assert_eq!(answer.status, StatusCode::OK);
                self.opened(answer.tokens());
            }
            Step::Refresh(number) => self.present(number % count, 0).await?,
            Step::Replay(number, back) => self.present(number % count, back).await?,
            Step::Logout(number) => {
                if let Some((number, access)) = self.acting(number) {
                    let answer = self.post("/v1/auth/logout", Some(&access), json!({})).await;
                    prop_assert_eq!(answer.status, StatusCode::NO_CONTENT);
                    self.sessions[number].is_alive = false;
                }
            }
            Step::LogoutAll(number) => {
                if let Some((_, access)) = self.acting(number) {
                    let path = "/v1/auth/logout-all";
                    let answer = self.post(path, Some(&access), json!({})).await;
                    prop_assert_eq!(answer.status, StatusCode::NO_CONTENT);
                    self.end_all_but(None);
                }
            }
            Step::ChangePassword(number) => {
                if let Some((number, access)) = self.acting(number) {
                    let (current, new) = (self.password, 1 - self.password);
                    let body = json!({ "current_password": PASSWORDS[current], "new_password": PASSWORDS[new] });
                    let path = "/v1/auth/update-password";
                    let answer = self.post(path, Some(&access), body).await;
                    prop_assert_eq!(answer.status, StatusCode::NO_CONTENT);
                    self.password = new;
                    self.end_all_but(Some(number));
                }
            }
            Step::Revoke(by, of) => {
                let of = of % count;
                if let Some((_, access)) = self.acting(by) {
                    let path = format!("/v1/auth/sessions/{}", self.sessions[of].chain[0].session);
                    let request = self.app.request(Method::DELETE, &path);
                    let answer = Answer::of(request.bearer_auth(access)).await;
                    let expected = match self.sessions[of].is_alive {
                        true => StatusCode::NO_CONTENT,
                        false => StatusCode::NOT_FOUND,
                    };
                    prop_assert_eq!(answer.status, expected);
                    self.sessions[of].is_alive = false;
                }
            }
            Step::Wait(seconds) => {
                self.app.advance(TimeDelta::seconds(seconds));
                self.now += seconds;
            }
        }
        Ok(())
    }

    fn end_all_but(&mut self, spared: Option<usize>) {
        for (number, session) in self.sessions.iter_mut().enumerate() {
            session.is_alive &= Some(number) == spared;
        }
    }

    /// Presents the refresh token that so many came after.
    pub(super) async fn present(
        &mut self,
        number: usize,
        back: usize,
    ) -> Result<(), TestCaseError> {
        let Some(session) = self.sessions.get(number) else {
            return Ok(());
        };
        let Some(position) = session.chain.len().checked_sub(back + 1) else {
            return Ok(());
        };
        let answer = self.app.refresh(&session.chain[position].refresh).await;
        let (now, session) = (self.now, &mut self.sessions[number]);
        let is_stolen = back > 0 && now - session.displaced[position] > 30;
        if !session.is_alive || is_stolen {
            session.is_alive = false;
            prop_assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            return Ok(());
        }
        prop_assert_eq!(answer.status, StatusCode::OK);
        let tokens = answer.tokens();
        session.access.push((tokens.access.clone(), now));
        match session.chain.get(position + 1) {
            // Never a second living chain.
            Some(successor) => prop_assert_eq!(&successor.refresh, &tokens.refresh),
            None => {
                session.displaced.push(now);
                session.chain.push(tokens);
            }
        }
        Ok(())
    }

    /// Tries every token that there ever was and that harms nothing.
    pub(super) async fn check(&self) -> Result<(), TestCaseError> {
        for session in &self.sessions {
            for (access, made) in &session.access {
                let age = self.now - made;
                let status = self.app.get("/v1/me", Some(access)).await.status;
                if !session.is_alive || age > 340 {
                    prop_assert_eq!(status, StatusCode::UNAUTHORIZED);
                } else if age < 290 {
                    prop_assert_eq!(status, StatusCode::OK);
                }
            }
            if !session.is_alive {
                for tokens in &session.chain {
                    let status = self.app.refresh(&tokens.refresh).await.status;
                    prop_assert_eq!(status, StatusCode::UNAUTHORIZED);
                }
            }
        }
        Ok(())
    }
}
