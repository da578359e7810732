//! Signing up, signing in, signing out: the order of the steps and what each
//! failure gives away, which is nothing.

mod codes;
mod notices;
mod passwords;
mod profile;
mod registration;
mod step_up;
mod vouched;

use platform::{clock::SharedClock, redis::Redis};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    caller::{Caller, Role},
    code::{Codes, hex},
    error::Error,
    identifier::{Identifier, Password},
    keys::keyed_hash,
    life,
    password::{Hasher, Verdict},
    secret::Secret256,
    session::{Device, Era, Mode, Proof, Sessions, TokenPair},
    store::attempts::{self, Outcome},
};
use crate::{
    accounts::{
        audit::{self, AuditEntry, AuditEvent},
        credentials::{self, Credentials, UserStatus},
    },
    notify::{Notice, Sealer},
};

pub use registration::Registration;
pub use step_up::StepUp;

/// Signs people up and in, and looks after what they sign in with. Cloning
/// shares everything in it.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The accounts store.
    pub pool: PgPool,
    /// Failures and devices.
    pub redis: Redis,
    /// The clock.
    pub clock: SharedClock,
    /// Passwords.
    pub hasher: Hasher,
    /// One-time codes.
    pub codes: Codes,
    /// Sessions.
    pub sessions: Sessions,
    /// Seals notices.
    pub sealer: Sealer,
    /// What failures are counted by, where there is no user.
    pub key: Secret256,
}

/// Someone who is signed in now.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub user_id: Uuid,
    /// What the client is given to hold.
    pub proof: Proof,
}

/// What a check of a password brought.
#[derive(Debug)]
struct Judgement {
    outcome: Outcome,
    /// The password's hash with today's parameters, when it needs one.
    rehashed: Option<String>,
}

impl SignIn {
    /// Signs in with a password. Whatever is wrong, the same work is done and
    /// the same answer given.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`], [`Error::Busy`];
    /// when a store doesn't answer.
    pub async fn login(
        &self,
        identifier: Identifier,
        password: Password,
        mode: Mode,
        device: Device,
    ) -> Result<SignedIn, Error> {
        let found = credentials::find(&self.pool, &identifier).await?;
        // A user has one count of failures, by whichever of its identifiers.
        let owner = match &found {
            Some(credentials) => credentials.user_id.to_string(),
            None => {
                let canonical = identifier.canonical().as_bytes();
                hex(&keyed_hash(&self.key, &[b"unknown", canonical])[..16])
            }
        };
        let era = self.sessions.era(&owner).await?;
        let now = self.clock.now();
        let allowed = found.filter(|credentials| credentials.may_sign_in(now));
        let judgement = self.judge(allowed.as_ref(), &owner, password).await?;
        let subject = identifier.masked();
        let (Some(credentials), Outcome::Accepted) = (allowed, judgement.outcome) else {
            let mut entry = self.entry(AuditEvent::SignInFailed, None, &device, Some(subject));
            entry.detail = json!({ "blocked": judgement.outcome == Outcome::Blocked });
            audit::append(&self.pool, &entry).await?;
            return Err(Error::InvalidCredentials);
        };
        let role = self
            .welcome(&credentials, judgement.rehashed, subject, &device)
            .await?;
        self.open(credentials.user_id, role, mode, device, era)
            .await
    }

    /// Checks a password, with the same work for a user who doesn't exist or
    /// has none, and counts a failure.
    async fn judge(
        &self,
        credentials: Option<&Credentials>,
        owner: &str,
        password: Password,
    ) -> Result<Judgement, Error> {
        let stored = credentials.and_then(|credentials| credentials.password.clone());
        let (is_right, rehashed) = match self.hasher.verify(password, stored).await? {
            Verdict::Right { rehashed } => (true, rehashed),
            Verdict::Wrong => (false, None),
        };
        let now = self.clock.now_ms();
        let outcome = attempts::settle(&self.redis, owner, is_right, now).await?;
        metrics::counter!("passwords_checked_total", "outcome" => outcome.as_str()).increment(1);
        Ok(Judgement { outcome, rehashed })
    }

    /// Writes a sign-in down, unless what proved it was changed while it was
    /// checked. Returns the role as it is now.
    async fn welcome(
        &self,
        credentials: &Credentials,
        rehashed: Option<String>,
        subject: String,
        device: &Device,
    ) -> Result<Role, Error> {
        let user_id = credentials.user_id;
        let before = credentials.password.as_deref().unwrap_or_default();
        let mut transaction = self.pool.begin().await?;
        if credentials.status == UserStatus::Deactivated {
            let entry = self.entry(AuditEvent::Reactivated, Some(user_id), device, None);
            life::come_back(&mut transaction, &entry, user_id, &*self.clock).await?;
        }
        let role = credentials::still_good(&mut *transaction, user_id, before)
            .await?
            .ok_or(Error::InvalidCredentials)?;
        credentials::signed_in(&mut *transaction, user_id, self.clock.now()).await?;
        if let Some(hash) = &rehashed {
            credentials::rehash(&mut *transaction, user_id, before, hash).await?;
        }
        let entry = self.entry(AuditEvent::SignedIn, Some(user_id), device, Some(subject));
        audit::append(&mut *transaction, &entry).await?;
        if self.see_device(user_id, device).await? {
            self.tell(&mut transaction, user_id, Notice::NewSignIn, device)
                .await?;
        }
        transaction.commit().await?;
        Ok(role)
    }

    async fn open(
        &self,
        user_id: Uuid,
        role: Role,
        mode: Mode,
        device: Device,
        era: Era,
    ) -> Result<SignedIn, Error> {
        let opened = self.sessions.open(user_id, role, mode, device, era).await;
        let (_, proof) = opened?;
        Ok(SignedIn { user_id, proof })
    }

    /// Renews a session's tokens. The use of a token that was displaced long ago
    /// has ended the session, and is written down.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]; when a store doesn't answer.
    pub async fn refresh(&self, token: &str, device: &Device) -> Result<TokenPair, Error> {
        match self.sessions.refresh(token).await {
            Err(Error::Stolen {
                user_id,
                session_id,
            }) => {
                let mut entry =
                    self.entry(AuditEvent::RefreshTokenStolen, Some(user_id), device, None);
                entry.session_id = Some(session_id);
                let mut transaction = self.pool.begin().await?;
                audit::append(&mut *transaction, &entry).await?;
                self.tell(&mut transaction, user_id, Notice::SessionStolen, device)
                    .await?;
                transaction.commit().await?;
                Err(Error::Unauthenticated)
            }
            outcome => outcome,
        }
    }

    /// Ends the caller's session. One that has ended already stays so.
    ///
    /// # Errors
    /// When a store doesn't answer.
    pub async fn logout(&self, caller: &Caller, device: &Device) -> Result<(), Error> {
        match self.sessions.end(caller.user_id, caller.session_id).await {
            Ok(()) => {}
            Err(Error::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut entry = self.entry(AuditEvent::SignedOut, Some(caller.user_id), device, None);
        entry.session_id = Some(caller.session_id);
        Ok(audit::append(&self.pool, &entry).await?)
    }

    /// Ends every session of the caller.
    ///
    /// # Errors
    /// When a store doesn't answer.
    pub async fn logout_all(&self, caller: &Caller, device: &Device) -> Result<(), Error> {
        self.sessions.end_all(caller.user_id, None).await?;
        let user_id = Some(caller.user_id);
        let entry = self.entry(AuditEvent::SignedOutEverywhere, user_id, device, None);
        Ok(audit::append(&self.pool, &entry).await?)
    }

    pub(super) fn entry(
        &self,
        event: AuditEvent,
        user_id: Option<Uuid>,
        device: &Device,
        subject: Option<String>,
    ) -> AuditEntry {
        AuditEntry {
            id: self.clock.new_id(),
            at: self.clock.now(),
            event,
            user_id,
            session_id: None,
            ip: Some(device.ip),
            user_agent: Some(device.user_agent.clone()),
            subject,
            detail: json!({}),
        }
    }
}
