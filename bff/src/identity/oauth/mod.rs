//! Signing in through other providers (OAuth 2.0 by RFC 9700, OpenID Connect).
//!
//! A [`Flow`](flow::Flow) begins with [`OAuth::begin`], which sends a person to
//! a provider, and ends with [`OAuth::finish`], when they come back. What
//! differs from provider to provider stands behind one trait; [`accounts`] has
//! the rules by which a person there becomes a user here.

mod accounts;
mod application;
mod error;
mod facebook;
mod flow;
mod google;
mod http;
mod id_token;
mod kept;
mod link;
mod provider;
mod registry;
mod return_to;
pub mod settings;
mod vk;
mod yandex;

use uuid::Uuid;

use self::{
    flow::{Flow, Secrets, Ticket},
    registry::Registry,
};
use super::{
    error::Error,
    keys::MasterKey,
    secret::Secret256,
    session::{Device, Mode},
    sign_in::{SignIn, SignedIn},
};
use crate::upstream::{Deadline, Guards};

pub use self::{
    error::Failure,
    flow::Aim,
    provider::{Grant, ProviderName},
    return_to::{NotAllowed, ReturnTo},
};

/// Everything that is done with providers.
#[derive(Debug)]
pub struct OAuth {
    providers: Registry,
    sign_in: SignIn,
    settings: settings::OAuthSettings,
    key: Secret256,
}

/// What the browser is told at the start.
#[derive(Debug)]
pub struct Begun {
    /// The provider's page.
    pub page: url::Url,
    /// The mark by which the browser is known when it comes back.
    pub browser: String,
}

/// How someone came back from a provider.
#[derive(Debug)]
pub struct Returned {
    /// The authorization, or why there is none (RFC 6749, section 4.1.2.1).
    pub grant: Result<Grant, Failure>,
    /// The state that went with them.
    pub state: String,
}

/// Where someone goes on, and with what.
#[derive(Debug)]
pub struct Finished {
    /// Where they wanted to be.
    pub return_to: ReturnTo,
    /// What they have now.
    pub outcome: Result<Outcome, Failure>,
}

/// What a flow came to.
#[derive(Debug)]
pub enum Outcome {
    /// A session, in cookie mode.
    Session(Box<SignedIn>),
    /// A ticket that is exchanged for the user's session, in token mode.
    Ticket(Uuid, String),
    /// The user has one more way to sign in.
    Linked(Uuid),
}

impl Outcome {
    /// Whom it is about.
    #[must_use]
    pub const fn user_id(&self) -> Uuid {
        match self {
            Self::Session(signed_in) => signed_in.user.id,
            Self::Ticket(user_id, _) | Self::Linked(user_id) => *user_id,
        }
    }
}

impl OAuth {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub fn new(
        settings: settings::OAuthSettings,
        production: bool,
        client: &reqwest::Client,
        sign_in: SignIn,
        guards: &Guards,
        master: &MasterKey,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            providers: Registry::new(&settings, production, client, guards)?,
            sign_in,
            settings,
            key: master.derive("oauth flows"),
        })
    }

    /// Whether people can sign in through this provider.
    #[must_use]
    pub fn is_configured(&self, provider: ProviderName) -> bool {
        self.providers.get(provider).is_some()
    }

    /// Begins a flow. `browser` is the mark of one that has begun others.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the provider isn't configured; when it or Redis
    /// doesn't answer.
    pub async fn begin(
        &self,
        provider: ProviderName,
        aim: Aim,
        return_to: ReturnTo,
        browser: Option<&str>,
    ) -> Result<Begun, Failure> {
        let known = self.providers.get(provider).ok_or(Error::NotFound)?;
        let secrets = Secrets::new(&self.key, browser);
        let page = known.page(&secrets, self.deadline()).await?;
        let flow = Flow {
            provider,
            aim,
            return_to,
            expires: self.sign_in.clock.now_ms() + self.settings.state_lifetime_s.millis(),
        };
        let lifetime = self.settings.state_lifetime_s.millis();
        let remembered = secrets.remember(&self.sign_in.redis, &flow, lifetime).await;
        remembered.map_err(Error::from)?;
        Ok(Begun {
            page,
            browser: secrets.browser,
        })
    }

    /// Ends the flow that someone comes back from. `None` when this browser has
    /// none of that state under way, or not any more: then nothing is known of
    /// where they belong.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn finish(
        &self,
        provider: ProviderName,
        returned: Returned,
        browser: &str,
        device: Device,
    ) -> Result<Option<Finished>, Error> {
        let Some(secrets) = Secrets::returning(&self.key, &returned.state, browser) else {
            return Ok(None);
        };
        let flow = secrets
            .recall(&self.sign_in.redis, self.sign_in.clock.now_ms())
            .await?;
        // Each provider has a callback of its own, so that none can pass for
        // another (RFC 9700, section 4.4.2).
        let Some(flow) = flow.filter(|flow| flow.provider == provider) else {
            return Ok(None);
        };
        let outcome = self
            .conclude(&flow, returned.grant, &secrets, &device)
            .await;
        let outcome = match outcome {
            Err(failure) => Err(self.written_down(failure, provider, &device).await),
            outcome => outcome,
        };
        let label = match &outcome {
            Ok(Outcome::Linked(_)) => "linked",
            Ok(Outcome::Session(_) | Outcome::Ticket(..)) => "signed_in",
            Err(failure) => failure.outcome(),
        };
        metrics::counter!("oauth_flows_total", "provider" => provider.as_str(), "outcome" => label)
            .increment(1);
        Ok(Some(Finished {
            return_to: flow.return_to,
            outcome,
        }))
    }

    async fn conclude(
        &self,
        flow: &Flow,
        grant: Result<Grant, Failure>,
        secrets: &Secrets,
        device: &Device,
    ) -> Result<Outcome, Failure> {
        let provider = flow.provider;
        let known = self.providers.get(provider).ok_or(Error::NotFound)?;
        let person = known.person(secrets, &grant?, self.deadline()).await?;
        let mode = match flow.aim {
            Aim::SignIn(mode) => mode,
            Aim::Link {
                user_id,
                session_id,
            } => {
                let alive = self.sign_in.sessions.list(user_id).await?;
                if !alive.iter().any(|session| session.id == session_id) {
                    return Err(Failure::Refused);
                }
                self.link_to(user_id, provider, &person, device).await?;
                return Ok(Outcome::Linked(user_id));
            }
        };
        let user_id = self.user_of(provider, &person, device).await?;
        let lifetime = self.settings.ticket_lifetime_s.millis();
        let ticket = Ticket {
            provider,
            user_id,
            era: self.sign_in.sessions.era(&user_id.to_string()).await?,
            expires: self.sign_in.clock.now_ms() + lifetime,
        };
        Ok(match mode {
            Mode::Cookie => {
                let signed_in = self.admit(ticket, mode, device.clone()).await;
                Outcome::Session(Box::new(signed_in.map_err(refusal)?))
            }
            Mode::Token => {
                let issued = ticket.issue(&self.sign_in.redis, lifetime).await;
                Outcome::Ticket(user_id, issued.map_err(Error::from)?)
            }
        })
    }

    /// Exchanges a ticket for a session in token mode.
    ///
    /// # Errors
    /// [`Error::InvalidCode`] when the ticket is worth nothing,
    /// [`Error::InvalidCredentials`] when its user may not sign in any more;
    /// when a store doesn't answer.
    pub async fn exchange(&self, ticket: &str, device: Device) -> Result<SignedIn, Error> {
        let ticket = Ticket::take(&self.sign_in.redis, ticket, self.sign_in.clock.now_ms()).await?;
        let ticket = ticket.ok_or(Error::InvalidCode)?;
        self.admit(ticket, Mode::Token, device).await
    }

    async fn admit(&self, ticket: Ticket, mode: Mode, device: Device) -> Result<SignedIn, Error> {
        let Ticket { user_id, era, .. } = ticket;
        let provider = ticket.provider.as_str();
        self.sign_in
            .vouched(user_id, era, provider, mode, device)
            .await
    }

    fn deadline(&self) -> Deadline {
        Deadline::within(self.settings.timeout_ms.duration())
    }
}

/// Signing in says "invalid credentials" when the user may not.
fn refusal(error: Error) -> Failure {
    match error {
        Error::InvalidCredentials => Failure::Refused,
        error => Failure::Identity(error),
    }
}
