//! Between the edge and NATS, and between the worker and those who carry
//! messages to people.

use http::StatusCode;
use platform::testing::{Fault, Loss, Proxy};
use rstest::rstest;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

use super::{BOUND, MS, timed};
use crate::{
    helpers::{TestApp, eventually},
    messaging::Messaging,
    notify::smtp::Smtp,
};

#[rstest]
#[case::nothing_passes(Fault::BlackHole)]
#[case::connections_are_refused(Fault::Refuse)]
#[case::answers_come_too_late(Fault::Latency { delay: MS(5_000), jitter: MS(50) })]
#[tokio::test]
async fn whatever_is_between_the_edge_and_nats_writes_succeed_and_are_told_of_once(
    #[case] fault: Fault,
) {
    let mut proxy = None;
    let app = TestApp::with(|settings| {
        proxy = Some(Proxy::stand_before(&mut settings.nats.url));
    })
    .await;
    let (proxy, worker) = (proxy.unwrap(), app.worker().await);
    app.ask("ann@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    let code = worker.code_for("ann@example.com").await;
    proxy.set(fault);
    let (registered, took) = timed(app.register("ann@example.com", &code)).await;
    let tokens = registered.expect(StatusCode::CREATED).tokens();
    assert!(took < BOUND, "{took:?}");
    app.ask("bob@example.com", "registration", None)
        .await
        .expect(StatusCode::ACCEPTED);
    // An end of a session that can't be told to others holds nobody up.
    let (ended, took) = timed(app.post("/v1/auth/logout", Some(&tokens.access), &().into())).await;
    ended.expect(StatusCode::NO_CONTENT);
    assert!(took < BOUND, "{took:?}");
    assert!(!app.is_alive(&tokens).await);
    proxy.heal();
    worker.code_for("bob@example.com").await;
    worker.all_handled(&app).await;
    let mut recipients = worker.recipients().await;
    recipients.retain(|to| to == "bob@example.com");
    assert_eq!(recipients.len(), 1, "it was sent once");
}

#[tokio::test]
async fn a_mail_whose_acceptance_was_not_heard_of_comes_again_under_the_same_id() {
    let mut messaging = Messaging::new().await;
    let smtp = Smtp::answering(&[]).await;
    let proxy = Proxy::before(&smtp.url().parse().unwrap());
    messaging.mail_to(proxy.url().expose().as_str());
    messaging.start_worker();
    proxy.set(Fault::LoseAnswer(Loss {
        request: b"\r\n.\r\n",
        answer: b"250 taken",
        kept: 0,
    }));
    let message = messaging.code("ann@example.com", "271828");
    messaging.enqueue(&message).await;
    eventually("it was sent again", async || smtp.taken().len() == 2).await;
    eventually("it is marked", async || messaging.handled().await == 1).await;
    assert_eq!(proxy.lost(), 1);
    let id = |number: usize| {
        let mails = smtp.taken();
        let text = &mails[number].text;
        let line = text.lines().find(|line| line.starts_with("Message-ID"));
        line.unwrap().to_owned()
    };
    assert_eq!(id(0), id(1));
    messaging.finish().await;
}

#[tokio::test]
async fn an_sms_whose_acceptance_was_not_heard_of_is_asked_for_under_the_same_key() {
    let mut messaging = Messaging::new().await;
    let hook = MockServer::start().await;
    let taken = Mock::given(method("POST")).respond_with(ResponseTemplate::new(200));
    taken.expect(2).mount(&hook).await;
    let proxy = Proxy::before(&hook.uri().parse().unwrap());
    messaging.sms_to(proxy.url().expose().as_str());
    messaging.start_worker();
    proxy.set(Fault::LoseAnswer(Loss::to(b"POST ")));
    let message = messaging.code("+14155550123", "271828");
    messaging.enqueue(&message).await;
    eventually("it is marked", async || messaging.handled().await == 1).await;
    assert_eq!(proxy.lost(), 1);
    let calls = hook.received_requests().await.unwrap();
    let key = |call: usize| calls[call].headers["idempotency-key"].clone();
    assert_eq!(key(0), key(1), "the hook can tell a repeat");
    messaging.finish().await;
}
