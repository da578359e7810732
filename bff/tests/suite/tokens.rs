//! Access tokens that someone made up, changed, or took from elsewhere.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bff::identity::keys::KeyFile;
use chrono::TimeDelta;
use http::StatusCode;
use platform::{
    clock::Clock as _,
    paseto::{Claims, SigningKey},
};
use uuid::Uuid;

use crate::helpers::TestApp;

fn key(app: &TestApp) -> SigningKey {
    let file = KeyFile::read(&app.settings.tokens.keys_file).unwrap();
    file.signing_keys().unwrap().remove(0)
}

/// What the edge itself would say about this user, but for `change`.
fn claims(app: &TestApp, user: Uuid, change: impl FnOnce(&mut Claims)) -> Claims {
    let now = app.clock.now();
    let mut claims = Claims {
        iss: "portico".into(),
        aud: "portico".into(),
        sub: user,
        sid: Uuid::new_v4(),
        role: "customer".into(),
        iat: now,
        nbf: now,
        exp: now + TimeDelta::minutes(5),
        jti: Uuid::new_v4(),
    };
    change(&mut claims);
    claims
}

async fn status(app: &TestApp, token: &str) -> StatusCode {
    app.get("/v1/me", Some(token)).await.status
}

#[tokio::test]
async fn a_token_that_says_anything_else_than_it_should_is_refused() {
    let app = TestApp::start().await;
    let user = app.user("ann@example.com").await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let sign = |change: &dyn Fn(&mut Claims)| key(&app).sign(&claims(&app, user, change));
    assert_eq!(status(&app, &sign(&|_| ())).await, StatusCode::OK);

    let minute = TimeDelta::minutes(1);
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Claims));
    let changes: [Change<'_>; 9] = [
        ("for the orders service", &|c| c.aud = "orders".into()),
        ("for nobody", &|c| c.aud = String::new()),
        ("by someone else", &|c| c.iss = "elsewhere".into()),
        ("expired", &|c| c.exp = c.iat - minute),
        ("not good yet", &|c| c.nbf = c.iat + minute),
        ("from the future", &|c| c.iat += minute),
        ("of no known role", &|c| c.role = "root".into()),
        ("of nobody", &|c| c.role = "anonymous".into()),
        ("of a role in other letters", &|c| c.role = "Admin".into()),
    ];
    for (what, change) in changes {
        let answer = status(&app, &sign(change)).await;
        assert_eq!(answer, StatusCode::UNAUTHORIZED, "{what}");
    }
}

#[tokio::test]
async fn a_token_of_another_key_is_refused_whatever_key_it_names() {
    let app = TestApp::start().await;
    let user = app.user("ann@example.com").await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (ours, now) = (key(&app), app.clock.now());
    let theirs = SigningKey::generate(now - TimeDelta::days(1), now + TimeDelta::days(1)).unwrap();
    let claims = claims(&app, user, |_| ());
    let (good, forged) = (ours.sign(&claims), theirs.sign(&claims));
    assert_eq!(status(&app, &forged).await, StatusCode::UNAUTHORIZED);
    let footer = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let body = |token: &str| token.rsplit_once('.').unwrap().0.to_owned();
    let named = format!("{}.{}", body(&forged), footer(&good));
    assert_eq!(status(&app, &named).await, StatusCode::UNAUTHORIZED);
    let renamed = format!("{}.{}", body(&good), footer(&forged));
    assert_eq!(status(&app, &renamed).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_that_was_changed_anywhere_is_refused() {
    let app = TestApp::start().await;
    let good = app.signed_in("ann@example.com").await.access;
    let parts: Vec<&str> = good.split('.').collect();
    let [version, purpose, body, footer] = parts[..] else {
        panic!("{good}")
    };
    let mut forged: Vec<String> = ["v1", "v2", "v3", "v5", "V4", ""]
        .map(|other| [other, purpose, body, footer].join("."))
        .into();
    forged.extend(["local", "PUBLIC", "secret", ""].map(|p| [version, p, body, footer].join(".")));
    let encode = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let kid = URL_SAFE_NO_PAD.decode(footer).unwrap();
    let kid = String::from_utf8(kid).unwrap();
    for other in [
        String::new(),
        "{}".into(),
        kid.replace("kid", "KID"),
        kid.replace("k4.pid", "k3.pid"),
        kid.replace('}', ",\"alg\":\"none\"}"),
        kid.replace(':', " :"),
        format!("[{kid}]"),
    ] {
        let other = encode(other.as_bytes());
        forged.push([version, purpose, body, &other].join("."));
    }
    let bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
    // In the claims, and in the signature that ends the body.
    for place in [0, 20, bytes.len() / 2, bytes.len() - 64, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        forged.push([version, purpose, &encode(&changed), footer].join("."));
    }
    let without_signature = encode(&bytes[..bytes.len() - 64]);
    forged.push([version, purpose, &without_signature, footer].join("."));
    forged.push([version, purpose, body].join("."));
    forged.push(format!("{good}.{footer}"));
    forged.push(format!("{good}="));
    forged.push(format!("{good}{}", "A".repeat(2_000)));
    for token in forged {
        assert_eq!(
            status(&app, &token).await,
            StatusCode::UNAUTHORIZED,
            "{token}"
        );
    }
    assert_eq!(status(&app, &good).await, StatusCode::OK);
}

#[tokio::test]
async fn a_token_ends_with_its_clock_skew_however_often_it_was_seen() {
    let app = TestApp::start().await;
    let token = app.signed_in("ann@example.com").await.access;
    assert_eq!(status(&app, &token).await, StatusCode::OK);
    app.advance(TimeDelta::seconds(320));
    assert_eq!(status(&app, &token).await, StatusCode::OK);
    app.advance(TimeDelta::seconds(11));
    assert_eq!(status(&app, &token).await, StatusCode::UNAUTHORIZED);
}
