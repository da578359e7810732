//! What users are told of what happens to their accounts.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    helpers::{Answer, OTHER, PASSWORD, TestApp, Tokens},
    life::house::House,
};

async fn sign_in_from(app: &TestApp, email: &str, agent: &str) -> Tokens {
    let body = json!({ "identifier": email, "password": PASSWORD });
    let request = app.request(Method::POST, "/v1/auth/login").json(&body);
    let answer = Answer::of(request.header("user-agent", agent)).await;
    answer.expect(StatusCode::OK).tokens()
}

#[tokio::test]
async fn a_sign_in_from_an_unseen_device_is_told_once() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.user("ann@example.com").await;
    sign_in_from(&app, "ann@example.com", "Browser/1.0").await;
    // A new version is no new device.
    sign_in_from(&app, "ann@example.com", "Browser/2.3").await;
    sign_in_from(&app, "ann@example.com", "Phone/7").await;
    worker.all_handled(&app).await;
    let mails = worker.mails_to("ann@example.com");
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(mails[0].contains("A new sign-in to Portico"), "{mails:?}");
    assert!(mails[0].contains("127.0.0.1") && mails[0].contains("Browser/1.0"));
    assert!(mails[1].contains("Phone/7"), "{mails:?}");
}

#[tokio::test]
async fn whoever_just_registered_is_not_told_of_their_own_device() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.ask("ann@example.com", "registration", None).await;
    let code = worker.code_for("ann@example.com").await;
    app.register("ann@example.com", &code)
        .await
        .expect(StatusCode::CREATED);
    app.login("ann@example.com").await.expect(StatusCode::OK);
    worker.all_handled(&app).await;
    assert_eq!(worker.mails_to("ann@example.com").len(), 1);
}

/// A `POST` from somebody who reads this language.
async fn post_in(app: &TestApp, language: &str, token: &str, path: &str, body: &Value) -> Answer {
    let request = app.request(Method::POST, path).json(body);
    let request = request.header("accept-language", language);
    Answer::of(match token {
        "" => request,
        token => request.bearer_auth(token),
    })
    .await
}

/// A `DELETE` from them.
async fn delete_in(app: &TestApp, language: &str, token: &str, path: &str) {
    let request = app.request(Method::DELETE, path).bearer_auth(token);
    let answer = Answer::of(request.header("accept-language", language)).await;
    answer.expect(StatusCode::NO_CONTENT);
}

#[rstest]
#[case::english("en-GB, en;q=0.9, ru;q=0.5", "<html lang=\"en\">", [
    "A new sign-in to Portico", "Your Portico password was changed",
    "An address was added to your Portico account", "An address was removed from your Portico account",
    "A session of your Portico account was ended", "Your Portico account will be deleted",
])]
#[case::russian("ru-RU, ru;q=0.9, en;q=0.5", "<html lang=\"ru\">", [
    "Новый вход в Portico", "Пароль Portico изменён",
    "В учётную запись Portico добавлен адрес", "Из учётной записи Portico удалён адрес",
    "Сеанс Portico завершён", "Ваша учётная запись Portico будет удалена",
])]
#[tokio::test]
async fn what_happens_is_told_in_the_language_of_the_request(
    #[case] language: &str,
    #[case] html: &str,
    #[case] subjects: [&str; 6],
) {
    // Who wants to be deleted must have no open orders, which is asked elsewhere.
    let house = House::new().await;
    let app = &house.app;
    let worker = app.worker().await;
    app.user("ann@example.com").await;
    let body = json!({ "identifier": "ann@example.com", "password": PASSWORD });
    let first = post_in(app, language, "", "/v1/auth/login", &body).await;
    let first = first.expect(StatusCode::OK).tokens();
    let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
    let path = "/v1/auth/update-password";
    let changed = post_in(app, language, &first.access, path, &body).await;
    changed.expect(StatusCode::NO_CONTENT);
    // A phone, which an SMS would have to tell: the mail address is told.
    app.ask("+14155552671", "add_identifier", Some(&first.access))
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("+14155552671").await;
    let body = json!({ "identifier": "+14155552671", "code": code });
    let added = post_in(app, language, &first.access, "/v1/me/identifiers", &body).await;
    added.expect(StatusCode::OK);
    let path = "/v1/me/identifiers/phone";
    delete_in(app, language, &first.access, path).await;
    let second = app.refresh(&first.refresh).await.tokens();
    delete_in(app, language, &second.access, "/v1/me").await;
    let told = async |count: usize| {
        worker.all_handled(app).await;
        let mails = worker.mails_to("ann@example.com");
        assert_eq!(mails.len(), count, "{mails:?}");
        mails
    };
    let mut mails = told(5).await;
    // And to somebody else, of whom there is still something to steal.
    let bob = app.signed_in("bob@example.com").await;
    app.refresh(&bob.refresh).await.expect(StatusCode::OK);
    app.advance(TimeDelta::seconds(31));
    let body = json!({ "refresh_token": bob.refresh });
    post_in(app, language, "", "/v1/auth/refresh", &body)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    told(5).await;
    mails.insert(4, worker.mails_to("bob@example.com").pop().unwrap());
    for (mail, subject) in mails.iter().zip(subjects) {
        // In the HTML twice; as a mail's subject it may be in encoded pieces.
        assert!(mail.matches(subject).count() >= 2, "{subject}: {mail}");
        assert!(mail.contains(html), "{mail}");
        assert!(mail.contains("text/plain") && mail.contains("text/html"));
    }
}

#[tokio::test]
async fn a_code_is_written_in_the_language_of_the_request() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    for (to, language, expected) in [
        ("ann@example.com", "ru", "Ваш код"),
        ("bob@example.com", "de, en;q=0.7", "Your code"),
    ] {
        let body = json!({ "identifier": to, "purpose": "registration" });
        let request = app
            .request(Method::POST, "/v1/auth/verify-code")
            .json(&body);
        let answer = Answer::of(request.header("accept-language", language)).await;
        answer.expect(StatusCode::ACCEPTED);
        worker.code_for(to).await;
        let mails = worker.mails_to(to);
        assert!(mails[0].contains(expected), "{mails:?}");
    }
}

#[tokio::test]
async fn theft_is_told_and_written_down() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let first = app.signed_in("ann@example.com").await;
    app.refresh(&first.refresh).await.expect(StatusCode::OK);
    app.advance(TimeDelta::seconds(31));
    for _ in 0..3 {
        app.refresh(&first.refresh)
            .await
            .expect(StatusCode::UNAUTHORIZED);
    }
    worker.all_handled(&app).await;
    let mails = worker.mails_to("ann@example.com");
    let told = mails
        .iter()
        .filter(|mail| mail.contains("A session of your Portico account was ended"));
    assert_eq!(told.count(), 1, "{mails:?}");
}

#[tokio::test]
async fn the_addresses_until_now_hear_of_a_new_one() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("old@example.com").await;
    app.ask("new@example.com", "add_identifier", Some(&tokens.access))
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("new@example.com").await;
    let body = json!({ "identifier": "new@example.com", "code": code });
    app.post("/v1/me/identifiers", Some(&tokens.access), &body)
        .await
        .expect(StatusCode::OK);
    worker.all_handled(&app).await;
    let old = worker.mails_to("old@example.com");
    let told = old.last().unwrap();
    assert!(told.contains("An address was added"), "{old:?}");
    // Not whole: whoever reads the old mail may be somebody else by now.
    assert!(told.contains("n***@example.com") && !told.contains("new@example.com"));
    assert_eq!(worker.mails_to("new@example.com").len(), 1);
}

#[tokio::test]
async fn what_happened_is_in_the_trail_without_secrets() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann.lee@example.com").await;
    let wrong = json!({ "password": "not the password" });
    app.step_up(&tokens, &wrong)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    let right = json!({ "password": PASSWORD });
    app.step_up(&tokens, &right)
        .await
        .expect(StatusCode::NO_CONTENT);
    let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
    app.post("/v1/auth/update-password", Some(&tokens.access), &body)
        .await
        .expect(StatusCode::NO_CONTENT);
    app.post("/v1/auth/logout-all", Some(&tokens.access), &json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    let mut db = app.superuser().await;
    let events: Vec<String> = sqlx::query_scalar("SELECT event FROM audit_log ORDER BY at, id")
        .fetch_all(&mut db)
        .await
        .unwrap();
    assert_eq!(
        events,
        [
            "session.opened",
            "session.not_proved",
            "session.proved",
            "password.changed",
            "sessions.ended"
        ]
    );
    let all: Vec<String> = sqlx::query_scalar(
        "SELECT audit_log::text FROM audit_log UNION ALL SELECT data::text FROM outbox",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    for secret in [
        PASSWORD,
        OTHER,
        "not the password",
        "ann.lee",
        &tokens.access,
    ] {
        assert!(
            !all.iter().any(|line| line.contains(secret)),
            "{secret}: {all:?}"
        );
    }
}
