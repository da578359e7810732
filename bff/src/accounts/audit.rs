//! The audit trail: append-only, kept for a year.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use platform::clock::Clock;
use serde_json::{Value, json};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::identity::{
    identifier::{Address, Email},
    session::Device,
};

/// What is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditEvent {
    /// Someone registered.
    Registered,
    /// Someone signed in.
    SignedIn,
    /// A sign-in failed.
    SignInFailed,
    /// A one-time code was sent.
    CodeSent,
    /// A session was ended by its owner.
    SignedOut,
    /// A displaced refresh token was used.
    RefreshTokenStolen,
    /// Someone's role was changed.
    RoleChanged,
    /// Someone was blocked, or let in again.
    StatusChanged,
    /// Someone's sessions were ended for them.
    SignedOutByAdmin,
    /// Someone went away to come back.
    Deactivated,
    /// Someone came back.
    Reactivated,
    /// Someone asked to be deleted, or didn't come back in time.
    DeletionRequested,
    /// Someone who was deleted came back before they were erased.
    Restored,
    /// What was known of someone was erased.
    Erased,
    /// Someone took a copy of what is known of them.
    Exported,
    /// All sessions of a user were ended by their owner.
    SignedOutEverywhere,
    /// Someone signed in proved again who they are.
    SteppedUp,
    /// Someone signed in failed to prove it.
    StepUpFailed,
    /// A password was changed by someone who knew the one before.
    PasswordChanged,
    /// A password was replaced by means of a code.
    PasswordReset,
    /// A user got another name to sign in with, or gave it up.
    UsernameChanged,
    /// A user got another address or phone number.
    AddressAdded,
    /// A user gave one up.
    AddressRemoved,
    /// A provider was added to the ways to sign in.
    IdentityLinked,
    /// A provider was removed from them.
    IdentityUnlinked,
    /// Money was brought into an account from the world.
    DepositMade,
    /// An account whose address was never proved lost its ways to sign in to
    /// the one who proved it.
    Disowned,
}

impl AuditEvent {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "user.registered",
            Self::SignedIn => "session.opened",
            Self::SignInFailed => "session.refused",
            Self::CodeSent => "code.sent",
            Self::SignedOut => "session.ended",
            Self::RefreshTokenStolen => "session.stolen",
            Self::RoleChanged => "user.role_changed",
            Self::StatusChanged => "user.status_changed",
            Self::SignedOutByAdmin => "session.all_ended_by_admin",
            Self::Deactivated => "user.deactivated",
            Self::Reactivated => "user.reactivated",
            Self::DeletionRequested => "user.deletion_requested",
            Self::Restored => "user.restored",
            Self::Erased => "user.erased",
            Self::Exported => "user.exported",
            Self::SignedOutEverywhere => "sessions.ended",
            Self::SteppedUp => "session.proved",
            Self::StepUpFailed => "session.not_proved",
            Self::PasswordChanged => "password.changed",
            Self::PasswordReset => "password.reset",
            Self::UsernameChanged => "username.changed",
            Self::AddressAdded => "address.added",
            Self::AddressRemoved => "address.removed",
            Self::IdentityLinked => "identity.linked",
            Self::IdentityUnlinked => "identity.unlinked",
            Self::DepositMade => "deposit.made",
            Self::Disowned => "account.disowned",
        }
    }
}

/// One line of the trail.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Its id.
    pub id: Uuid,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: AuditEvent,
    /// To whom, when that is known.
    pub user_id: Option<Uuid>,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// From where.
    pub ip: Option<IpAddr>,
    /// By which program.
    pub user_agent: Option<String>,
    /// A masked identifier.
    pub subject: Option<String>,
    /// More, as a JSON object. Never a secret, code or token.
    pub detail: Value,
}

impl AuditEntry {
    /// That this happens now, to a user if one is known.
    #[must_use]
    pub fn new(event: AuditEvent, user_id: Option<Uuid>, clock: &dyn Clock) -> Self {
        Self {
            id: clock.new_id(),
            at: clock.now(),
            event,
            user_id,
            session_id: None,
            ip: None,
            user_agent: None,
            subject: None,
            detail: json!({}),
        }
    }

    /// The same by way of this device.
    #[must_use]
    pub fn by_way_of(self, device: &Device) -> Self {
        Self {
            ip: Some(device.ip),
            user_agent: Some(device.user_agent.clone()),
            ..self
        }
    }
}

/// Appends to the trail what a user did, or what was done in their name.
///
/// # Errors
/// When the store doesn't answer.
pub async fn append(executor: impl PgExecutor<'_>, entry: &AuditEntry) -> sqlx::Result<()> {
    append_by(executor, entry, entry.user_id).await
}

/// Appends to the trail what `actor` did to a user; nobody: the program itself,
/// or an operator at its command line.
///
/// # Errors
/// When the store doesn't answer.
pub async fn append_by(
    executor: impl PgExecutor<'_>,
    entry: &AuditEntry,
    actor: Option<Uuid>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO audit_log (id, at, event, user_id, actor_id, session_id, ip, user_agent, subject, detail)
         VALUES ($1, $2, $3, $4, $10, $5, $6::text::inet, $7, $8, $9)",
        entry.id,
        entry.at,
        entry.event.as_str(),
        entry.user_id,
        entry.session_id,
        entry.ip.map(|ip| ip.to_string()),
        entry.user_agent,
        entry.subject,
        entry.detail,
        actor,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Appends what nobody known did with an address: it happened to whoever has
/// proved that it is theirs, if anyone has. In one statement, which costs the same
/// either way.
///
/// # Errors
/// When the store doesn't answer.
pub async fn append_about(
    executor: impl PgExecutor<'_>,
    entry: &AuditEntry,
    address: &Address,
) -> sqlx::Result<()> {
    let (email, phone) = match address {
        Address::Email(email) => (Some(Email::canonical(email)), None),
        Address::Phone(phone) => (None, Some(phone.e164())),
    };
    sqlx::query!(
        "INSERT INTO audit_log (id, at, event, user_id, ip, user_agent, subject, detail)
         SELECT $1, $2, $3,
                (SELECT id FROM users WHERE deleted_at IS NULL
                   AND (email_canonical = $8 AND email_verified_at IS NOT NULL
                        OR phone = $9 AND phone_verified_at IS NOT NULL)),
                $4::text::inet, $5, $6, $7",
        entry.id,
        entry.at,
        entry.event.as_str(),
        entry.ip.map(|ip| ip.to_string()),
        entry.user_agent,
        entry.subject,
        entry.detail,
        email,
        phone,
    )
    .execute(executor)
    .await
    .map(drop)
}

/// Deletes some of what was written before an instant. Returns whether there may
/// be more. The database deletes nothing that is younger than 30 days: the trail
/// can't be wiped through this.
///
/// # Errors
/// When the store doesn't answer.
pub async fn sweep(executor: impl PgExecutor<'_>, before: DateTime<Utc>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT audit_log_sweep($1) AS "more!""#, before)
        .fetch_one(executor)
        .await
}

/// Takes out of some lines about nobody that were written before an instant where
/// they came from. Returns whether there may be more. Whoever it was may have
/// registered since, and no erasure would find them. The database touches none
/// that is younger than 30 days.
///
/// # Errors
/// When the store doesn't answer.
pub async fn forget_nobody(
    executor: impl PgExecutor<'_>,
    before: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT audit_log_forget_nobody($1) AS "more!""#, before)
        .fetch_one(executor)
        .await
}
