//! What users change about themselves, and the addresses they sign in with.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    helpers::{Answer, PASSWORD, TestApp, Tokens},
    worker::TestWorker,
};

async fn patch(app: &TestApp, tokens: &Tokens, body: &Value) -> Answer {
    let request = app.request(Method::PATCH, "/v1/me").json(body);
    Answer::of(request.bearer_auth(&tokens.access)).await
}

async fn me(app: &TestApp, tokens: &Tokens) -> Value {
    let answer = app.get("/v1/me", Some(&tokens.access)).await;
    answer.expect(StatusCode::OK).json()
}

#[tokio::test]
async fn what_is_absent_stays_and_null_clears() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let all =
        json!({ "full_name": " Ann Lee-Ray ", "username": "Ann.Lee", "birth_date": "1990-12-31" });
    let changed = patch(&app, &tokens, &all)
        .await
        .expect(StatusCode::OK)
        .json();
    assert_eq!(changed["full_name"], "Ann Lee-Ray");
    assert_eq!(changed["username"], "Ann.Lee");
    assert_eq!(changed["birth_date"], "1990-12-31");
    let cleared = patch(&app, &tokens, &json!({ "birth_date": null })).await;
    let cleared = cleared.expect(StatusCode::OK).json();
    assert_eq!(cleared["birth_date"], Value::Null);
    assert_eq!(cleared["username"], "Ann.Lee");
    let same = patch(&app, &tokens, &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(same.json(), me(&app, &tokens).await);
    app.login("ann.lee").await.expect(StatusCode::OK);
    patch(
        &app,
        &tokens,
        &json!({ "username": null, "full_name": null }),
    )
    .await
    .expect(StatusCode::OK);
    app.login("ann.lee").await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_change_is_seen_on_the_home_screen_at_once() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let name = async || {
        let screen = app
            .get("/v1/screens/home?parts=profile", Some(&tokens.access))
            .await;
        let screen = screen.expect(StatusCode::OK).json();
        screen["data"]["profile"]["full_name"].clone()
    };
    assert_eq!(name().await, "Ann Lee");
    patch(&app, &tokens, &json!({ "full_name": "Bea" }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(name().await, "Bea");
}

#[rstest]
#[case(json!({ "username": "аnnlee" }), "/username")] // a Cyrillic а
#[case(json!({ "username": "ann\u{200d}lee" }), "/username")]
#[case(json!({ "username": "ａｎｎｌｅｅ" }), "/username")]
#[case(json!({ "username": "ann\u{0301}lee" }), "/username")]
#[case(json!({ "username": "anℓee" }), "/username")]
#[case(json!({ "username": "ann lee" }), "/username")]
#[case(json!({ "username": "ann@lee" }), "/username")]
#[case(json!({ "username": "+14155552671" }), "/username")]
#[case(json!({ "username": "al" }), "/username")]
#[case(json!({ "username": "a".repeat(33) }), "/username")]
#[case(json!({ "full_name": "" }), "/full_name")]
#[case(json!({ "full_name": "x".repeat(201) }), "/full_name")]
#[case(json!({ "full_name": "eel\u{202e}nna" }), "/full_name")]
#[case(json!({ "birth_date": "1899-12-31" }), "/birth_date")]
#[case(json!({ "birth_date": "2990-01-01" }), "/birth_date")]
#[case(json!({ "birth_date": "1990-02-30" }), "/birth_date")]
#[case(json!({ "birth_date": "+262142-12-31" }), "/birth_date")]
#[case(json!({ "role": "admin" }), "/role")]
#[case(json!({ "email": "bob@example.com" }), "/email")]
#[tokio::test]
async fn what_could_be_taken_for_another_is_refused(#[case] body: Value, #[case] pointer: &str) {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let answer = patch(&app, &tokens, &body).await;
    assert_eq!(answer.expect(StatusCode::BAD_REQUEST).pointers(), [pointer]);
}

#[tokio::test]
async fn a_name_in_other_letters_is_the_same_name() {
    let app = TestApp::start().await;
    let ann = app.signed_in("ann@example.com").await;
    let bob = app.signed_in("bob@example.com").await;
    patch(&app, &ann, &json!({ "username": "Ann_Lee" }))
        .await
        .expect(StatusCode::OK);
    for taken in ["ann_lee", "ANN_LEE", " Ann_Lee "] {
        let answer = patch(&app, &bob, &json!({ "username": taken })).await;
        let answer = answer.expect(StatusCode::CONFLICT);
        assert_eq!(answer.code(), "conflict");
        assert_eq!(answer.pointers(), ["/username"]);
    }
    patch(&app, &ann, &json!({ "username": "ann_lee" }))
        .await
        .expect(StatusCode::OK);
}

/// Asks for a code for an address and adds it.
async fn add(app: &TestApp, worker: &TestWorker, tokens: &Tokens, identifier: &str) -> Answer {
    app.ask(identifier, "add_identifier", Some(&tokens.access))
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for(identifier).await;
    add_with(app, tokens, identifier, &code).await
}

async fn add_with(app: &TestApp, tokens: &Tokens, identifier: &str, code: &str) -> Answer {
    let body = json!({ "identifier": identifier, "code": code });
    app.post("/v1/me/identifiers", Some(&tokens.access), &body)
        .await
}

async fn remove(app: &TestApp, tokens: &Tokens, kind: &str) -> Answer {
    let path = format!("/v1/me/identifiers/{kind}");
    let request = app.request(Method::DELETE, &path);
    Answer::of(request.bearer_auth(&tokens.access)).await
}

#[tokio::test]
async fn an_address_is_added_and_another_given_up() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    let user = add(&app, &worker, &tokens, "+14155552671").await;
    let user = user.expect(StatusCode::OK).json();
    assert_eq!(user["phone"], "+14155552671");
    assert!(user["phone_verified_at"].is_string());
    app.login("+14155552671").await.expect(StatusCode::OK);
    remove(&app, &tokens, "email")
        .await
        .expect(StatusCode::NO_CONTENT);
    assert_eq!(me(&app, &tokens).await["email"], Value::Null);
    app.login("ann@example.com")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.login("+14155552671").await.expect(StatusCode::OK);
    // It is free for somebody else.
    app.signed_in("ann@example.com").await;
}

#[tokio::test]
async fn the_last_way_to_sign_in_stays() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let answer = remove(&app, &tokens, "email").await;
    let answer = answer.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "last_sign_in_method");
    for kind in ["phone", "fax", "Email"] {
        remove(&app, &tokens, kind)
            .await
            .expect(StatusCode::NOT_FOUND);
    }
    // With a name and a password the address may go, but not the name after it.
    patch(&app, &tokens, &json!({ "username": "annlee" }))
        .await
        .expect(StatusCode::OK);
    remove(&app, &tokens, "email")
        .await
        .expect(StatusCode::NO_CONTENT);
    let answer = patch(&app, &tokens, &json!({ "username": null })).await;
    answer.expect(StatusCode::UNPROCESSABLE_ENTITY);
    app.login("annlee").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn giving_up_two_ways_at_once_leaves_one() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    add(&app, &worker, &tokens, "+14155552671")
        .await
        .expect(StatusCode::OK);
    let (email, phone) = tokio::join!(
        remove(&app, &tokens, "email"),
        remove(&app, &tokens, "phone")
    );
    let mut both = [email.status, phone.status];
    both.sort_unstable();
    assert_eq!(
        both,
        [StatusCode::NO_CONTENT, StatusCode::UNPROCESSABLE_ENTITY]
    );
}

#[tokio::test]
async fn addresses_change_only_soon_after_a_proof() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    app.advance(TimeDelta::seconds(601));
    let tokens = app.refresh(&tokens.refresh).await.tokens();
    for answer in [
        remove(&app, &tokens, "email").await,
        add_with(&app, &tokens, "bob@example.com", "123456").await,
    ] {
        let answer = answer.expect(StatusCode::FORBIDDEN);
        assert_eq!(answer.code(), "step_up_required");
    }
    let proof = json!({ "password": PASSWORD });
    app.step_up(&tokens, &proof)
        .await
        .expect(StatusCode::NO_CONTENT);
    add(&app, &worker, &tokens, "ann.lee@example.com")
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn somebody_elses_address_is_told_only_to_its_owner() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let tokens = app.signed_in("ann@example.com").await;
    app.user("bob@example.com").await;
    // Whoever has the code reads bob's mail.
    let answer = add(&app, &worker, &tokens, "bob@example.com").await;
    let answer = answer.expect(StatusCode::CONFLICT);
    assert_eq!(answer.pointers(), ["/identifier"]);
    let wrong = add_with(&app, &tokens, "carol@example.com", "123456").await;
    let wrong = wrong.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.code(), "invalid_code");
}

#[rstest]
#[case("ａｎｎ@example.com")]
#[case("ann@example.com.")]
#[case("ann@EXAMPLE.com\u{0}")]
#[case("ann@exam\u{ad}ple")]
#[case("аnn@example.com")]
#[case("ann@@example.com")]
#[case("ann@example..com")]
#[case("ann@[127.0.0.1]")]
#[case("+1415555267１２３")]
#[tokio::test]
async fn an_address_that_only_looks_like_one_is_no_other(#[case] identifier: &str) {
    let app = TestApp::start().await;
    let body = json!({ "identifier": identifier });
    let answer = app.post("/v1/auth/reset-password", None, &body).await;
    let answer = answer.expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.pointers(), ["/identifier"]);
}

#[tokio::test]
async fn spellings_of_one_address_share_one_budget() {
    let app = TestApp::start().await;
    let ask = async |identifier: &str| app.ask(identifier, "registration", None).await.status;
    assert_eq!(ask("ann@bücher.example").await, StatusCode::ACCEPTED);
    for same in [
        "ANN@xn--bcher-kva.example",
        " ann@B\u{dc}CHER.example ",
        "ann@bu\u{308}cher.example",
        "ann@bücher。example",
    ] {
        assert_eq!(ask(same).await, StatusCode::TOO_MANY_REQUESTS, "{same}");
    }
    assert_eq!(ask("+1 415 555 2671").await, StatusCode::ACCEPTED);
    for same in ["(415) 555-2671", "+1-415-555-2671"] {
        assert_eq!(ask(same).await, StatusCode::TOO_MANY_REQUESTS, "{same}");
    }
}
