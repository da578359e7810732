use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::{self, PoolConfig, response::Category},
};
use platform::consumer::Failure;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Message, file,
    settings::{MailSettings, send_limit},
    text::{Form, text},
};

/// Connections to the mail server that are kept.
const CONNECTIONS: u32 = 4;
const IDLE: Duration = Duration::from_secs(30);

/// Sends mail. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Mailer {
    from: Mailbox,
    limit: Duration,
    transport: Transport,
}

#[derive(Debug, Clone)]
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Directory(PathBuf),
}

impl Mailer {
    /// Prepares for the server or directory of the settings; connects when
    /// there is something to send.
    ///
    /// # Errors
    /// When a setting can't be used.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, which looks after the connections.
    pub fn new(settings: &MailSettings) -> anyhow::Result<Self> {
        let url = settings.url.expose();
        let transport = match url.scheme() {
            "file" => Transport::Directory(file::directory(url).context("BFF_MAIL__URL")?),
            _ => Transport::Smtp(
                // What lettre says of a URL that it can't read holds its password.
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
                    .ok()
                    .context("BFF_MAIL__URL: expected smtp://…, smtps://… or file:///…")?
                    .pool_config(PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE))
                    .build(),
            ),
        };
        Ok(Self {
            limit: send_limit(settings.timeout_ms).context("BFF_MAIL__TIMEOUT_MS")?,
            from: settings.from.parse().context("BFF_MAIL__FROM")?,
            transport,
        })
    }

    /// Sends a message; the id makes it known as the same when it is sent again.
    pub(super) async fn send(
        &self,
        id: Uuid,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<Option<PathBuf>, Failure> {
        let mail = self.compose(id, message, now)?;
        match &self.transport {
            // lettre's own limit is on connecting alone.
            Transport::Smtp(smtp) => match timeout(self.limit, smtp.send(mail)).await {
                Ok(Ok(_)) => Ok(None),
                Ok(Err(error)) => Err(failure(&error)),
                Err(_) => Err(Failure::Retry("the mail server: no answer in time".into())),
            },
            Transport::Directory(directory) => {
                let path = directory.join(format!("{id}.eml"));
                file::write(&path, &mail.formatted()).await?;
                Ok(Some(path))
            }
        }
    }

    fn compose(
        &self,
        id: Uuid,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<lettre::Message, Failure> {
        let say = |form| text(message, form, now);
        let unusable =
            |what: &'static str| Failure::Dead(format!("the mail's {what} can't be used"));
        let to = message.to().parse().map_err(|_| unusable("recipient"))?;
        lettre::Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date(now.into())
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(say(Form::Subject)?)
            .multipart(MultiPart::alternative_plain_html(
                say(Form::Plain)?,
                say(Form::Html)?,
            ))
            .map_err(|_| unusable("content"))
    }
}

/// What the server said may hold the recipient; its number doesn't.
fn failure(error: &smtp::Error) -> Failure {
    let Some(code) = error.status() else {
        let what = if error.is_tls() {
            "no TLS"
        } else if error.is_client() {
            "not understood"
        } else {
            "no connection"
        };
        return Failure::Retry(format!("the mail server: {what}"));
    };
    let reason = format!("the mail server answered {code}");
    // x3x is about us (authentication, TLS), not about this message.
    let about_us = matches!(code.category, Category::Unspecified3);
    if error.is_permanent() && !about_us {
        Failure::Dead(reason)
    } else {
        Failure::Retry(reason)
    }
}
