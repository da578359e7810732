use chrono::TimeDelta;
use platform::paseto::Claims;
use tonic::Code;
use uuid::Uuid;

use crate::helpers::{
    Service, anonymous, assert_refused, eventually, missing_item, signing_key, write_keys,
};

/// Calls with a token; the item never exists, so a good token gets NOT_FOUND.
async fn code(service: &Service, token: String) -> Code {
    let answer = service.catalog(token).get_item(missing_item()).await;
    answer.unwrap_err().code()
}

#[tokio::test]
async fn a_token_that_is_not_good_here_and_now_is_refused() {
    let service = Service::start().await;
    let changed = |change: fn(&mut Claims)| service.token(Uuid::new_v4(), change);
    let good = changed(|_| ());
    assert_eq!(code(&service, good.clone()).await, Code::NotFound);
    let (head, tail) = good.split_at(60);
    let flipped = if tail.starts_with('A') { "B" } else { "A" };
    for (what, token) in [
        ("expired", changed(|c| c.exp -= TimeDelta::seconds(120))),
        (
            "not yet good",
            changed(|c| c.nbf += TimeDelta::seconds(120)),
        ),
        (
            "made in the future",
            changed(|c| c.iat += TimeDelta::seconds(120)),
        ),
        (
            "for another audience",
            changed(|c| c.aud = "portico".into()),
        ),
        ("of another issuer", changed(|c| c.iss = "someone".into())),
        (
            "of an unknown key",
            anonymous(&signing_key(), &service.clock),
        ),
        ("changed", format!("{head}{flipped}{}", &tail[1..])),
        (
            "without its footer",
            good.rsplit_once('.').unwrap().0.to_owned(),
        ),
        (
            "of another version",
            good.replacen("v4.public", "v2.public", 1),
        ),
        (
            "of another purpose",
            good.replacen("v4.public", "v4.local", 1),
        ),
        ("too long", format!("{good}{}", "A".repeat(2000))),
        ("empty", String::new()),
    ] {
        let answer = service.catalog(token).get_item(missing_item()).await;
        let status = answer.expect_err(what);
        assert_eq!(status.code(), Code::Unauthenticated, "{what}: {status:?}");
        assert_eq!(
            status.message(),
            "the token is missing or isn't good",
            "{what}"
        );
        assert_refused(Err::<(), _>(status), Code::Unauthenticated, "TOKEN_REFUSED");
    }
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_once_it_has_expired() {
    let service = Service::start().await;
    let token = service.token(Uuid::new_v4(), |_| ());
    assert_eq!(code(&service, token.clone()).await, Code::NotFound);
    service.clock.advance(TimeDelta::seconds(60 + 31));
    assert_eq!(code(&service, token).await, Code::Unauthenticated);
}

#[tokio::test]
async fn new_keys_are_picked_up_and_old_ones_forgotten_without_a_restart() {
    let service = Service::start().await;
    let next = signing_key();
    let (old_token, new_token) = (service.anonymous(), anonymous(&next, &service.clock));
    assert_eq!(code(&service, old_token.clone()).await, Code::NotFound);
    assert_eq!(
        code(&service, new_token.clone()).await,
        Code::Unauthenticated
    );
    write_keys(&service.files, &[&service.key, &next]);
    eventually("the new key is believed", async || {
        code(&service, new_token.clone()).await == Code::NotFound
    })
    .await;
    assert_eq!(code(&service, old_token.clone()).await, Code::NotFound);

    // Half a file changes nothing.
    std::fs::write(service.files.path().join("keys.json"), "{\"keys\":[").unwrap();
    write_keys(&service.files, &[&next]);
    eventually("the old key is forgotten", async || {
        code(&service, old_token.clone()).await == Code::Unauthenticated
    })
    .await;
    assert_eq!(code(&service, new_token).await, Code::NotFound);
}

#[tokio::test]
async fn without_any_key_nothing_can_be_told_of_a_token_until_the_file_appears() {
    let service = Service::not_yet_ready(|settings| {
        let later = settings
            .tokens
            .public_keys_file
            .with_file_name("later.json");
        settings.tokens.public_keys_file = later;
    })
    .await;
    let token = service.anonymous();
    let answer = service
        .catalog(token.clone())
        .get_item(missing_item())
        .await;
    let details = assert_refused(answer, Code::Unavailable, "DEPENDENCY_UNAVAILABLE");
    assert!(details.retry_info().is_some());
    let files = service.files.path();
    std::fs::rename(files.join("keys.json"), files.join("later.json")).unwrap();
    eventually("the keys are read", async || {
        code(&service, token.clone()).await == Code::NotFound
    })
    .await;
}
