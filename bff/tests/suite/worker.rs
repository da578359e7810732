//! A worker beside the edge, whose messages a test can read.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bff::{cli::worker, events::worker::Worker, upstream::Guards};
use platform::{clock::SharedClock, config::ServerUrl};
use std::sync::Arc;

use crate::helpers::{TestApp, eventually};

/// A running worker that writes its messages to files.
pub struct TestWorker {
    mail: PathBuf,
    sms: PathBuf,
}

/// A message as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Letter {
    at: std::time::SystemTime,
    to: String,
    code: String,
}

impl TestApp {
    /// Starts a worker on the same stores.
    pub async fn worker(&self) -> TestWorker {
        let (mail, sms) = (
            self.files.path().join("mail"),
            self.files.path().join("sms"),
        );
        let mut settings = self.settings.clone();
        settings.mail.url = file_url(&mail);
        settings.sms.url = Some(file_url(&sms));
        let clock: SharedClock = Arc::new(self.clock.clone());
        let guards = Guards::new(clock.clone());
        let worker: Worker = worker(&settings, clock, &guards).await.expect("a worker");
        let lifetime = self.lifetime.clone();
        self.lifetime
            .spawn(async move { worker.run(&lifetime).await });
        TestWorker { mail, sms }
    }
}

impl TestWorker {
    /// The code in the first message to an address.
    pub async fn code_for(&self, to: &str) -> String {
        self.code_number(to, 0).await
    }

    /// The code in the message to an address that so many came before.
    pub async fn code_number(&self, to: &str, before: usize) -> String {
        eventually("a message", async || {
            let letters = self.letters();
            letters
                .iter()
                .filter(|letter| letter.to == to)
                .nth(before)
                .map(|letter| letter.code.clone())
        })
        .await
    }

    /// Waits until every message so far was sent, or found to be for nobody.
    pub async fn all_handled(&self, app: &TestApp) {
        let mut db = app.superuser().await;
        eventually("every message was handled", async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM outbox o WHERE o.subject LIKE 'jobs.notify.%'
                 AND NOT EXISTS (SELECT FROM inbox i WHERE i.consumer = 'notify' AND i.event_id = o.id)",
            )
            .fetch_one(&mut db)
            .await
            .expect("PostgreSQL");
            (waiting == 0).then_some(())
        })
        .await;
    }

    /// Whom codes went to, in order of their addresses.
    pub async fn recipients(&self) -> Vec<String> {
        let mut all: Vec<_> = self.letters().into_iter().map(|letter| letter.to).collect();
        all.sort_unstable();
        all
    }

    /// Mails to an address, as they are read, in the order of their ids: that in
    /// which they were wanted.
    pub fn mails_to(&self, to: &str) -> Vec<String> {
        let mut mails: Vec<_> = std::fs::read_dir(&self.mail)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let text = std::fs::read_to_string(entry.path()).ok()?;
                (recipient(&text)? == to).then(|| (entry.file_name(), decoded(&text)))
            })
            .collect();
        mails.sort_unstable();
        mails.into_iter().map(|(_, text)| text).collect()
    }

    /// SMS to a number, in no order.
    pub fn sms_to(&self, to: &str) -> Vec<String> {
        let files = std::fs::read_dir(&self.sms).into_iter().flatten();
        files
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
            .filter(|text| recipient(text).as_deref() == Some(to))
            .collect()
    }

    fn letters(&self) -> Vec<Letter> {
        let mut letters: Vec<Letter> = [&self.mail, &self.sms]
            .into_iter()
            .filter_map(|directory| std::fs::read_dir(directory).ok())
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let path = entry.path();
                let is_done = path
                    .extension()
                    .is_some_and(|kind| kind == "eml" || kind == "txt");
                let text = std::fs::read_to_string(&path).ok().filter(|_| is_done)?;
                let at = entry.metadata().ok()?.modified().ok()?;
                Some(Letter {
                    at,
                    to: recipient(&text)?,
                    code: six_digits(&text)?,
                })
            })
            .collect();
        letters.sort_unstable();
        letters
    }
}

/// A mail with what its encodings hide.
fn decoded(mail: &str) -> String {
    let words = mail.split("=?utf-8?b?").skip(1);
    let subject: Vec<u8> = words
        .filter_map(|word| STANDARD.decode(word.split_once("?=")?.0).ok())
        .flatten()
        .collect();
    let subject = String::from_utf8_lossy(&subject);
    format!("{mail}\n{subject}\n{}", parts(mail).join("\n"))
}

/// The parts of a mail: plain text, HTML.
fn parts(mail: &str) -> Vec<String> {
    let parts = mail
        .split("Content-Transfer-Encoding: ")
        .skip(1)
        .map(|part| {
            let (encoding, body) = part.split_once("\r\n\r\n").unwrap_or((part, ""));
            let body = body.split("\r\n--").next().unwrap_or_default();
            match encoding.trim() {
                "base64" => STANDARD
                    .decode(body.replace("\r\n", ""))
                    .unwrap_or_default(),
                "quoted-printable" => unquoted(&body.replace("=\r\n", "")),
                _ => body.as_bytes().to_vec(),
            }
        });
    parts
        .map(|part| String::from_utf8_lossy(&part).into_owned())
        .collect()
}

fn unquoted(text: &str) -> Vec<u8> {
    let mut parts = text.split('=');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).expect("two digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

fn recipient(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("To: "))?;
    Some(line.trim().trim_matches(['<', '>']).to_owned())
}

/// The only number of six digits that stands by itself on a line or in a sentence.
fn six_digits(text: &str) -> Option<String> {
    let parts = parts(text);
    // An SMS has none.
    let body = match parts.first() {
        Some(plain) => plain.as_str(),
        None => text.split_once("\n\n")?.1,
    };
    body.split(|c: char| !c.is_ascii_digit())
        .find(|word| word.len() == 6)
        .map(str::to_owned)
}

fn file_url(directory: &std::path::Path) -> ServerUrl {
    format!("file://{}", directory.display())
        .parse()
        .expect("a URL")
}
