use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::identity::{code::Purpose, identifier::Address};

/// The way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// By mail.
    Mail,
    /// By SMS.
    Sms,
}

impl Channel {
    pub(super) const fn subject(self) -> &'static str {
        match self {
            Self::Mail => "jobs.notify.mail",
            Self::Sms => "jobs.notify.sms",
        }
    }

    /// As it is called in metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Sms => "sms",
        }
    }
}

/// A message to one person. Its serialised form is only ever sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    channel: Channel,
    to: String,
    masked: String,
    content: Content,
    decoy: bool,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// A one-time code.
    Code {
        purpose: Purpose,
        code: String,
        expires_at: DateTime<Utc>,
    },
}

impl Message {
    /// A one-time code.
    #[must_use]
    pub fn code(to: &Address, purpose: Purpose, code: String, expires_at: DateTime<Utc>) -> Self {
        let (channel, address) = match to {
            Address::Email(email) => (Channel::Mail, email.address()),
            Address::Phone(phone) => (Channel::Sms, phone.e164()),
        };
        Self {
            channel,
            to: address.to_owned(),
            masked: to.masked(),
            content: Content::Code {
                purpose,
                code,
                expires_at,
            },
            decoy: false,
        }
    }

    /// The same message, which nobody gets: where there is nobody to write to,
    /// it costs what the real one costs, so that time tells nothing.
    #[must_use]
    pub fn decoy(self) -> Self {
        Self {
            decoy: true,
            ..self
        }
    }

    /// Whether it is for nobody.
    #[must_use]
    pub fn is_decoy(&self) -> bool {
        self.decoy
    }

    /// The way it goes.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// From when on it is worth nothing.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        match self.content {
            Content::Code { expires_at, .. } => expires_at,
        }
    }

    /// The recipient as it may stand in logs.
    #[must_use]
    pub fn masked(&self) -> &str {
        &self.masked
    }

    /// The whole address or number: for the transport alone.
    pub(super) fn to(&self) -> &str {
        &self.to
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }
}

/// Neither code nor recipient.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("channel", &self.channel)
            .field("to", &self.masked)
            .finish_non_exhaustive()
    }
}
