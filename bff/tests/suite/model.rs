//! Random lives of a user's sessions beside a model of them: no token and no
//! cookie is ever alive that the model says is dead, and none dead that it says
//! is alive.

mod life;

use std::cell::Cell;

use http::StatusCode;
use platform::config::Seconds;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};

use life::Life;

use crate::helpers::{TestApp, eventually};

/// Sessions that a user may have in these tests.
const MOST: usize = 3;

/// How a device holds its session: `token` or `cookie`.
type Mode = &'static str;

/// One thing that happens. A number names one of the sessions so far.
#[derive(Debug, Clone)]
enum Step {
    Register(Mode),
    Login(Mode),
    /// With the password that was changed before.
    LoginWithOldPassword(Mode),
    Refresh(usize),
    /// Of the token that so many came after.
    Replay(usize, usize),
    Logout(usize),
    LogoutAll(usize),
    ChangePassword(usize),
    /// The first ends the second.
    Revoke(usize, usize),
    /// Seconds: the grace time of 30 and the five and a half minutes of an
    /// access token are met exactly, and missed by one.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..6_usize;
    let mode = || prop_oneof![2 => Just("token"), 1 => Just("cookie")];
    prop_oneof![
        1 => mode().prop_map(Step::Register),
        3 => mode().prop_map(Step::Login),
        1 => mode().prop_map(Step::LoginWithOldPassword),
        5 => session.clone().prop_map(Step::Refresh),
        4 => (session.clone(), 1..4_usize).prop_map(|(of, back)| Step::Replay(of, back)),
        1 => session.clone().prop_map(Step::Logout),
        1 => session.clone().prop_map(Step::LogoutAll),
        1 => session.clone().prop_map(Step::ChangePassword),
        1 => (session.clone(), session).prop_map(|(by, of)| Step::Revoke(by, of)),
        3 => prop_oneof![Just(1), Just(12), Just(30), Just(45), Just(299)].prop_map(Step::Wait),
    ]
}

/// Most register before long, and then live.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    (vec(step(), 0..4), vec(step(), 1..40)).prop_map(|(mut steps, rest)| {
        steps.push(Step::Register("token"));
        steps.extend(rest);
        steps
    })
}

async fn live(mut life: Life<'_>, replica: &TestApp, steps: &[Step]) -> Result<(), TestCaseError> {
    for step in steps {
        life.take(step).await?;
        life.check().await?;
    }
    // Elsewhere it is known as well, and what lives can go on.
    for session in life.sessions.iter().filter(|session| !session.is_alive) {
        eventually("the other replica knows", async || {
            session.me(replica).await == StatusCode::UNAUTHORIZED
        })
        .await;
    }
    for number in life.alive().collect::<Vec<_>>() {
        life.present(number, 0).await?;
    }
    life.check().await
}

#[test]
fn no_token_outlives_what_ended_it_whatever_happens_in_whatever_order() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (app, replica, worker) = runtime.block_on(async {
        let app = TestApp::standing_still(|settings| {
            settings.sessions.max_per_user = MOST;
            settings.codes.resend_after_s = Seconds(0);
            settings.codes.send_burst = 1_000;
        })
        .await;
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
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        number.set(number.get() + 1);
        let email = format!("user{}@example.com", number.get());
        let life = Life::new(&app, &worker, email);
        runtime.block_on(live(life, &replica, &steps))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
