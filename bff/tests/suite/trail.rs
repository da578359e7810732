//! What the audit trail says of whom.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::helpers::{Answer, PASSWORD, TestApp};

/// The longest address that there can be.
fn longest() -> String {
    let label = "x".repeat(61);
    let domain = format!("{label}.{label}.{label}.example.com");
    let local = "l".repeat(254 - 1 - domain.len());
    format!("{local}@{domain}")
}

/// Lines of one event, oldest first.
async fn lines(app: &TestApp, event: &str) -> Vec<Value> {
    sqlx::query_scalar("SELECT to_jsonb(l) FROM audit_log l WHERE event = $1 ORDER BY at, id")
        .bind(event)
        .fetch_all(&mut app.superuser().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_longest_address_fits_wherever_it_is_written_down() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let address = longest();
    assert_eq!(address.len(), 254);
    app.login(&address).await.expect(StatusCode::UNAUTHORIZED);
    app.ask(&address, "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for(&address).await;
    let body =
        json!({ "identifier": address, "code": code, "password": PASSWORD, "full_name": "Ann" });
    app.post("/v1/auth/register", None, &body)
        .await
        .expect(StatusCode::CREATED);
    app.advance(chrono::TimeDelta::seconds(61));
    app.post(
        "/v1/auth/reset-password",
        None,
        &json!({ "identifier": address }),
    )
    .await
    .expect(StatusCode::ACCEPTED);
    app.login(&address).await.expect(StatusCode::OK);
    for event in [
        "session.refused",
        "code.sent",
        "user.registered",
        "session.opened",
    ] {
        let subject = lines(&app, event).await[0]["subject"].clone();
        let subject = subject.as_str().unwrap();
        assert!(subject.starts_with("l***@***"), "{event}: {subject}");
        assert!(subject.ends_with(".example.com"), "{event}: {subject}");
    }
}

#[tokio::test]
async fn who_fails_to_sign_in_as_a_user_stands_in_the_users_trail_and_is_not_the_actor() {
    let app = TestApp::start().await;
    let user = app.user("ann@example.com").await;
    let wrong = json!({ "identifier": "ann@example.com", "password": "not the password" });
    app.post("/v1/auth/login", None, &wrong)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    let unknown = json!({ "identifier": "nobody@example.com", "password": "not the password" });
    app.post("/v1/auth/login", None, &unknown)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.user("sue@example.com").await;
    sqlx::query("UPDATE users SET role = 'support' WHERE email = 'sue@example.com'")
        .execute(&mut app.superuser().await)
        .await
        .unwrap();
    let support = app.login("sue@example.com").await.tokens();
    let path = format!("/v1/admin/audit?user_id={}", user["id"].as_str().unwrap());
    let trail = app.get(&path, Some(&support.access)).await;
    let trail = trail.expect(StatusCode::OK).json();
    let events: Vec<_> = trail["items"].as_array().unwrap().iter().collect();
    assert_eq!(events.len(), 1, "{trail}");
    assert_eq!(events[0]["event"], "session.refused");
    assert_eq!(events[0]["actor_id"], Value::Null);
    let refused = lines(&app, "session.refused").await;
    assert_eq!(
        refused[1]["user_id"],
        Value::Null,
        "nobody has that address"
    );
}

#[tokio::test]
async fn a_code_that_a_stranger_asks_for_stands_in_the_trail_of_whose_address_it_is() {
    let app = TestApp::start().await;
    let user = app.user("ann@example.com").await;
    for (address, owner) in [
        ("Ann@example.com", &user["id"]),
        ("new@example.com", &Value::Null),
    ] {
        app.ask(address, "registration", None)
            .await
            .expect(StatusCode::ACCEPTED);
        let body = json!({ "identifier": address });
        app.advance(chrono::TimeDelta::seconds(61));
        app.post("/v1/auth/reset-password", None, &body)
            .await
            .expect(StatusCode::ACCEPTED);
        app.advance(chrono::TimeDelta::seconds(61));
        let sent = lines(&app, "code.sent").await;
        for line in &sent[sent.len() - 2..] {
            assert_eq!(&line["user_id"], owner, "{address}");
            assert_eq!(line["actor_id"], Value::Null, "{address}");
        }
    }
}

#[tokio::test]
async fn a_sign_in_is_written_down_with_the_session_that_it_opens() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let opened = lines(&app, "session.opened").await;
    assert_eq!(opened[0]["session_id"], tokens.session.as_str());
}

#[tokio::test]
async fn ending_a_session_from_the_list_is_written_down_and_ones_own_takes_the_cookie() {
    let app = TestApp::start().await;
    let other = app.signed_in("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    let list = app.request(Method::GET, "/v1/auth/sessions");
    let list = Answer::of(list.header("cookie", &cookie)).await.json();
    let mut all = list["items"].as_array().unwrap().iter();
    let own = all.find(|session| session["current"] == true);
    let own = own.unwrap()["id"].as_str().unwrap().to_owned();
    let end = async |id: &str| {
        let request = app.request(Method::DELETE, &format!("/v1/auth/sessions/{id}"));
        let request = request.header("cookie", &cookie).header("x-csrf", "1");
        Answer::of(request).await.expect(StatusCode::NO_CONTENT)
    };
    assert!(end(&other.session).await.header("set-cookie").is_none());
    let forgotten = end(&own).await.header("set-cookie").unwrap();
    assert!(forgotten.contains("Max-Age=0"), "{forgotten}");
    let ended = lines(&app, "session.ended").await;
    let ids: Vec<_> = ended
        .iter()
        .map(|line| line["session_id"].clone())
        .collect();
    assert_eq!(ids, [json!(other.session), json!(own)]);
}

#[tokio::test]
async fn another_user_name_is_written_down_and_told() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    let patch = async |body: Value| {
        let request = app.request(Method::PATCH, "/v1/me").json(&body);
        Answer::of(request.bearer_auth(&tokens.access)).await
    };
    patch(json!({ "username": "ann_lee" }))
        .await
        .expect(StatusCode::OK);
    worker.all_handled(&app).await;
    let mails = worker.mails_to("ann@example.com");
    assert!(
        mails.last().unwrap().contains("user name was changed"),
        "{mails:?}"
    );
    let changed = lines(&app, "username.changed").await;
    assert_eq!(changed[0]["session_id"], tokens.session.as_str());
    patch(json!({ "full_name": "Ann Lee-Ray" }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(lines(&app, "username.changed").await.len(), 1);
}

#[tokio::test]
async fn a_session_that_isnt_fresh_changes_names_but_no_user_name() {
    let app = TestApp::start().await;
    app.user("ann@example.com").await;
    let cookie = app.cookie("ann@example.com").await;
    app.advance(chrono::TimeDelta::minutes(11));
    let patch = async |body: Value| {
        let request = app.request(Method::PATCH, "/v1/me").json(&body);
        Answer::of(request.header("cookie", &cookie).header("x-csrf", "1")).await
    };
    patch(json!({ "full_name": "Bea" }))
        .await
        .expect(StatusCode::OK);
    for name in [json!("ann_lee"), Value::Null] {
        let refused = patch(json!({ "username": name })).await;
        assert_eq!(refused.code(), "step_up_required");
    }
}
