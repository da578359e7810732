//! Random lives of a user's sessions beside a model of them: no token is ever
//! alive that the model says is dead, and none dead that it says is alive.

use std::cell::Cell;

use chrono::TimeDelta;
use http::{Method, StatusCode};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::json;

use crate::{
    helpers::{Answer, PASSWORD, TestApp, Tokens, eventually},
    worker::TestWorker,
};

/// Sessions that a user may have in these tests.
const MOST: usize = 3;
const PASSWORDS: [&str; 2] = [PASSWORD, "nine quiet harbour lamps"];

/// One thing that happens. A number names one of the sessions so far.
#[derive(Debug, Clone)]
enum Step {
    Login,
    /// With the password that was changed before.
    LoginWithOldPassword,
    Refresh(usize),
    /// Of the token that so many came after.
    Replay(usize, usize),
    Logout(usize),
    LogoutAll(usize),
    ChangePassword(usize),
    /// The first ends the second.
    Revoke(usize, usize),
    /// Seconds. No sum of these is near the grace time of 30.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..6_usize;
    prop_oneof![
        3 => Just(Step::Login),
        1 => Just(Step::LoginWithOldPassword),
        5 => session.clone().prop_map(Step::Refresh),
        4 => (session.clone(), 1..4_usize).prop_map(|(of, back)| Step::Replay(of, back)),
        1 => session.clone().prop_map(Step::Logout),
        1 => session.clone().prop_map(Step::LogoutAll),
        1 => session.clone().prop_map(Step::ChangePassword),
        1 => (session.clone(), session).prop_map(|(by, of)| Step::Revoke(by, of)),
        3 => prop_oneof![Just(12), Just(45)].prop_map(Step::Wait),
    ]
}

/// What the model knows of a session.
struct Session {
    is_alive: bool,
    /// The chain so far, the current one last.
    chain: Vec<Tokens>,
    /// When each of them but the last was displaced.
    displaced: Vec<i64>,
    /// Every access token, with when it was made.
    access: Vec<(String, i64)>,
}

/// The real user and the model of them.
struct Life<'a> {
    app: &'a TestApp,
    email: String,
    /// Which of both passwords is right.
    password: usize,
    sessions: Vec<Session>,
    /// Seconds since the beginning.
    now: i64,
}

impl Life<'_> {
    async fn post(&self, path: &str, token: Option<&str>, body: serde_json::Value) -> Answer {
        self.app.post(path, token, &body).await
    }

    fn opened(&mut self, tokens: Tokens) {
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

    fn alive(&self) -> impl Iterator<Item = usize> {
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

    async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.post("/v1/auth/refresh", None, body).await
    }

    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
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
    async fn present(&mut self, number: usize, back: usize) -> Result<(), TestCaseError> {
        let Some(session) = self.sessions.get(number) else {
            return Ok(());
        };
        let Some(position) = session.chain.len().checked_sub(back + 1) else {
            return Ok(());
        };
        let answer = self.refresh(&session.chain[position].refresh).await;
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
    async fn check(&self) -> Result<(), TestCaseError> {
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
                    let status = self.refresh(&tokens.refresh).await.status;
                    prop_assert_eq!(status, StatusCode::UNAUTHORIZED);
                }
            }
        }
        Ok(())
    }
}

/// Registers somebody new.
async fn register(app: &TestApp, worker: &TestWorker, email: &str) -> Tokens {
    let body = json!({ "identifier": email, "purpose": "registration" });
    app.post("/v1/auth/verify-code", None, &body)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for(email).await;
    let body =
        json!({ "identifier": email, "code": code, "password": PASSWORD, "full_name": "Ann Lee" });
    let answer = app.post("/v1/auth/register", None, &body).await;
    answer.expect(StatusCode::CREATED).tokens()
}

async fn live(
    app: &TestApp,
    replica: &TestApp,
    worker: &TestWorker,
    email: String,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let tokens = register(app, worker, &email).await;
    let mut life = Life {
        app,
        email,
        password: 0,
        sessions: Vec::new(),
        now: 0,
    };
    life.opened(tokens);
    for step in steps {
        life.take(step).await?;
        life.check().await?;
    }
    // Elsewhere it is known as well, and what lives can go on.
    for session in &life.sessions {
        if !session.is_alive {
            let access = &session.access[session.access.len() - 1].0;
            eventually("the other replica knows", async || {
                let status = replica.get("/v1/me", Some(access)).await.status;
                (status == StatusCode::UNAUTHORIZED).then_some(())
            })
            .await;
        }
    }
    for number in life.alive().collect::<Vec<_>>() {
        life.present(number, 0).await?;
    }
    Ok(())
}

#[test]
fn no_token_outlives_what_ended_it_whatever_happens_in_whatever_order() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (app, replica, worker) = runtime.block_on(async {
        let app = TestApp::with(|settings| settings.sessions.max_per_user = MOST).await;
        let (replica, worker) = (app.replica().await, app.worker().await);
        (app, replica, worker)
    });
    let config = Config {
        cases: 24,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let number = Cell::new(0);
    let outcome = TestRunner::new(config).run(&vec(step(), 1..40), |steps| {
        number.set(number.get() + 1);
        let email = format!("user{}@example.com", number.get());
        runtime.block_on(live(&app, &replica, &worker, email, &steps))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
