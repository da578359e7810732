//! Signing up, signing in, signing out: the order of the steps and what each
//! failure gives away, which is nothing.

mod codes;
mod devices;
mod passwords;
mod profile;
mod registration;
mod sessions;
mod step_up;
mod vouched;

use platform::clock::SharedClock;
use serde_json::json;
use uuid::Uuid;

use super::{
    caller::Caller,
    code::Codes,
    error::Error,
    identifier::{Identifier, Password},
    keys::keyed_hash,
    life,
    notices::Notices,
    password::{Hasher, Verdict},
    secret::{Secret256, hex},
    session::{Device, Era, Mode, Proof, Sessions},
    store::attempts::{self, Outcome},
};
use crate::{
    accounts::{
        audit::{self, AuditEntry, AuditEvent},
        credentials::{self, Credentials, UserStatus},
        users::User,
    },
    upstream::{GuardedRedis, Primary},
};

pub use devices::KnownDevice;
pub use registration::Registration;
pub(super) use registration::taken;
pub use step_up::StepUp;

/// Signs people up and in, and looks after what they sign in with. Cloning
/// shares everything in it.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The accounts store.
    pub pool: Primary,
    /// Failures and devices.
    pub redis: GuardedRedis,
    /// The clock.
    pub clock: SharedClock,
    /// Passwords.
    pub hasher: Hasher,
    /// One-time codes.
    pub codes: Codes,
    /// Sessions.
    pub sessions: Sessions,
    /// Tells users what happens.
    pub notices: Notices,
    /// What failures are counted by, where there is no user.
    pub key: Secret256,
}

/// Someone who is signed in now.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub user: User,
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
        let first = self.attempt(&identifier, &password, mode, &device).await?;
        if let Some(signed_in) = first {
            return Ok(signed_in);
        }
        // The new hash may be the same password's, which another sign-in has
        // hashed with today's parameters.
        let second = self.attempt(&identifier, &password, mode, &device).await?;
        second.ok_or(Error::InvalidCredentials)
    }

    /// `None` when the password was right, and its hash replaced meanwhile.
    async fn attempt(
        &self,
        identifier: &Identifier,
        password: &Password,
        mode: Mode,
        device: &Device,
    ) -> Result<Option<SignedIn>, Error> {
        let found = credentials::find(&self.pool, identifier).await?;
        let user_id = found.as_ref().map(|credentials| credentials.user_id);
        // A user has one count of failures, by whichever of its identifiers.
        let owner = match user_id {
            Some(user_id) => user_id.to_string(),
            None => {
                let canonical = identifier.canonical().as_bytes();
                hex(&keyed_hash(&self.key, &[b"unknown", canonical])[..16])
            }
        };
        let era = self.sessions.era(&owner).await?;
        let now = self.clock.now();
        let allowed = found.filter(|credentials| credentials.may_sign_in(now));
        let judgement = self
            .judge(allowed.as_ref(), &owner, password.clone())
            .await?;
        let subject = Some(identifier.masked());
        let (Some(credentials), Outcome::Accepted) = (allowed, judgement.outcome) else {
            let mut entry = self.entry(AuditEvent::SignInFailed, user_id, device, subject);
            entry.detail = json!({ "blocked": judgement.outcome == Outcome::Blocked });
            // Whoever it was, they haven't shown to be the user.
            audit::append_by(&self.pool, &entry, None).await?;
            return Err(Error::InvalidCredentials);
        };
        let session_id = self.clock.new_id();
        let mut entry = self.entry(AuditEvent::SignedIn, user_id, device, subject);
        entry.session_id = Some(session_id);
        let rehashed = judgement.rehashed.as_deref();
        match self.welcome(&credentials, rehashed, &entry, device).await? {
            Some(user) => {
                let opened = self.open(user, session_id, mode, device.clone(), era);
                opened.await.map(Some)
            }
            None => Ok(None),
        }
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
    /// checked.
    async fn welcome(
        &self,
        credentials: &Credentials,
        rehashed: Option<&str>,
        entry: &AuditEntry,
        device: &Device,
    ) -> Result<Option<User>, Error> {
        let user_id = credentials.user_id;
        let before = credentials.password.as_deref().unwrap_or_default();
        let user = if credentials.status == UserStatus::Deactivated {
            let back = self.entry(AuditEvent::Reactivated, Some(user_id), device, None);
            let mut transaction = self.pool.begin().await?;
            life::come_back(&mut transaction, &back, user_id, &*self.clock).await?;
            let user = credentials::sign_in(&mut *transaction, user_id, before, entry).await?;
            if user.is_some() {
                transaction.commit().await?;
            }
            user
        } else {
            credentials::sign_in(&self.pool, user_id, before, entry).await?
        };
        if user.is_some() {
            if let Some(hash) = rehashed {
                credentials::rehash(&self.pool, user_id, before, hash).await?;
            }
            self.greet(user_id, device).await?;
        }
        Ok(user)
    }

    async fn open(
        &self,
        user: User,
        session_id: Uuid,
        mode: Mode,
        device: Device,
        era: Era,
    ) -> Result<SignedIn, Error> {
        let caller = Caller {
            user_id: user.id,
            session_id,
            role: user.role,
        };
        let proof = self.sessions.open(&caller, mode, device, era).await?;
        Ok(SignedIn { user, proof })
    }

    pub(super) fn entry(
        &self,
        event: AuditEvent,
        user_id: Option<Uuid>,
        device: &Device,
        subject: Option<String>,
    ) -> AuditEntry {
        AuditEntry {
            subject,
            ..AuditEntry::new(event, user_id, &*self.clock).by_way_of(device)
        }
    }
}
