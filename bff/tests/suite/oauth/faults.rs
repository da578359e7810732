//! Whatever a provider does wrong, nobody is signed in, and the next sign-in works.

use chrono::TimeDelta;
use rstest::rstest;

use super::{
    fault::Fault::{self, *},
    stage::{Stage, parameter, session},
};

#[rstest]
#[case::denial("google", Denial, "access_denied")]
#[case::denial_at_vk("vk", Denial, "access_denied")]
#[case::server_error("yandex", ServerError, "invalid_answer")]
#[case::no_code("facebook", NoCode, "invalid_answer")]
#[case::exchange_refused("google", ExchangeRefused, "invalid_answer")]
#[case::exchange_fails("google", ExchangeFails, "unavailable")]
#[case::exchange_is_huge("facebook", ExchangeIsHuge, "unavailable")]
#[case::exchange_is_html("yandex", ExchangeIsHtml, "invalid_answer")]
#[case::exchange_redirects("yandex", ExchangeRedirects, "invalid_answer")]
#[case::no_id_token("google", NoIdToken, "invalid_answer")]
#[case::nonce("google", Nonce, "invalid_answer")]
#[case::no_nonce("google", NoNonce, "invalid_answer")]
#[case::audience("google", Audience, "invalid_answer")]
#[case::two_audiences("google", TwoAudiences, "invalid_answer")]
#[case::no_audience("google", NoAudience, "invalid_answer")]
#[case::authorized_party("google", AuthorizedParty, "invalid_answer")]
#[case::issuer("google", Issuer, "invalid_answer")]
#[case::expired("google", Expired, "invalid_answer")]
#[case::from_the_future("google", FromTheFuture, "invalid_answer")]
#[case::no_subject("google", NoSubject, "invalid_answer")]
#[case::unknown_kid("google", UnknownKid, "invalid_answer")]
#[case::no_kid("google", NoKid, "invalid_answer")]
#[case::critical_header("google", CriticalHeader, "invalid_answer")]
#[case::wrong_key("google", WrongKey, "invalid_answer")]
#[case::changed_after_signing("google", ChangedAfterSigning, "invalid_answer")]
#[case::algorithm_none("google", AlgorithmNone, "invalid_answer")]
#[case::algorithm_ps256("google", AlgorithmPs256, "invalid_answer")]
#[case::algorithm_hs256("google", AlgorithmHs256, "invalid_answer")]
#[case::keys_fail("google", KeysFail, "unavailable")]
#[case::keys_are_huge("google", KeysAreHuge, "unavailable")]
#[case::data_refused("facebook", DataRefused, "invalid_answer")]
#[case::data_fails("vk", DataFails, "unavailable")]
#[case::data_is_huge("yandex", DataIsHuge, "unavailable")]
#[case::data_without_id("facebook", DataWithoutId, "invalid_answer")]
#[case::data_without_id_at_vk("vk", DataWithoutId, "invalid_answer")]
#[case::data_without_id_at_yandex("yandex", DataWithoutId, "invalid_answer")]
#[case::another_state_echoed("vk", StateEcho, "invalid_answer")]
#[case::no_device("vk", NoDevice, "invalid_answer")]
#[case::a_token_for_another("yandex", ClientId, "invalid_answer")]
#[tokio::test]
async fn a_provider_that_is_wrong_signs_nobody_in(
    #[case] provider: &str,
    #[case] fault: Fault,
    #[case] error: &str,
) {
    let stage = Stage::start().await;
    stage.provider.script(|script| script.fault = Some(fault));
    for mode in ["cookie", "token"] {
        let answer = stage.journey(provider, mode).await;
        assert_eq!(parameter(&answer, "error").as_deref(), Some(error));
        assert_eq!(parameter(&answer, "ticket"), None);
        assert_eq!(session(&answer), None);
    }
    assert_eq!(stage.count("SELECT count(*) FROM users").await, 0);
    let written =
        "SELECT count(*) FROM audit_log WHERE event = 'session.refused' AND detail ? 'reason'";
    let expected = if error == "invalid_answer" { 2 } else { 0 };
    assert_eq!(stage.count(written).await, expected);

    stage.provider.script(|script| script.fault = None);
    // Some faults open the circuit, for a second or so.
    stage.app.advance(TimeDelta::seconds(2));
    stage.signed_in(provider).await;
}

#[tokio::test]
async fn another_state_than_was_sent_leads_nowhere() {
    let stage = Stage::start().await;
    stage
        .provider
        .script(|script| script.fault = Some(WrongState));
    let answer = stage.journey("google", "cookie").await;
    assert_eq!(answer.code(), "invalid_request");
    assert_eq!(answer.pointers(), ["state"]);
    assert_eq!(session(&answer), None);
    assert_eq!(stage.provider.calls("exchange"), 0);
}

#[rstest]
#[case(serde_json::json!(false))]
#[case(serde_json::json!("true"))]
#[case(serde_json::json!(null))]
#[case(serde_json::json!(1))]
#[tokio::test]
async fn an_address_counts_only_when_it_is_vouched_for(#[case] verified: serde_json::Value) {
    let stage = Stage::start().await;
    stage
        .provider
        .script(|script| script.person.email_verified = verified);
    let me = stage.me(&stage.signed_in("google").await).await;
    assert!(me["email"].is_null(), "{me}");
}

#[rstest]
#[case("")]
#[case("no address")]
#[case("ann@example.com\r\nBcc: x@example.com")]
#[tokio::test]
async fn an_address_that_is_none_is_left_out(#[case] email: &str) {
    let stage = Stage::start().await;
    stage.person("1001", Some(email));
    let me = stage.me(&stage.signed_in("google").await).await;
    assert!(me["email"].is_null(), "{me}");
}

#[tokio::test]
async fn a_code_is_worth_nothing_in_another_flow() {
    let stage = Stage::start().await;
    // The attacker's code, in the victim's flow: the verifiers differ.
    let attackers = stage.begin("yandex", "cookie").await;
    let stolen = stage.consent(&attackers).await;
    let victims = stage.begin("yandex", "cookie").await;
    let mixed = stolen.replace(&attackers.state(), &victims.state());
    let answer = stage.come_back(&mixed, Some(&victims.cookie)).await;
    assert_eq!(
        parameter(&answer, "error").as_deref(),
        Some("invalid_answer")
    );
    assert_eq!(session(&answer), None);
}
