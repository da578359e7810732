//! Whoever is asked for, a check of a password makes the same hashes: what tells
//! nothing by time alone is counted here.

use std::collections::BTreeMap;

use bff::identity::password::Cost;
use http::StatusCode;
use platform::config::List;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::helpers::{OTHER, PASSWORD, TestApp};

/// What was hashed is counted for the process, and these tests may share one.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Such as no other test hashes at, in KiB.
const OLD: u32 = 72;
const NEW: u32 = 80;
const WRONG: &str = "not the password";

/// Hashes by what they cost, in KiB.
type Work = BTreeMap<u32, u64>;

/// All that were made at a cost of these tests.
fn made() -> Work {
    let metrics = platform::telemetry::metrics_handle().render();
    let line = |line: &str| {
        let cost = line.strip_prefix("password_hashes_total{cost=\"")?;
        let (cost, count) = cost.split_once("/1/1\"} ")?;
        let cost = cost.parse().ok().filter(|cost| [OLD, NEW].contains(cost))?;
        Some((cost, count.parse().ok()?))
    };
    metrics.lines().filter_map(line).collect()
}

/// What is made while something is done.
async fn work(done: impl Future<Output = StatusCode>, status: StatusCode) -> Work {
    let before = made();
    assert_eq!(done.await, status);
    let mut after = made();
    for (cost, count) in before {
        *after.get_mut(&cost).expect("a counter stays") -= count;
    }
    after.retain(|_, count| *count > 0);
    after
}

/// An edge that once made cheaper hashes, of which ann's is one and bob's isn't;
/// cora has none.
async fn edge(other_costs: &[u32]) -> (TestApp, TestApp, MutexGuard<'static, ()>) {
    let alone = ONE_AT_A_TIME.lock().await;
    let cheap = TestApp::with(|settings| settings.passwords.memory_kib = OLD).await;
    cheap.user("ann@example.com").await;
    let mut settings = cheap.settings.clone();
    settings.passwords.memory_kib = NEW;
    let cost = |memory_kib: &u32| Cost::new(*memory_kib, 1, 1).unwrap();
    settings.passwords.other_costs = List(other_costs.iter().map(cost).collect());
    let app = cheap.replica_with(settings).await;
    app.user("bob@example.com").await;
    let cora = app.user("cora@example.com").await;
    sqlx::query("DELETE FROM credentials WHERE user_id = $1::uuid")
        .bind(cora["id"].as_str())
        .execute(&mut app.superuser().await)
        .await
        .unwrap();
    (app, cheap, alone)
}

async fn login(app: &TestApp, who: &str, password: &str, status: StatusCode) -> Work {
    work(async { app.login_with(who, password).await.status }, status).await
}

/// The cost of a user's stored hash.
async fn stored(app: &TestApp, who: &str) -> String {
    let hash = "SELECT split_part(password, '$', 4) FROM credentials
                JOIN users ON users.id = user_id WHERE email = $1";
    sqlx::query_scalar(hash)
        .bind(who)
        .fetch_one(&mut app.superuser().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_sign_in_hashes_once_at_each_cost_whoever_is_asked_for() {
    let (app, _cheap, _alone) = edge(&[OLD, NEW]).await;
    let each = Work::from([(OLD, 1), (NEW, 1)]);
    // The last ones are refused whatever the password is.
    for _ in 0..7 {
        for who in [
            "ann@example.com",
            "bob@example.com",
            "cora@example.com",
            "nobody@example.com",
            "+14155552671",
            "nobody",
        ] {
            let made = login(&app, who, WRONG, StatusCode::UNAUTHORIZED).await;
            assert_eq!(made, each, "{who}");
        }
    }
    let waits = login(&app, "ann@example.com", PASSWORD, StatusCode::UNAUTHORIZED).await;
    assert_eq!(waits, each);
    assert_eq!(stored(&app, "ann@example.com").await, "m=72,t=1,p=1");

    app.advance(chrono::TimeDelta::minutes(16));
    // The first time with the old hash, then with the new one.
    for _ in 0..2 {
        let made = login(&app, "ann@example.com", PASSWORD, StatusCode::OK).await;
        assert_eq!(made, each);
        assert_eq!(stored(&app, "ann@example.com").await, "m=80,t=1,p=1");
    }
    let made = login(&app, "bob@example.com", PASSWORD, StatusCode::OK).await;
    assert_eq!(made, each);
}

#[tokio::test]
async fn proving_again_who_one_is_hashes_as_much_whichever_hash_one_has() {
    let (app, cheap, _alone) = edge(&[OLD]).await;
    let each = Work::from([(OLD, 1), (NEW, 1)]);
    let ann = cheap.login("ann@example.com").await.tokens();
    let bob = app.login("bob@example.com").await.tokens();
    for tokens in [&ann, &bob] {
        let right = async || app.step_up(tokens, &json!({ "password": PASSWORD })).await;
        let wrong = async || app.step_up(tokens, &json!({ "password": WRONG })).await;
        let change = async |current: &str| {
            let body = json!({ "current_password": current, "new_password": OTHER });
            let path = "/v1/auth/update-password";
            app.post(path, Some(&tokens.access), &body).await.status
        };
        let refused = StatusCode::UNAUTHORIZED;
        let done = StatusCode::NO_CONTENT;
        assert_eq!(work(async { right().await.status }, done).await, each);
        assert_eq!(work(async { wrong().await.status }, refused).await, each);
        assert_eq!(work(change(WRONG), refused).await, each);
        let and_the_new_one = Work::from([(OLD, 1), (NEW, 2)]);
        assert_eq!(work(change(PASSWORD), done).await, and_the_new_one);
    }
}

#[tokio::test]
async fn with_one_cost_alone_nothing_is_hashed_twice() {
    let (app, _cheap, _alone) = edge(&[]).await;
    let one = Work::from([(NEW, 1)]);
    for who in ["bob@example.com", "cora@example.com", "nobody@example.com"] {
        let made = login(&app, who, WRONG, StatusCode::UNAUTHORIZED).await;
        assert_eq!(made, one, "{who}");
    }
    let made = login(&app, "bob@example.com", PASSWORD, StatusCode::OK).await;
    assert_eq!(made, one);
}
