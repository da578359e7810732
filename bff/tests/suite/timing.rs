//! Time tells nothing: whoever asks can't tell a known from an unknown one by
//! how long the answer takes.

use std::time::{Duration, Instant};

use bff::{config::Settings, identity::settings::PasswordSettings};
use chrono::TimeDelta;
use http::StatusCode;
use platform::config::Seconds;
use serde_json::{Value, json};

use crate::helpers::{Answer, OTHER, TestApp};

/// Requests of each kind, where a difference would be a small one.
const MANY: usize = 150;
/// The same where it would be a whole hash.
const FEW: usize = 40;
/// The first ones open connections and fill caches.
const WARM_UP: usize = 5;

/// As in production, where a hash outweighs all the rest.
fn with_real_hashes(settings: &mut Settings) {
    settings.passwords = PasswordSettings::default();
}

/// How often an answer of the first kind took longer than one of the second:
/// about half of the time, if they can't be told apart (Mann and Whitney's U,
/// by the number of pairs).
fn share_of_longer(first: &[Duration], second: &[Duration]) -> f64 {
    let pairs = first.iter().flat_map(|a| second.iter().map(move |b| a > b));
    pairs.filter(|longer| *longer).count() as f64 / (first.len() * second.len()) as f64
}

/// Asks in two ways, in turns.
async fn compare(
    app: &TestApp,
    path: &str,
    status: StatusCode,
    samples: usize,
    asks: [&dyn Fn(usize) -> Value; 2],
) {
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..samples + WARM_UP {
        // Neither is always the one that comes after the other.
        for kind in [round % 2, (round + 1) % 2] {
            let request = app
                .request(http::Method::POST, path)
                .json(&asks[kind](round));
            let began = Instant::now();
            let answer = Answer::of(request).await;
            let elapsed = began.elapsed();
            answer.expect(status);
            if round >= WARM_UP {
                took[kind].push(elapsed);
            }
        }
    }
    assert!(is_alike(&took), "{}", share_of_longer(&took[0], &took[1]));
}

/// Whether chance alone may have made the share what it is: five times its
/// deviation for so many samples is allowed.
fn is_alike(took: &[Vec<Duration>; 2]) -> bool {
    let share = share_of_longer(&took[0], &took[1]);
    let samples = took[0].len() as f64;
    let deviation = ((2.0 * samples + 1.0) / (12.0 * samples * samples)).sqrt();
    (share - 0.5).abs() < 5.0 * deviation
}

#[test]
fn a_difference_would_be_seen() {
    let fast: Vec<_> = (0..150)
        .map(|n| Duration::from_micros(1_000 + n * 3))
        .collect();
    let slow: Vec<_> = fast
        .iter()
        .map(|took| *took + Duration::from_micros(300))
        .collect();
    assert!(is_alike(&[fast.clone(), fast.clone()]));
    assert!(!is_alike(&[slow, fast.clone()]));
    let hashed: Vec<_> = fast
        .iter()
        .map(|took| *took + Duration::from_millis(10))
        .collect();
    assert!(!is_alike(&[hashed[..FEW].to_vec(), fast[..FEW].to_vec()]));
}

#[tokio::test]
async fn a_wrong_password_takes_as_long_as_an_unknown_user() {
    let app = TestApp::with(with_real_hashes).await;
    app.user("ann@example.com").await;
    let wrong = |_| json!({ "identifier": "ann@example.com", "password": "not the password" });
    let unknown = |_| json!({ "identifier": "bob@example.com", "password": "not the password" });
    let (path, status) = ("/v1/auth/login", StatusCode::UNAUTHORIZED);
    compare(&app, path, status, FEW, [&wrong, &unknown]).await;
}

#[tokio::test]
async fn before_anyone_is_blocked_an_unknown_user_takes_as_long_as_well() {
    let app = TestApp::with(with_real_hashes).await;
    for n in 0..FEW + WARM_UP {
        app.user(&format!("user{n}@example.com")).await;
    }
    // None of them is blocked: each is asked once.
    let ask = |name: &str, n: usize| json!({ "identifier": format!("{name}{n}@example.com"), "password": "not the password" });
    let (wrong, unknown) = (|n| ask("user", n), |n| ask("none", n));
    let (path, status) = ("/v1/auth/login", StatusCode::UNAUTHORIZED);
    compare(&app, path, status, FEW, [&wrong, &unknown]).await;
}

#[tokio::test]
async fn asking_for_a_code_takes_as_long_for_an_unknown_address() {
    let app = TestApp::with(|settings| {
        settings.codes.resend_after_s = Seconds(0);
        settings.codes.send_burst = 10_000;
    })
    .await;
    app.user("ann@example.com").await;
    let known = |_| json!({ "identifier": "ann@example.com" });
    let unknown = |_| json!({ "identifier": "bob@example.com" });
    let (path, status) = ("/v1/auth/reset-password", StatusCode::ACCEPTED);
    compare(&app, path, status, MANY, [&known, &unknown]).await;
}

#[tokio::test]
async fn asking_for_another_code_takes_as_long_as_for_the_first() {
    let app = TestApp::with(|settings| {
        settings.codes.resend_after_s = Seconds(0);
        settings.codes.send_burst = 10_000;
    })
    .await;
    app.user("ann@example.com").await;
    let ask = |who: String| json!({ "identifier": who, "purpose": "registration" });
    let again = |_| ask("ann@example.com".into());
    // Nobody's, and without a code so far.
    let first = |n| ask(format!("bob{n}@example.com"));
    let (path, status) = ("/v1/auth/verify-code", StatusCode::ACCEPTED);
    compare(&app, path, status, MANY, [&again, &first]).await;
}

#[tokio::test]
async fn a_wrong_code_takes_as_long_for_an_unknown_address() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let ask = |who: &str| json!({ "identifier": who, "code": "000000", "new_password": OTHER });
    let (known, unknown) = (|_| ask("ann@example.com"), |_| ask("bob@example.com"));
    let path = "/v1/auth/confirm-reset-password";
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    compare(&app, path, status, MANY, [&known, &unknown]).await;
}

#[tokio::test]
async fn failures_are_counted_alike_for_an_unknown_user() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    // Through the first failures, the first wait and the one after it.
    for (failures, then_ms) in [(7, 1_100), (3, 2_100), (3, 0)] {
        for _ in 0..failures {
            for who in ["ann@example.com", "bob@example.com"] {
                let answer = app.login_with(who, "not the password").await;
                answer.expect(StatusCode::UNAUTHORIZED);
            }
        }
        app.advance(TimeDelta::milliseconds(then_ms));
    }
    let mut db = app.superuser().await;
    let blocked: Vec<Vec<bool>> = sqlx::query_scalar(
        "SELECT array_agg((detail->>'blocked')::bool ORDER BY at, id) FROM audit_log
         WHERE event = 'session.refused' GROUP BY subject",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert_eq!(blocked.len(), 2);
    assert_eq!(blocked[0], blocked[1]);
    assert!(blocked[0].contains(&true) && blocked[0].contains(&false));
}

#[tokio::test]
async fn codes_are_refused_after_as_many_for_an_unknown_address() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    for seconds in [0, 30, 61, 61, 61, 3_600, 61] {
        app.advance(TimeDelta::seconds(seconds));
        let known = app.ask("ann@example.com", "registration", None).await;
        let unknown = app.ask("bob@example.com", "registration", None).await;
        assert_eq!(known.status, unknown.status, "{seconds}");
    }
}
