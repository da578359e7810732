//! What users are told of, whatever fails in between, and at every address.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;
use sqlx::Executor as _;

use crate::{helpers::TestApp, worker::TestWorker};

/// Lets the edge write to a table, or not.
async fn writable(app: &TestApp, table: &str, writable: bool) {
    let change = match writable {
        true => format!("GRANT INSERT ON {table} TO accounts_app"),
        false => format!("REVOKE INSERT ON {table} FROM accounts_app"),
    };
    let mut db = app.superuser().await;
    db.execute(sqlx::AssertSqlSafe(change)).await.unwrap();
}

/// How many mails to an address have these words in them.
async fn told(app: &TestApp, worker: &TestWorker, to: &str, words: &str) -> usize {
    worker.all_handled(app).await;
    let mails = worker.mails_to(to);
    mails.iter().filter(|mail| mail.contains(words)).count()
}

#[tokio::test]
async fn a_theft_that_couldnt_be_written_down_is_at_the_next_use_of_any_token() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let first = app.signed_in("ann@example.com").await;
    let second = app.refresh(&first.refresh).await.tokens();
    app.advance(TimeDelta::seconds(31));
    writable(&app, "audit_log", false).await;
    app.refresh(&first.refresh)
        .await
        .expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!app.is_alive(&second).await, "it has ended all the same");
    writable(&app, "audit_log", true).await;
    // Several find out at once.
    let (one, two, three) = tokio::join!(
        app.refresh(&second.refresh),
        app.refresh(&first.refresh),
        app.refresh(&second.refresh),
    );
    for answer in [one, two, three, app.refresh(&second.refresh).await] {
        answer.expect(StatusCode::UNAUTHORIZED);
    }
    let ended = "A session of your Portico account was ended";
    assert_eq!(told(&app, &worker, "ann@example.com", ended).await, 1);
    let lines: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit_log WHERE event = 'session.stolen'")
            .fetch_one(&mut app.superuser().await)
            .await
            .unwrap();
    assert_eq!(lines, 1);
}

#[tokio::test]
async fn a_new_device_that_couldnt_be_told_of_is_new_the_next_time() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.user("ann@example.com").await;
    writable(&app, "outbox", false).await;
    app.login("ann@example.com")
        .await
        .expect(StatusCode::INTERNAL_SERVER_ERROR);
    writable(&app, "outbox", true).await;
    for _ in 0..2 {
        app.login("ann@example.com").await.expect(StatusCode::OK);
    }
    let new = "A new sign-in to Portico";
    assert_eq!(told(&app, &worker, "ann@example.com", new).await, 1);
}

#[tokio::test]
async fn a_phone_hears_of_the_mail_address_that_is_added_to_it() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("+14155552671", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("+14155552671").await;
    let tokens = app.register("+14155552671", &code).await.tokens();
    app.ask("ann@example.com", "add_identifier", Some(&tokens.access))
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann@example.com").await;
    let body = json!({ "identifier": "ann@example.com", "code": code });
    app.post("/v1/me/identifiers", Some(&tokens.access), &body)
        .await
        .expect(StatusCode::OK);
    worker.all_handled(&app).await;
    let sms = worker.sms_to("+14155552671");
    assert!(
        sms.iter()
            .any(|text| text.contains("a***@example.com was added")),
        "{sms:?}"
    );
}

#[tokio::test]
async fn who_is_deactivated_hears_until_when_they_can_come_back() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    app.post("/v1/me/deactivate", Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    let closed = "account is closed for now";
    assert_eq!(told(&app, &worker, "ann@example.com", closed).await, 1);
}
