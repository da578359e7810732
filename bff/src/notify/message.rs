use std::{fmt, net::IpAddr};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Language;
use crate::identity::{code::Purpose, identifier::Address, session::Device};

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
    language: Language,
    content: Content,
    decoy: bool,
}

/// Something that a user should know happened to their account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The password was changed, or replaced by means of a code.
    PasswordChanged,
    /// The name to sign in with was changed, or given up.
    UsernameChanged,
    /// An address can be used to sign in from now on: this one, masked.
    AddressAdded(String),
    /// An address can't be used any more: this one, masked.
    AddressRemoved(String),
    /// A provider, by name, can be used to sign in from now on.
    ProviderAdded(String),
    /// A provider can't be used any more.
    ProviderRemoved(String),
    /// A sign-in from a device that wasn't seen before.
    NewSignIn,
    /// A session was ended because its refresh token may have been copied.
    SessionStolen,
    /// The account is closed; signing in brings it back until this time.
    Deactivated(DateTime<Utc>),
    /// The account will be erased at this time.
    DeletionRequested(DateTime<Utc>),
}

/// A notice that couldn't be sent for so long isn't news any more.
const NOTICE_LIFETIME: TimeDelta = TimeDelta::hours(24);

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
    /// Something that happened.
    Notice {
        notice: Notice,
        at: DateTime<Utc>,
        ip: IpAddr,
        user_agent: String,
    },
}

impl Message {
    /// A one-time code.
    #[must_use]
    pub fn code(
        to: &Address,
        purpose: Purpose,
        code: String,
        expires_at: DateTime<Utc>,
        language: Language,
    ) -> Self {
        let content = Content::Code {
            purpose,
            code,
            expires_at,
        };
        Self::new(to, language, content)
    }

    /// What happened just now, by way of this device.
    #[must_use]
    pub fn notice(to: &Address, notice: Notice, at: DateTime<Utc>, device: &Device) -> Self {
        let content = Content::Notice {
            notice,
            at,
            ip: device.ip,
            user_agent: device.user_agent.clone(),
        };
        Self::new(to, device.language, content)
    }

    fn new(to: &Address, language: Language, content: Content) -> Self {
        let (channel, address) = match to {
            Address::Email(email) => (Channel::Mail, email.address()),
            Address::Phone(phone) => (Channel::Sms, phone.e164()),
        };
        Self {
            channel,
            to: address.to_owned(),
            masked: to.masked(),
            language,
            content,
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
            Content::Notice { at, .. } => at + NOTICE_LIFETIME,
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

    pub(super) fn language(&self) -> Language {
        self.language
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
