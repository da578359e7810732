//! Signing up, signing in, signing out: the order of the steps and what each
//! failure gives away, which is nothing.

mod vouched;

use chrono::NaiveDate;
use platform::{clock::SharedClock, outbox, redis::Redis};
use proto::events::UserRegistered;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    caller::{Caller, Role},
    code::{Codes, Purpose, Redeemed, Sent, hex},
    error::Error,
    identifier::{Address, Identifier, Password, Username},
    keys::{MasterKey, keyed_hash},
    password::{Hasher, Verdict},
    secret::Secret256,
    session::{Device, Mode, Proof, Sessions, TokenPair},
    store::attempts,
};
use crate::accounts::{
    audit::{self, AuditEntry, AuditEvent},
    credentials::{self, Credentials, NewUser, UserStatus},
};

/// Signs people up and in. Cloning shares everything in it.
#[derive(Debug, Clone)]
pub struct SignIn {
    pool: PgPool,
    redis: Redis,
    clock: SharedClock,
    hasher: Hasher,
    codes: Codes,
    sessions: Sessions,
    key: Secret256,
}

/// What a person registers with.
#[derive(Debug)]
pub struct Registration {
    /// The address that the code was sent to.
    pub address: Address,
    /// The code.
    pub code: String,
    /// The password to be.
    pub password: Password,
    /// What they are called.
    pub full_name: String,
    /// The name to sign in with, if any.
    pub username: Option<Username>,
    /// When they were born, if they say.
    pub birth_date: Option<NaiveDate>,
}

/// Someone who is signed in now.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub user_id: Uuid,
    /// What the client is given to hold.
    pub proof: Proof,
}

impl SignIn {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        pool: PgPool,
        redis: Redis,
        clock: SharedClock,
        hasher: Hasher,
        codes: Codes,
        sessions: Sessions,
        master: &MasterKey,
    ) -> Self {
        Self {
            pool,
            redis,
            clock,
            hasher,
            codes,
            sessions,
            key: master.derive("sign-in attempts"),
        }
    }

    /// Makes a user and signs it in. The code proves that the caller owns the
    /// address, so that "taken" tells nothing that isn't theirs to know.
    ///
    /// # Errors
    /// [`Error::InvalidCode`], [`Error::Weak`], [`Error::Taken`], [`Error::Busy`];
    /// when a store doesn't answer.
    pub async fn register(
        &self,
        registration: Registration,
        mode: Mode,
        device: Device,
    ) -> Result<SignedIn, Error> {
        let code = self
            .codes
            .redeem(
                &registration.address,
                Purpose::Registration,
                &registration.code,
            )
            .await?;
        match self.store_user(registration, &device).await {
            Ok(user_id) => self.open(user_id, Role::Customer, mode, device).await,
            Err(error) => Err(self.give_back(code, error).await),
        }
    }

    async fn give_back(&self, code: Redeemed, error: Error) -> Error {
        self.codes.restore(code).await;
        error
    }

    async fn store_user(&self, wanted: Registration, device: &Device) -> Result<Uuid, Error> {
        let mut known = vec![
            wanted.full_name.clone(),
            wanted.address.canonical().to_owned(),
        ];
        if let Address::Email(email) = &wanted.address {
            known.extend(email.canonical().split('@').next().map(str::to_owned));
        }
        known.extend(
            wanted
                .username
                .as_ref()
                .map(|name| name.canonical().to_owned()),
        );
        let hash = self
            .hasher
            .hash(wanted.password, known)
            .await?
            .map_err(Error::Weak)?;

        let at = self.clock.now();
        let user = NewUser {
            id: self.clock.new_id(),
            address: wanted.address,
            username: wanted.username,
            full_name: wanted.full_name,
            birth_date: wanted.birth_date,
            at,
        };
        let mut transaction = self.pool.begin().await?;
        credentials::insert_user(&mut *transaction, &user)
            .await
            .map_err(taken)?;
        credentials::set_password(&mut *transaction, user.id, &hash, at).await?;
        let event = outbox::NewEvent::new(
            <UserRegistered as proto::events::Event>::SUBJECT,
            user.id,
            1,
            &UserRegistered { user_id: user.id },
            &*self.clock,
        );
        outbox::append(&mut *transaction, &event).await?;
        let entry = self.entry(
            AuditEvent::Registered,
            Some(user.id),
            device,
            Some(user.address.masked()),
        );
        audit::append(&mut *transaction, &entry).await?;
        transaction.commit().await?;
        metrics::counter!("registrations_total").increment(1);
        Ok(user.id)
    }

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
        let blocked = attempts::is_blocked(&self.redis, &owner, self.clock.now_ms()).await?;
        let stored = found
            .as_ref()
            .and_then(|credentials| credentials.password.clone());
        let verdict = self.hasher.verify(password, stored).await?;

        let accepted =
            found.filter(|credentials| !blocked && credentials.status == UserStatus::Active);
        let (Some(credentials), Verdict::Right { rehashed }) = (accepted, verdict) else {
            return Err(self.refuse(&owner, blocked, &identifier, &device).await?);
        };
        self.welcome(&credentials, rehashed, &owner, &identifier, &device)
            .await?;
        self.open(credentials.user_id, credentials.role, mode, device)
            .await
    }

    /// Counts a failure, unless it was one of those that a wait refused anyway.
    async fn refuse(
        &self,
        owner: &str,
        blocked: bool,
        identifier: &Identifier,
        device: &Device,
    ) -> Result<Error, Error> {
        if !blocked {
            attempts::failed(&self.redis, owner, self.clock.now_ms()).await?;
        }
        let outcome = if blocked { "blocked" } else { "refused" };
        metrics::counter!("sign_ins_total", "outcome" => outcome).increment(1);
        let mut entry = self.entry(
            AuditEvent::SignInFailed,
            None,
            device,
            Some(identifier.masked()),
        );
        entry.detail = json!({ "blocked": blocked });
        audit::append(&self.pool, &entry).await?;
        Ok(Error::InvalidCredentials)
    }

    async fn welcome(
        &self,
        credentials: &Credentials,
        rehashed: Option<String>,
        owner: &str,
        identifier: &Identifier,
        device: &Device,
    ) -> Result<(), Error> {
        attempts::succeeded(&self.redis, owner).await?;
        let user_id = credentials.user_id;
        let mut transaction = self.pool.begin().await?;
        credentials::signed_in(&mut *transaction, user_id, self.clock.now()).await?;
        if let (Some(hash), Some(before)) = (&rehashed, &credentials.password) {
            credentials::rehash(&mut *transaction, user_id, before, hash).await?;
        }
        let entry = self.entry(
            AuditEvent::SignedIn,
            Some(user_id),
            device,
            Some(identifier.masked()),
        );
        audit::append(&mut *transaction, &entry).await?;
        transaction.commit().await?;
        metrics::counter!("sign_ins_total", "outcome" => "accepted").increment(1);
        Ok(())
    }

    async fn open(
        &self,
        user_id: Uuid,
        role: Role,
        mode: Mode,
        device: Device,
    ) -> Result<SignedIn, Error> {
        let (_, proof) = self.sessions.open(user_id, role, mode, device).await?;
        Ok(SignedIn { user_id, proof })
    }

    /// Sends a code; see [`Codes::send`].
    ///
    /// # Errors
    /// [`Error::TooOften`]; when a store doesn't answer.
    pub async fn send_code(
        &self,
        address: &Address,
        purpose: Purpose,
        device: &Device,
    ) -> Result<Sent, Error> {
        let sent = self.codes.send(address, purpose).await?;
        let entry = self.entry(AuditEvent::CodeSent, None, device, Some(address.masked()));
        audit::append(&self.pool, &entry).await?;
        Ok(sent)
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
                audit::append(&self.pool, &entry).await?;
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

/// Which field someone else has, by the constraint that says so.
fn taken(error: sqlx::Error) -> Error {
    let constraint = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::constraint);
    match constraint {
        Some("users_email_unique" | "users_phone_unique") => Error::Taken(vec!["identifier"]),
        Some("users_username_unique") => Error::Taken(vec!["username"]),
        _ => Error::Postgres(error),
    }
}
