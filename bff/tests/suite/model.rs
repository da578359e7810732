//! Random lives of a user's sessions beside a model of them: no token is ever
//! alive that the model says is dead, and none dead that it says is alive.

mod life;

use std::cell::Cell;

use http::StatusCode;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::json;

use life::Life;

use crate::{
    helpers::{PASSWORD, TestApp, Tokens, eventually},
    worker::TestWorker,
};

/// Sessions that a user may have in these tests.
const MOST: usize = 3;

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
