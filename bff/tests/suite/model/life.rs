use chrono::TimeDelta;
use http::{Method, StatusCode};
use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::{Value, json};

use super::{MOST, Mode, Step};
use crate::{
    helpers::{Answer, OTHER, PASSWORD, TestApp, Tokens},
    worker::TestWorker,
};

const PASSWORDS: [&str; 2] = [PASSWORD, OTHER];
/// Seconds that a displaced refresh token is good for its successor.
const GRACE: i64 = 30;
/// Seconds that an access token is good, with those for clocks that differ.
const ACCESS: i64 = 300 + 30;

/// The header that proves a session, by its name and value.
type Proof = (&'static str, String);

/// What the model knows of a session.
pub(super) struct Session {
    pub(super) is_alive: bool,
    id: String,
    /// What a browser holds.
    cookie: Option<String>,
    /// The chain so far, the current one last.
    chain: Vec<Tokens>,
    /// When each of them but the last was displaced.
    displaced: Vec<i64>,
    /// Every access token, with when it was made.
    access: Vec<(String, i64)>,
}

impl Session {
    /// What it would prove itself with, and when that was made.
    fn proof(&self) -> (Proof, Option<i64>) {
        match (&self.cookie, self.access.last()) {
            (Some(cookie), _) => (("cookie", cookie.clone()), None),
            (None, Some((access, made))) => (bearer(access), Some(*made)),
            (None, None) => unreachable!("a session has one or the other"),
        }
    }

    pub(super) async fn me(&self, app: &TestApp) -> StatusCode {
        me(app, &self.proof().0).await
    }
}

fn bearer(access: &str) -> Proof {
    ("authorization", format!("Bearer {access}"))
}

async fn me(app: &TestApp, proof: &Proof) -> StatusCode {
    let request = app.request(Method::GET, "/v1/me");
    Answer::of(request.header(proof.0, &proof.1)).await.status
}

/// The real user and the model of them.
pub(super) struct Life<'a> {
    app: &'a TestApp,
    worker: &'a TestWorker,
    email: String,
    is_registered: bool,
    /// Codes that were sent.
    codes: usize,
    /// Which of both passwords is right.
    password: usize,
    pub(super) sessions: Vec<Session>,
    /// Seconds since the beginning.
    now: i64,
}

impl<'a> Life<'a> {
    pub(super) fn new(app: &'a TestApp, worker: &'a TestWorker, email: String) -> Self {
        Self {
            app,
            worker,
            email,
            is_registered: false,
            codes: 0,
            password: 0,
            sessions: Vec::new(),
            now: 0,
        }
    }

    async fn send(&self, method: Method, path: &str, proof: &Proof, body: Value) -> Answer {
        let request = self.app.request(method, path).json(&body);
        Answer::of(request.header("x-csrf", "1").header(proof.0, &proof.1)).await
    }

    fn wait(&mut self, seconds: i64) {
        self.app.advance(TimeDelta::seconds(seconds));
        self.now += seconds;
    }

    async fn opened(&mut self, mode: Mode, answer: &Answer) {
        let mut session = Session {
            is_alive: true,
            id: String::new(),
            cookie: None,
            chain: Vec::new(),
            displaced: Vec::new(),
            access: Vec::new(),
        };
        if mode == "cookie" {
            let cookie = answer.header("set-cookie").unwrap();
            session.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        } else {
            session.access.push((answer.tokens().access, self.now));
            session.chain.push(answer.tokens());
        }
        let (path, proof) = ("/v1/auth/sessions", session.proof().0);
        let list = self.send(Method::GET, path, &proof, json!({})).await;
        let list = list.expect(StatusCode::OK).json();
        let mut items = list["items"].as_array().unwrap().iter();
        let own = items.find(|item| item["current"] == true).unwrap();
        session.id = own["id"].as_str().unwrap().to_owned();
        self.sessions.push(session);
        let alive: Vec<usize> = self.alive().collect();
        if alive.len() > MOST {
            self.sessions[alive[0]].is_alive = false;
        }
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = usize> {
        let all = self.sessions.iter().enumerate();
        all.filter(|(_, session)| session.is_alive).map(|(n, _)| n)
    }

    /// A session whose proof is good, if the number names one.
    fn acting(&self, number: usize) -> Option<(usize, Proof)> {
        let number = number % self.sessions.len().max(1);
        let session = self.sessions.get(number)?;
        let (proof, made) = session.proof();
        let is_good = made.is_none_or(|made| self.now - made < ACCESS);
        (session.is_alive && is_good).then_some((number, proof))
    }

    async fn login(&mut self, password: usize, mode: Mode) -> Result<(), TestCaseError> {
        // Two sessions of one moment would have no order.
        self.wait(1);
        let body =
            json!({ "identifier": self.email, "password": PASSWORDS[password], "mode": mode });
        let answer = self.app.post("/v1/auth/login", None, &body).await;
        if self.is_registered && password == self.password {
            prop_assert_eq!(answer.status, StatusCode::OK);
            self.opened(mode, &answer).await;
        } else {
            prop_assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        Ok(())
    }

    async fn register(&mut self, mode: Mode) -> Result<(), TestCaseError> {
        self.wait(1);
        let asked = self.app.ask(&self.email, "registration", None).await;
        prop_assert_eq!(asked.status, StatusCode::ACCEPTED);
        let code = self.worker.code_number(&self.email, self.codes).await;
        self.codes += 1;
        let body = json!({ "identifier": self.email, "code": code, "password": PASSWORDS[0],
                           "full_name": "Ann Lee", "mode": mode });
        let answer = self.app.post("/v1/auth/register", None, &body).await;
        if self.is_registered {
            prop_assert_eq!(answer.status, StatusCode::CONFLICT);
        } else {
            prop_assert_eq!(answer.status, StatusCode::CREATED);
            self.is_registered = true;
            self.opened(mode, &answer).await;
        }
        Ok(())
    }

    pub(super) async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let count = self.sessions.len().max(1);
        match *step {
            Step::Register(mode) => self.register(mode).await?,
            Step::Login(mode) => self.login(self.password, mode).await?,
            Step::LoginWithOldPassword(mode) => {
                self.login(1 - self.password, mode).await?;
                // Or five in a row would make the next one wait.
                self.login(self.password, mode).await?;
            }
            Step::Refresh(number) => self.present(number % count, 0).await?,
            Step::Replay(number, back) => self.present(number % count, back).await?,
            Step::Logout(number) => {
                if let Some((number, proof)) = self.acting(number) {
                    self.act("/v1/auth/logout", &proof, json!({})).await?;
                    self.sessions[number].is_alive = false;
                }
            }
            Step::LogoutAll(number) => {
                if let Some((_, proof)) = self.acting(number) {
                    self.act("/v1/auth/logout-all", &proof, json!({})).await?;
                    self.end_all_but(None);
                }
            }
            Step::ChangePassword(number) => {
                if let Some((number, proof)) = self.acting(number) {
                    let (current, new) = (self.password, 1 - self.password);
                    let body = json!({ "current_password": PASSWORDS[current], "new_password": PASSWORDS[new] });
                    self.act("/v1/auth/update-password", &proof, body).await?;
                    self.password = new;
                    self.end_all_but(Some(number));
                }
            }
            Step::Revoke(by, of) => {
                let of = of % count;
                if let Some((_, proof)) = self.acting(by) {
                    let path = format!("/v1/auth/sessions/{}", self.sessions[of].id);
                    let answer = self.send(Method::DELETE, &path, &proof, json!({})).await;
                    let expected = match self.sessions[of].is_alive {
                        true => StatusCode::NO_CONTENT,
                        false => StatusCode::NOT_FOUND,
                    };
                    prop_assert_eq!(answer.status, expected);
                    self.sessions[of].is_alive = false;
                }
            }
            Step::Wait(seconds) => self.wait(seconds),
        }
        Ok(())
    }

    async fn act(&self, path: &str, proof: &Proof, body: Value) -> Result<(), TestCaseError> {
        let answer = self.send(Method::POST, path, proof, body).await;
        prop_assert_eq!(answer.status, StatusCode::NO_CONTENT);
        Ok(())
    }

    fn end_all_but(&mut self, spared: Option<usize>) {
        for (number, session) in self.sessions.iter_mut().enumerate() {
            session.is_alive &= Some(number) == spared;
        }
    }

    /// Presents the refresh token that so many came after, if there is one.
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
        let is_stolen = back > 0 && now - session.displaced[position] > GRACE;
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

    /// Tries everything that there ever was and that harms nothing.
    pub(super) async fn check(&self) -> Result<(), TestCaseError> {
        for session in &self.sessions {
            let status_while = |is_good: bool| match session.is_alive && is_good {
                true => StatusCode::OK,
                false => StatusCode::UNAUTHORIZED,
            };
            if session.cookie.is_some() {
                prop_assert_eq!(session.me(self.app).await, status_while(true));
            }
            for (access, made) in &session.access {
                let status = me(self.app, &bearer(access)).await;
                prop_assert_eq!(status, status_while(self.now - made < ACCESS));
            }
            for tokens in session.chain.iter().filter(|_| !session.is_alive) {
                let status = self.app.refresh(&tokens.refresh).await.status;
                prop_assert_eq!(status, StatusCode::UNAUTHORIZED);
            }
        }
        Ok(())
    }
}
