use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::{Failure, flow::Secrets};
use crate::{
    identity::identifier::{Email, is_unfit_for_names},
    upstream::Deadline,
};

/// A provider that people may sign in through.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProviderName {
    /// Google.
    Google,
    /// Facebook.
    Facebook,
    /// VK ID.
    Vk,
    /// Yandex ID.
    Yandex,
}

impl ProviderName {
    /// As it stands in paths, in the store and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Facebook => "facebook",
            Self::Vk => "vk",
            Self::Yandex => "yandex",
        }
    }

    /// As people know it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Google => "Google",
            Self::Facebook => "Facebook",
            Self::Vk => "VK",
            Self::Yandex => "Yandex",
        }
    }
}

/// What a provider lets a person bring back.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The authorization code.
    pub code: String,
    /// VK alone names the device that the person signed in on.
    pub device_id: Option<String>,
}

/// A person, as a provider knows them.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// The provider's own id of them, which never changes.
    pub subject: String,
    /// Their address, as far as the provider tells one.
    pub email: Option<Email>,
    /// Whether the provider vouches that the address is theirs.
    pub vouched: bool,
    /// What they are called.
    pub full_name: Option<String>,
}

impl Person {
    /// Reads what a provider tells. An address or a name that can't be one is
    /// left out: neither is needed.
    pub(super) fn new(
        subject: String,
        email: Option<&str>,
        full_name: Option<&str>,
    ) -> Result<Self, Failure> {
        if subject.is_empty() || subject.len() > 255 || subject.chars().any(char::is_control) {
            return Err(Failure::Answer("the person's id can't be one"));
        }
        Ok(Self {
            subject,
            email: email.and_then(|email| Email::parse(email).ok()),
            vouched: false,
            full_name: full_name.and_then(name),
        })
    }

    /// The address, when the provider vouches for it.
    pub(super) fn vouched_email(&self) -> Option<&Email> {
        self.email.as_ref().filter(|_| self.vouched)
    }
}

fn name(text: &str) -> Option<String> {
    let visible: String = text.chars().filter(|c| !is_unfit_for_names(*c)).collect();
    let name: String = visible.trim().chars().take(200).collect();
    (!name.is_empty()).then_some(name)
}

/// What differs from provider to provider.
pub(super) trait Provider: std::fmt::Debug + Send + Sync {
    /// The page to send a person to.
    fn page<'a>(
        &'a self,
        secrets: &'a Secrets,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Url, Failure>>;

    /// Who came back with this grant.
    fn person<'a>(
        &'a self,
        secrets: &'a Secrets,
        grant: &'a Grant,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Person, Failure>>;
}
