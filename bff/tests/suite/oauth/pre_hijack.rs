//! Someone who waits in an account for the owner of its address waits in vain.

use http::StatusCode;
use serde_json::json;

use super::stage::{Stage, parameter};

#[tokio::test]
async fn an_address_that_both_sides_vouch_for_links_and_takes_nothing_away() {
    let stage = Stage::start().await;
    let owner = stage.app.signed_in("Ann@Example.com").await;
    let me = stage.me(&stage.signed_in("google").await).await;
    assert_eq!(me["id"], stage.me(&owner).await["id"]);
    assert_eq!(me["email"], "Ann@Example.com");
    assert_eq!(me["identities"], json!(["google"]));
    stage
        .app
        .login("ann@example.com")
        .await
        .expect(StatusCode::OK);
    let linked = "SELECT count(*) FROM audit_log WHERE event = 'identity.linked' AND detail->>'provider' = 'google'";
    assert_eq!(stage.count(linked).await, 1);
    let told = "SELECT count(*) FROM outbox WHERE subject = 'evt.accounts.user.updated.v1' AND aggregate_version = 2";
    assert_eq!(stage.count(told).await, 1);
}

#[tokio::test]
async fn an_address_that_the_provider_doesnt_vouch_for_links_nothing() {
    let stage = Stage::start().await;
    let owner = stage.app.signed_in("ann@example.com").await;
    let id = stage.me(&owner).await["id"].clone();
    stage
        .provider
        .script(|script| script.person.email_verified = false.into());
    for provider in ["google", "facebook", "vk", "yandex"] {
        let me = stage.me(&stage.signed_in(provider).await).await;
        assert_ne!(me["id"], id, "{provider}");
        assert!(me["email"].is_null(), "{provider}");
    }
    assert!(
        stage.me(&owner).await["identities"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

/// An account that someone set up with an address that was never proved.
async fn planted(stage: &Stage) -> crate::helpers::Tokens {
    stage.app.user("ann@example.com").await;
    stage
        .execute("UPDATE users SET username = 'mallory', username_canonical = 'mallory', phone = '+14155552671', phone_verified_at = now()")
        .await;
    let intruder = stage
        .app
        .login("ann@example.com")
        .await
        .expect(StatusCode::OK)
        .tokens();
    stage
        .execute("UPDATE users SET email_verified_at = NULL")
        .await;
    stage
        .execute("INSERT INTO identities (provider, subject, user_id, created_at) SELECT 'vk', '666', id, now() FROM users")
        .await;
    intruder
}

#[tokio::test]
async fn the_owner_of_an_unproved_address_takes_the_account_over_alone() {
    let stage = Stage::start().await;
    let intruder = planted(&stage).await;
    let id = stage.me(&intruder).await["id"].clone();

    let me = stage.me(&stage.signed_in("google").await).await;
    assert_eq!(me["id"], id);
    assert!(me["email_verified_at"].is_string());
    assert_eq!(me["identities"], json!(["google"]));
    assert!(me["phone"].is_null());

    // The session, its refresh token, the password, the phone and the provider.
    let dead = stage.app.get("/v1/me", Some(&intruder.access)).await;
    dead.expect(StatusCode::UNAUTHORIZED);
    let dead = stage.app.refresh(&intruder.refresh).await;
    dead.expect(StatusCode::UNAUTHORIZED);
    for identifier in ["mallory", "ann@example.com", "+14155552671"] {
        let answer = stage.app.login(identifier).await;
        answer.expect(StatusCode::UNAUTHORIZED);
    }
    stage.person("666", None);
    let other = stage.me(&stage.signed_in("vk").await).await;
    assert_ne!(other["id"], id);
    let written = "SELECT count(*) FROM audit_log WHERE event = 'account.disowned'";
    assert_eq!(stage.count(written).await, 1);
}

#[tokio::test]
async fn a_blocked_account_is_taken_over_by_nobody() {
    let stage = Stage::start().await;
    planted(&stage).await;
    stage.execute("UPDATE users SET status = 'blocked'").await;
    let answer = stage.journey("google", "cookie").await;
    assert_eq!(
        parameter(&answer, "error").as_deref(),
        Some("invalid_credentials")
    );
    assert_eq!(stage.count("SELECT count(*) FROM credentials").await, 1);
    assert_eq!(stage.count("SELECT count(*) FROM identities").await, 1);
}

#[tokio::test]
async fn the_address_of_a_deleted_user_is_free() {
    let stage = Stage::start().await;
    stage.app.user("ann@example.com").await;
    stage
        .execute("UPDATE users SET status = 'deleted', deleted_at = now(), erase_after = now() + interval '1 day'")
        .await;
    let me = stage.me(&stage.signed_in("google").await).await;
    assert_eq!(me["email"], "ann@example.com");
    assert_eq!(stage.count("SELECT count(*) FROM users").await, 2);
}

#[tokio::test]
async fn an_account_is_taken_over_as_a_whole_or_not_at_all() {
    let stage = Stage::start().await;
    planted(&stage).await;
    stage
        .execute("REVOKE INSERT ON identities FROM accounts_app")
        .await;
    let answer = stage.journey("google", "token").await;
    assert!(
        parameter(&answer, "error").is_some(),
        "{:?}",
        answer.headers
    );
    assert_eq!(stage.count("SELECT count(*) FROM credentials").await, 1);
    assert_eq!(stage.count("SELECT count(*) FROM identities").await, 1);
    let written = "SELECT count(*) FROM audit_log WHERE event = 'account.disowned'";
    assert_eq!(stage.count(written).await, 0);
    stage
        .execute("GRANT INSERT ON identities TO accounts_app")
        .await;
    let me = stage.me(&stage.signed_in("google").await).await;
    assert_eq!(me["identities"], json!(["google"]));
}
