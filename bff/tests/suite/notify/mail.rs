use std::os::unix::fs::PermissionsExt as _;

use bff::notify::{Mailer, settings::MailSettings};
use tokio::net::TcpListener;

use super::smtp::Smtp;
use crate::{
    helpers::eventually,
    messaging::{Logs, Messaging},
};

#[tokio::test]
async fn a_code_reaches_its_owner_by_mail() {
    let (logs, _guard) = Logs::capture();
    let mut messaging = Messaging::new().await;
    let smtp = Smtp::answering(&[]).await;
    messaging.mail_to(&smtp.url());
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    eventually("the mail is there", async || smtp.taken().len() == 1).await;
    eventually("it is marked", async || messaging.handled().await == 1).await;

    let mail = &smtp.taken()[0];
    assert!(mail.to.contains("<ann@example.com>"), "{mail:?}");
    assert!(mail.text.contains("271828"), "{mail:?}");
    assert!(mail.text.contains("5 minutes"), "{mail:?}");
    let header = |name: &str| {
        let start = format!("{name}: ");
        let line = mail
            .text
            .lines()
            .find_map(|line| line.strip_prefix(start.as_str()));
        line.unwrap_or_else(|| panic!("{name}: {mail:?}"))
            .to_owned()
    };
    assert_eq!(header("From"), "Portico <no-reply@portico.test>");
    assert_eq!(header("To"), "ann@example.com");
    assert_eq!(header("Subject"), "Your code for Portico");
    assert!(header("Message-ID").ends_with("@portico.test>"));
    assert!(header("Content-Type").starts_with("multipart/alternative"));
    assert!(mail.text.contains("Content-Type: text/html"), "{mail:?}");

    eventually("it is logged", async || {
        logs.text().contains("message sent")
    })
    .await;
    let logs = logs.text();
    assert!(logs.contains("a***@example.com"));
    assert!(!logs.contains("271828"), "the code is in the log");
    messaging.finish().await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_now_is_sent_later_once() {
    let mut messaging = Messaging::new().await;
    let smtp = Smtp::answering(&["451 come back later"]).await;
    messaging.mail_to(&smtp.url());
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    eventually("the mail is taken", async || smtp.taken().len() == 1).await;
    eventually("it is marked", async || messaging.handled().await == 1).await;
    assert_eq!(smtp.given(), 2);
    messaging.finish().await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_a_dead_letter_that_gives_nothing_away() {
    let mut messaging = Messaging::new().await;
    let smtp = Smtp::answering(&["550 <ann@example.com> is unknown here"]).await;
    messaging.mail_to(&smtp.url());
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    eventually("it is a dead letter", async || {
        messaging.dead_letters().await.contains("notify")
    })
    .await;
    let letters = messaging.dead_letters().await;
    assert!(
        letters.contains("the mail server answered 550 (to a***@example.com)"),
        "{letters}"
    );
    assert!(
        !letters.contains("271828") && !letters.contains("ann@"),
        "{letters}"
    );
    assert_eq!(smtp.given(), 1);
    messaging.finish().await;
}

#[tokio::test]
async fn a_mail_server_that_hangs_or_is_away_delays_and_loses_nothing() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let (logs, _guard) = Logs::capture();
    let mut messaging = Messaging::new().await;
    messaging.mail_to(&format!("smtp://127.0.0.1:{port}"));
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    eventually("it gave up waiting", async || {
        logs.text()
            .contains("the mail server: no answer in time (to a***@example.com)")
    })
    .await;
    drop(silent);
    eventually("nothing listens now", async || {
        logs.text()
            .contains("the mail server: no connection (to a***@example.com)")
    })
    .await;
    assert_eq!(messaging.handled().await, 0);
    messaging.finish().await;
}

#[tokio::test]
async fn without_a_mail_server_mail_is_written_where_only_its_owner_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut messaging = Messaging::new().await;
    let below = directory.path().join("made/on/demand");
    messaging.mail_to(&format!("file://{}", below.display()));
    messaging.start_worker();
    messaging
        .enqueue(&messaging.code("ann@example.com", "271828"))
        .await;
    eventually("it is marked", async || messaging.handled().await == 1).await;
    let files: Vec<_> = std::fs::read_dir(&below).unwrap().collect();
    assert_eq!(files.len(), 1);
    let path = files[0].as_ref().unwrap().path();
    assert_eq!(path.extension().unwrap(), "eml");
    assert!(std::fs::read_to_string(&path).unwrap().contains("271828"));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    messaging.finish().await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named_without_their_password() {
    let with = |url: &str, from: &str| {
        let settings = MailSettings {
            url: url.parse().unwrap(),
            from: from.into(),
            ..MailSettings::default()
        };
        Mailer::new(&settings)
            .map(drop)
            .map_err(|error| format!("{error:#}"))
    };
    let from = "Portico <no-reply@localhost>";
    for good in [
        "smtp://mail.test",
        "smtps://me:secret@mail.test:465",
        "smtp://mail.test:587?tls=required",
        "file:///var/mail",
    ] {
        assert_eq!(with(good, from), Ok(()), "{good}");
    }
    for bad in [
        "http://me:secret@mail.test",
        "smtp://me:secret@mail.test?tls=perhaps",
    ] {
        let error = with(bad, from).unwrap_err();
        assert!(error.starts_with("BFF_MAIL__URL"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(
        with("smtp://mail.test", "nobody")
            .unwrap_err()
            .starts_with("BFF_MAIL__FROM")
    );
}
