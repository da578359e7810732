//! The audit trail: append-only, kept for a year.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

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
    /// Someone asked to be deleted.
    DeletionRequested,
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
            Self::Erased => "user.erased",
            Self::Exported => "user.exported",
            Self::SignedOutEverywhere => "sessions.ended",
            Self::SteppedUp => "session.proved",
            Self::StepUpFailed => "session.not_proved",
            Self::PasswordChanged => "password.changed",
            Self::PasswordReset => "password.reset",
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
