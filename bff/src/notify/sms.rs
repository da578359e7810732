use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use platform::{config::Secret, consumer::Failure};
use reqwest::{Client, StatusCode};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{
    Message, file,
    settings::{SmsSettings, send_limit},
    text::{Form, text},
};

/// Sends SMS. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct SmsSender {
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Hook(Hook),
    Directory(PathBuf),
    None,
}

#[derive(Debug, Clone)]
struct Hook {
    client: Client,
    url: Url,
    secret: Secret,
    limit: Duration,
}

impl SmsSender {
    /// Prepares for the hook or directory of the settings.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub fn new(settings: &SmsSettings, client: Client) -> anyhow::Result<Self> {
        let way = match settings.url.as_ref().map(|url| url.expose()) {
            None => Way::None,
            Some(url) if url.scheme() == "file" => {
                Way::Directory(file::directory(url).context("BFF_SMS__URL")?)
            }
            Some(url) if matches!(url.scheme(), "http" | "https") => Way::Hook(Hook {
                client,
                url: url.clone(),
                secret: settings.secret.clone(),
                limit: send_limit(settings.timeout_ms).context("BFF_SMS__TIMEOUT_MS")?,
            }),
            Some(_) => anyhow::bail!("BFF_SMS__URL: expected https://… or file:///…"),
        };
        Ok(Self { way })
    }

    /// Sends a message; the id makes it known as the same when it is sent again.
    pub(super) async fn send(
        &self,
        id: Uuid,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<Option<PathBuf>, Failure> {
        let text = text(message, Form::Sms, now)?;
        match &self.way {
            Way::Hook(hook) => hook.post(id, message.to(), &text).await.map(|()| None),
            Way::Directory(directory) => {
                let path = directory.join(format!("{id}.txt"));
                let text = format!("To: {}\n\n{text}\n", message.to());
                file::write(&path, text.as_bytes()).await?;
                Ok(Some(path))
            }
            Way::None => Err(Failure::Dead("no way to send SMS is configured".into())),
        }
    }
}

impl Hook {
    async fn post(&self, id: Uuid, to: &str, text: &str) -> Result<(), Failure> {
        let mut request = self
            .client
            .post(self.url.clone())
            .timeout(self.limit)
            .header("Idempotency-Key", id.to_string())
            .json(&json!({ "to": to, "text": text }));
        if !self.secret.is_empty() {
            request = request.bearer_auth(self.secret.expose());
        }
        let status = match request.send().await {
            Ok(response) => response.status(),
            Err(error) if error.is_timeout() => {
                return Err(Failure::Retry("the SMS hook: no answer in time".into()));
            }
            Err(_) => return Err(Failure::Retry("the SMS hook: no connection".into())),
        };
        let reason = format!("the SMS hook answered {}", status.as_u16());
        match status {
            _ if status.is_success() => Ok(()),
            // About us or about now, not about this message.
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS => Err(Failure::Retry(reason)),
            _ if status.is_client_error() => Err(Failure::Dead(reason)),
            _ => Err(Failure::Retry(reason)),
        }
    }
}
